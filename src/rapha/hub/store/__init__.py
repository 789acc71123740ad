"""The hub's memory: tables.py what is kept, database.py how it is opened and locked, changes.py how it changes.

Survives kill -9 at any moment: SQLite in WAL mode, every commit synced; what was answered with 200 is on the disk.
"""
