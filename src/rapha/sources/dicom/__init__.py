"""Radiology images (DICOM) into the timeline: volumes as assets, without a header.

mapping.py    the words of the mapping file
headers.py    a file's header, as far as it is needed; untrusted bytes
stacks.py     headers -> stacks of one geometry, or the reason why they are none. Pure
volumes.py    a stack's pixels -> a volume in its own units
ingest.py     the whole way
"""

from rapha.sources.dicom.ingest import ingest

__all__ = ["ingest"]
