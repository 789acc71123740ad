"""metadata/codes.parquet into `concepts` and `concept_ancestors`: parents, and the parents of parents."""

from pathlib import Path

import pyarrow as pa

from rapha.sources.meds.mapping import Mapping
from rapha.sources.meds.shards import read_table
from rapha.timeline.staging import Staging

_COLUMNS = {"code": pa.string(), "description": pa.string(), "parent_codes": pa.list_(pa.string())}


def write_vocabulary(staging: Staging, mapping: Mapping, path: Path, batch: str) -> None:
    """A code is a concept of its own, under the whole of its name, and its own ancestor. A parent that is no row of the
    file is a concept as well. Parents that go round in a circle are ancestors of one another."""
    table = read_table(path, _COLUMNS)
    staging.connection.register("incoming", table)
    staging.execute("CREATE TABLE codes AS SELECT * FROM incoming WHERE code IS NOT NULL")
    staging.connection.unregister("incoming")
    staging.execute("CREATE TABLE parents AS SELECT DISTINCT code, unnest(parent_codes) AS parent FROM codes")
    staging.execute(
        """INSERT INTO concepts BY NAME
           SELECT concept, if(cut > 1, left(concept, cut - 1), $system) AS system,
             if(cut > 1, substr(concept, cut + length($split)), concept) AS code, name, true AS standard,
             $batch AS ingest_batch
           FROM (
             SELECT concept, any_value(name) AS name, if($split = '', 0, strpos(concept, $split)) AS cut FROM (
               SELECT regexp_replace(code, '//(start|end)$', '') AS concept, description AS name FROM codes
               UNION ALL SELECT parent, NULL FROM parents WHERE parent IS NOT NULL)
             GROUP BY concept)""",
        {"batch": batch, "system": mapping.system, "split": mapping.split or ""},
    )
    staging.execute(
        """INSERT INTO concept_ancestors BY NAME
           WITH RECURSIVE above AS (
             SELECT concept AS ancestor, concept AS descendant FROM concepts
             UNION
             SELECT parents.parent AS ancestor, above.descendant
             FROM above JOIN parents ON regexp_replace(parents.code, '//(start|end)$', '') = above.ancestor
             WHERE parents.parent IS NOT NULL)
           SELECT ancestor, descendant, $batch AS ingest_batch FROM above""",
        {"batch": batch},
    )
