"""The tables of a timeline, column by column. One folder each, of zstd Parquet files: events/, subjects/,
observation_periods/; where a source brought a vocabulary, concepts/ and concept_ancestors/; where it brought variant calls,
variants/, called/ and genes/; and where it brought what is dense, assets/, whose contents lie in contents/ (see `assets.py`).

Times are UTC microseconds; the offset that the source gave is kept beside them. `t_available` is when the hospital
*knew*: a laboratory value when it was reported, not when the blood was taken; a discharge diagnosis at discharge.
"""

from collections.abc import Iterable

import pyarrow as pa

_TIME = pa.timestamp("us", tz="UTC")

EVENTS = pa.schema(
    [
        pa.field("subject_key", pa.int64(), nullable=False),  # keyed hash of the patient's identifier, site secret
        pa.field("event_id", pa.string(), nullable=False),  # 32 hex digits: source id, version, component
        pa.field("kind", pa.string(), nullable=False),  # one of KINDS
        pa.field("t_start", _TIME),
        pa.field("t_end", _TIME),
        pa.field("t_available", _TIME),
        pa.field("precision", pa.string()),  # one of PRECISIONS: of t_start, as the source gave it
        pa.field("utc_offset_minutes", pa.int16()),  # null where the source gave none
        pa.field("system", pa.string()),
        pa.field("code", pa.string()),
        pa.field("concept", pa.string()),  # the site's vocabulary, null where unmapped
        pa.field("num", pa.float64()),  # as given
        pa.field("comparator", pa.string()),  # <, <=, >, >= or null
        pa.field("unit", pa.string()),  # as given
        pa.field("unit_ucum", pa.string()),
        pa.field("num_canonical", pa.float64()),  # in unit_ucum; null where the unit is not known
        pa.field("value_code", pa.string()),
        pa.field("text_ref", pa.string()),
        pa.field("status", pa.string(), nullable=False),  # one of STATUSES
        pa.field("polarity", pa.string(), nullable=False),  # one of POLARITIES
        pa.field("encounter", pa.string()),
        pa.field("parent_event", pa.string()),
        pa.field("asset", pa.string()),
        pa.field("source_ref", pa.string(), nullable=False),  # table and row, e.g. labs.csv#17
        pa.field("source_version", pa.string(), nullable=False),
        pa.field("ingest_batch", pa.string(), nullable=False),
        pa.field("deleted", pa.bool_(), nullable=False),
    ]
)
SUBJECTS = pa.schema(
    [
        pa.field("subject_key", pa.int64(), nullable=False),
        pa.field("birth", _TIME),
        pa.field("birth_precision", pa.string()),
        pa.field("sex", pa.string()),  # female, male, other or null
        pa.field("death", _TIME),
        pa.field("death_precision", pa.string()),
        pa.field("opted_out", pa.bool_(), nullable=False),
        pa.field("ingest_batch", pa.string(), nullable=False),
    ]
)
OBSERVATION_PERIODS = pa.schema(
    [
        pa.field("subject_key", pa.int64(), nullable=False),
        pa.field("t_start", _TIME, nullable=False),
        pa.field("t_end", _TIME, nullable=False),
        pa.field("ingest_batch", pa.string(), nullable=False),
    ]
)
CONCEPTS = pa.schema(
    [
        pa.field("concept", pa.string(), nullable=False),  # what `events.concept` holds; an OMOP concept_id as text
        pa.field("system", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("standard", pa.bool_(), nullable=False),
        pa.field("maps_to", pa.list_(pa.string())),  # the standard concepts that a code which is none stands for
        pa.field("ingest_batch", pa.string(), nullable=False),
    ]
)
CONCEPT_ANCESTORS = pa.schema(
    [
        pa.field("ancestor", pa.string(), nullable=False),
        pa.field("descendant", pa.string(), nullable=False),
        pa.field("ingest_batch", pa.string(), nullable=False),
    ]
)
VARIANTS = pa.schema(
    [
        pa.field("build", pa.string(), nullable=False),  # GRCh37 or GRCh38
        pa.field("code", pa.string(), nullable=False),  # as `events.code` of `variant:BUILD` and `dosage:BUILD` has it
        pa.field("chromosome", pa.string(), nullable=False),
        pa.field("first", pa.int32(), nullable=False),  # of the bases that are changed, on the reference
        pa.field("last", pa.int32(), nullable=False),
        pa.field("gene", pa.string()),  # its symbol
        pa.field("gene_id", pa.string()),
        pa.field(
            "coordinates", pa.string()
        ),  # digest of the file by which it lies in the gene; null where the annotation says so
        pa.field("consequences", pa.list_(pa.string())),  # at one transcript: terms of `records/consequence.py`
        pa.field("population", pa.string()),  # that the annotation looked it up in; null where in none
        pa.field("frequency", pa.float64()),  # there; null where it is not in it
        pa.field("ingest_batch", pa.string(), nullable=False),
    ]
)
CALLED_STRETCHES = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),  # of the sample's event of the system `called`
        pa.field("build", pa.string(), nullable=False),
        pa.field("chromosome", pa.string(), nullable=False),
        pa.field("first", pa.int32(), nullable=False),  # both ends in it; no two of an event touch
        pa.field("last", pa.int32(), nullable=False),
        pa.field("ingest_batch", pa.string(), nullable=False),
    ]
)
GENES = pa.schema(
    [
        pa.field("build", pa.string(), nullable=False),
        pa.field("gene", pa.string(), nullable=False),  # its symbol
        pa.field("gene_id", pa.string()),
        pa.field("chromosome", pa.string(), nullable=False),
        pa.field("first", pa.int32(), nullable=False),  # of the gene, or of a part of it; both ends in it
        pa.field("last", pa.int32(), nullable=False),
        pa.field("coordinates", pa.string(), nullable=False),  # digest of the file that says so
        pa.field("ingest_batch", pa.string(), nullable=False),
    ]
)
ASSETS = pa.schema(
    [
        pa.field("asset", pa.string(), nullable=False),  # what `events.asset` holds: SHA-256 of the content, hex
        pa.field("subject_key", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # one of ASSET_KINDS
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("held_in", pa.string(), nullable=False),  # its folder under contents/
        pa.field("ingest_batch", pa.string(), nullable=False),
    ]
)
NOTES = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),  # of the note
        pa.field("author", pa.string()),  # one of ROLES of `records/author.py`; null where it is not known
        pa.field("language", pa.string()),  # the first subtag of BCP 47
        pa.field("ingest_batch", pa.string(), nullable=False),
    ]
)
MERGES = pa.schema(
    [
        pa.field("retired", pa.int64(), nullable=False),  # the key of an identifier that is a patient's no more
        pa.field("remains", pa.int64(), nullable=False),  # the key of the one that is, at the end of the chain
        pa.field("ingest_batch", pa.string(), nullable=False),
    ]
)
TABLES = {"events": EVENTS, "subjects": SUBJECTS, "observation_periods": OBSERVATION_PERIODS}
"""Of patients: every batch has them."""
VOCABULARY = {"concepts": CONCEPTS, "concept_ancestors": CONCEPT_ANCESTORS}
"""Of codes: a batch may have them."""
CALLED = {"variants": VARIANTS, "called": CALLED_STRETCHES, "genes": GENES}
"""Of calls: a batch may have them. Of each variant of which some patient has a call a row for each gene and transcript, one at least;
where each sample was called well enough; where genes lie. The patient of a sample is that of its event."""
DENSE = {"assets": ASSETS}
"""Of what events point at: a batch may have it."""
JOINED = {"merges": MERGES}
"""Of patients who turned out to be one: a batch may have it. Whoever reads the timeline finds the one that remains, whichever source
told of the other (see `reader.py`)."""
PENNED = {"notes": NOTES}
"""Of notes: a batch may say who wrote them, and in which language. A note without a row is of nobody known."""
ALL_TABLES = TABLES | VOCABULARY | CALLED | DENSE | JOINED | PENNED

KINDS = (
    "measurement", "condition", "procedure", "medication", "encounter", "observation", "note", "device", "imaging",
    "variant",
)  # fmt: skip
ASSET_KINDS = ("note", "volume", "mask", "genotypes", "callset")
PRECISIONS = ("year", "month", "day", "minute", "second")
STATUSES = ("final", "preliminary", "amended", "cancelled", "entered-in-error")
POLARITIES = ("affirmed", "negated", "excluded", "unknown")
USABLE_STATUSES = ("final", "preliminary", "amended")
"""An event counts for a cohort when its status is usable, it is affirmed, and it is not deleted."""
FEW_WORDS = {"kind": KINDS, "precision": PRECISIONS, "status": STATUSES, "polarity": POLARITIES}
"""The columns of `events` that hold one of so many words. While they are staged they are enums, of a byte each."""


def enum_of(words: Iterable[str]) -> str:
    """SQL of the type that holds one of these."""
    quoted = ", ".join("'" + word.replace("'", "''") + "'" for word in dict.fromkeys(words))
    return f"ENUM({quoted})"
