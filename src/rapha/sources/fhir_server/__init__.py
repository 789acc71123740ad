"""A FHIR server's bulk export (Bulk Data Access 2.0, `$export`) -> a folder that the FHIR source reads.

server_file.py   what a hospital says of its server, as records; which addresses may be asked at all
answers.py       what a server answers, and what is remembered between two attempts, as records
access.py        the token: a bearer's, or SMART Backend Services
line.py          every request: limits, no redirects, a token for its own origin alone, patience
export.py        kick-off, wait, download, commit, end: each step can be taken again after a crash

docs/fhir-server.md explains it, with an example.
"""

from rapha.sources.fhir_server.export import Fetched, fetch
from rapha.sources.fhir_server.server_file import ServerFile

__all__ = ["Fetched", "ServerFile", "fetch"]
