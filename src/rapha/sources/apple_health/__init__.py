"""What a patient's iPhone exports: one `export.zip`, or a folder of many with a file that says whose each is.

mapping.py      the mapping language: whose exports, in which zone their days are
places.py       where the exports lie; a zip opened with limits
stream.py       export.xml -> batches of records, and the other elements one by one, within limits
records.py      records as iOS writes them, taken out of a text by the thousand
moments.py      moments as Apple writes them -> UTC and an offset
typed.py        the texts of records -> numbers
vocabulary.py   Apple's types, units and words -> ours
samples.py      records -> typed samples in one unit, or set aside
zones.py        in which zone the patient's clock was, from when until when
days.py         the patient's days, and the spans of them that are worked on one after another
minutes.py      overlapping sources -> one value a minute; of which day and hour it is
summaries.py    minutes -> events of days and hours, and what is known of wear
single.py       what is an event by itself: workouts, notices, ECGs, samples that are asked for
ecg.py          the head of an electrocardiogram's file
ingest.py       the way from a mapping and exports to one batch in the timeline

Explained in docs/apple-health.md, with an example that runs.
"""

from rapha.sources.apple_health.ingest import ingest
from rapha.sources.apple_health.mapping import Mapping

__all__ = ["Mapping", "ingest"]
