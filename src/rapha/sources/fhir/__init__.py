"""FHIR R4 exports: bulk NDJSON and Bundles, with a short mapping that says what FHIR leaves open.

mapping.py         the mapping language, as records
export_files.py    the files of a folder -> their lines, with limits
structures.py      what of each resource is read at all
meaning.py         SQL macros: dates, quantities, references
statuses.py        FHIR's status words -> status and polarity
readings.py        each type of resource as events: times, codes, when it was known
observation.py     the forms of value, components
staged_rows.py     one SQL statement for each type
people_rows.py     the same for Patient, Consent, Medication
statements.py      all of these, by the kind of lines they read
sorting.py         lines sorted by kind, Bundles taken apart
streams.py         a stream of lines for each kind, over all files
staging.py         each stream read by its statement
people.py          keys, merged patients, consent and opt-out
assembly.py        references, versions, deletions, observation periods
ingest.py          the way from a mapping and a folder to a batch in the timeline

docs/fhir.md explains it, with an example that runs.
"""

from rapha.sources.fhir.ingest import ingest
from rapha.sources.fhir.mapping import Mapping

__all__ = ["Mapping", "ingest"]
