"""The OMOP Common Data Model, 5.3 and 5.4: from a folder of CSV or Parquet, a DuckDB file, or a live PostgreSQL.

mapping.py     the mapping language: what a CDM does not say of itself
cdm.py         the tables of the CDM, column by column
places.py      where a CDM lies: one port, and the folder and the DuckDB file behind it
postgres.py    the same for a live PostgreSQL (the extra `postgres`)
people.py      person, death, observation_period
event_rows.py  the clinical tables, each row an event
vocabulary.py  CONCEPT, CONCEPT_ANCESTOR and `Maps to` of CONCEPT_RELATIONSHIP
ingest.py      the way from a mapping and a CDM to a batch in the timeline

Explained in docs/omop.md, with an example that runs.
"""

from rapha.sources.omop.ingest import ingest
from rapha.sources.omop.mapping import Mapping

__all__ = ["Mapping", "ingest"]
