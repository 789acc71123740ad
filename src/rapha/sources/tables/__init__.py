"""CSV and Parquet tables of a hospital, and a YAML mapping that says what their columns mean.

mapping.py       the mapping language, as records
meaning.py       what a column means: SQL that reads a text as a time, a number, a word of a list
ingest.py        the way from a mapping and a folder to a batch in the timeline
flattened.py     the same of FHIR resources, by views

How files are read, and what is set aside: `rapha.timeline.data_files` and `rapha.timeline.staging`.

The mapping language is explained, with an example that runs, in docs/tables.md.
"""

from rapha.sources.tables.ingest import ingest
from rapha.sources.tables.mapping import Mapping

__all__ = ["Mapping", "ingest"]
