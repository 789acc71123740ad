"""An archive of images (PACS) -> a folder that the DICOM source reads.

server_file.py   what a hospital says of its archive, as records
archive.py       the port: which series there are, which images one has, and those images' bytes
web.py           by DICOMweb (QIDO-RS, WADO-RS), over HTTPS
multipart.py     the bodies that WADO-RS answers with. Pure
dimse.py         by the older protocol (C-FIND, then C-GET or C-MOVE), with pynetdicom
fetching.py      series by series into the folder, each whole or not at all; goes on after a crash

docs/pacs.md explains it.
"""

from rapha.sources.pacs.fetching import Fetched, fetch
from rapha.sources.pacs.server_file import DimseFile, WebFile

__all__ = ["DimseFile", "Fetched", "WebFile", "fetch"]
