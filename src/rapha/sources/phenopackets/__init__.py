"""Phenopackets (GA4GH, version 2, as JSON) into the timeline: features and diseases, those that were excluded too.

mapping.py    the words of the mapping file
subjects.py   which subject is whose, and since when it is known
packet.py     one packet -> what it states
moments.py    an onset, given as an age or a date -> a moment
ingest.py     the whole way
"""

from rapha.sources.phenopackets.ingest import ingest

__all__ = ["ingest"]
