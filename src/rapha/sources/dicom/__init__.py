"""Radiology images (DICOM) into the timeline: volumes as assets, without a header.

mapping.py    the words of the mapping file
wanted.py     which elements are read at all
elements.py   a plain header, fast: bytes -> elements, or a doubt. Pure
reading.py    a file -> its elements, by that reader or by pydicom; untrusted bytes
values.py     an element's value in the form a question needs
uptake.py     what makes a PET image one of standardised uptake values
headers.py    elements -> one header for each image or frame
stacks.py     headers -> stacks of one geometry, or the reason why they are none. Pure
volumes.py    a stack's pixels -> a volume in its own units
segmentation.py  elements -> what a segmentation says: of which images, which segments, where its frames lie
masks.py      a segmentation on the stack that it is of -> a mask of each segment, on the volume's grid
ingest.py     the whole way
"""

from rapha.sources.dicom.ingest import ingest

__all__ = ["ingest"]
