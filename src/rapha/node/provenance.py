"""What ran: the digest of this package's own code and the versions of what it stands on. For the receipt."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import rapha
from rapha.canonical import digest_file, digest_of

PACKAGES = ("rapha", "torch", "numpy", "duckdb", "pyarrow", "safetensors", "cryptography", "pydantic")


@cache
def code_digest() -> str:
    """Digest over every Python file of the package: path and content."""
    root = Path(rapha.__file__).parent
    return digest_of({str(file.relative_to(root)): digest_file(file) for file in sorted(root.rglob("*.py"))})


@cache
def packages() -> dict[str, str]:
    """Installed versions of `PACKAGES`; one that is absent is left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
