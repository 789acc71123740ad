"""What ran on the hub: the digest of this package's own code and the versions of what it stands on. For the receipt."""

from functools import cache
from importlib.metadata import version
from pathlib import Path

import rapha
from rapha.canonical import digest_file, digest_of

PACKAGES = ("cryptography", "fastapi", "numpy", "pydantic", "sqlalchemy", "uvicorn")


@cache
def code_digest() -> str:
    """Digest over every Python file of the package: path and content."""
    root = Path(rapha.__file__).parent
    return digest_of({str(file.relative_to(root)): digest_file(file) for file in sorted(root.rglob("*.py"))})


@cache
def packages() -> dict[str, str]:
    """Installed versions of `PACKAGES`, and our own."""
    return {"rapha": rapha.__version__, **{name: version(name) for name in PACKAGES}}
