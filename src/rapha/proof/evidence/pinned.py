"""A maker's root certificate, as a file of this version of Rapha holds it."""

import json
from functools import cache
from pathlib import Path

from rapha.canonical import base64_bytes, digest
from rapha.errors import ConfigurationError


@cache
def pinned_root(file: Path) -> bytes:
    """In DER.

    Raises:
        ConfigurationError: the file is not the one that came with this version.
    """
    stated = json.loads(file.read_bytes())
    certificate = base64_bytes(stated["certificate"])
    if digest(certificate) != f"sha256:{stated['sha256']}":
        raise ConfigurationError(f"{file.name} was changed: install Rapha again")
    return certificate
