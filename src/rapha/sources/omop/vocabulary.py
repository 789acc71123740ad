"""The site's own vocabulary into `concepts` and `concept_ancestors`. It may be absent, and its hierarchy may be empty."""

from collections.abc import Mapping

from rapha.timeline.readings import Fault, first_reason
from rapha.timeline.staging import Staging


def write_vocabulary(staging: Staging, systems: Mapping[str, str], batch: str) -> None:
    """CONCEPT, its `Maps to` and CONCEPT_ANCESTOR; `systems`: what a vocabulary is called, where not by its id. A
    concept without id, vocabulary or code is set aside."""
    faults = (
        Fault("concept_id IS NULL OR vocabulary_id IS NULL OR concept_code IS NULL",
              "'`concept_id`, `vocabulary_id` or `concept_code` is empty'"),
        Fault("listed > 1", "'`concept_id` names a concept that is in the table before'"),
    )  # fmt: skip
    staging.execute(
        f"""CREATE TABLE concept_rows AS SELECT *, {first_reason(faults)} AS reason FROM (
              SELECT *, row_number() OVER (PARTITION BY concept_id ORDER BY line) AS listed FROM concept)"""
    )
    staging.set_aside("concept", "SELECT line, reason FROM concept_rows")
    staging.execute(
        """INSERT INTO concepts BY NAME
           SELECT concept_id AS concept, concept_code AS code, concept_name AS name, maps.maps_to,
             coalesce(($systems)[list_position($vocabularies, vocabulary_id)], vocabulary_id) AS system,
             coalesce(standard_concept = 'S', false) AS standard, $batch AS ingest_batch
           FROM concept_rows LEFT JOIN (
             SELECT concept_id_1, list_sort(list(DISTINCT concept_id_2)) AS maps_to FROM concept_relationship
             WHERE relationship_id = 'Maps to' AND invalid_reason IS NULL AND concept_id_1 <> concept_id_2
             GROUP BY concept_id_1) AS maps ON maps.concept_id_1 = concept_id
           WHERE reason IS NULL AND concept_id <> '0'""",
        {"batch": batch, "systems": list(systems.values()), "vocabularies": list(systems)},
    )
    staging.execute(
        """INSERT INTO concept_ancestors BY NAME
           SELECT DISTINCT ancestor_concept_id AS ancestor, descendant_concept_id AS descendant,
             $batch AS ingest_batch FROM concept_ancestor
           WHERE ancestor_concept_id IS NOT NULL AND descendant_concept_id IS NOT NULL""",
        {"batch": batch},
    )
