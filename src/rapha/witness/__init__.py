"""A witness: sees a log's checkpoints in order, and cosigns those that continue all it saw before. Holds nothing else.

home.py     the folder: its key, the logs it knows, the last checkpoint of each
server.py   one door: POST /add-checkpoint (C2SP tlog-witness)
"""
