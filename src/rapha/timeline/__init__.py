"""ONE PATIENT, ONE LINE OF EVENTS. A folder of Parquet, written and read with DuckDB and Arrow.

schema.py   the tables, column by column
writer.py   rows in, Parquet out; atomic, idempotent
assets.py   what is dense: contents beside the events that point at them
notes.py    the texts of a batch's notes, from its staging into assets
opt_out.py  the site's own list of those who enter no cohort
reader.py   the locked connection every question is asked through; the timeline's digest
data_files.py  a CSV or Parquet file -> its rows, each with the line it stands on; broken lines set apart
readings.py    how a text is read as a time or a number, in SQL
staging.py     the tables of one ingest in DuckDB; what is set aside
stream.py   batches as one stream, for one statement
coverage.py what is there, counted exactly (the node suppresses it before anyone sees it)
"""
