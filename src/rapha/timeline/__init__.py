"""ONE PATIENT, ONE LINE OF EVENTS. A folder of Parquet, written and read with DuckDB and Arrow.

schema.py   the tables, column by column
writer.py   rows in, Parquet out; atomic, idempotent
reader.py   the locked connection every question is asked through; the timeline's digest
coverage.py what is there, counted exactly (the node suppresses it before anyone sees it)
"""
