"""CSV and Parquet tables of a hospital, and a YAML mapping that says what their columns mean.

mapping.py       the mapping language, as records
data_files.py    a CSV or Parquet file -> its rows, each with the line it stands on; broken lines set apart
meaning.py       what a column means: SQL that reads a text as a time, a number, a word of a list
staging.py       the tables of one ingest in DuckDB; what is set aside
ingest.py        the way from a mapping and a folder to a batch in the timeline

The mapping language is explained, with an example that runs, in docs/tables.md.
"""

from rapha.sources.tables.ingest import ingest
from rapha.sources.tables.mapping import Mapping

__all__ = ["Mapping", "ingest"]
