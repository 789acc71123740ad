"""HL7 version 2 messages: results (ORU^R01) and stays (ADT), as ER7 text in files, plain, batched or framed by MLLP.

mapping.py    what the messages leave open, as records
messages.py   the files of a folder -> messages, segments, fields, with limits
moments.py    HL7's timestamps: precision, zone, when a moment is over
contents.py   one message -> what it says of a patient, a stay, results; each with its name and version
values.py     OBX-5 by its type
event_rows.py the newest versions as rows of the timeline
ingest.py     the way from a mapping and a folder to a batch in the timeline

docs/hl7v2.md explains it, with an example that runs.
"""

from rapha.sources.hl7v2.ingest import ingest
from rapha.sources.hl7v2.mapping import Mapping

__all__ = ["Mapping", "ingest"]
