"""MEDS 0.4.1: Parquet shards of (subject, time, code, number, text), and what its codes are under.

mapping.py     the mapping language: what MEDS does not say of itself
shards.py      the files, their columns, their rows
event_rows.py  rows into patients, events, periods of observation
vocabulary.py  metadata/codes.parquet into concepts and their ancestors
ingest.py      the way from a mapping and a folder to one batch in the timeline

Explained in docs/meds.md, with an example that runs. The way out is `rapha.node.meds`.
"""

from rapha.sources.meds.ingest import ingest
from rapha.sources.meds.mapping import Mapping

__all__ = ["Mapping", "ingest"]
