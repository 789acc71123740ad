"""The hub's memory: tables.py what is kept, database.py how it is opened and locked, changes.py how it changes; sqlite.py and
postgres.py where.

Survives kill -9 at any moment: a SQLite file in WAL mode with every commit synced, or a PostgreSQL server; what was answered
with 200 is on the disk.
"""
