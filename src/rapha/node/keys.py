"""The node's secrets: made once, readable by their owner alone, never handed to the sandbox."""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from rapha.durable import sync_folder, write_synced
from rapha.errors import ConfigurationError
from rapha.proof import keys


def make_secrets(home: Path) -> EllipticCurvePrivateKey:
    """Write `key.pem` and `secret`; an existing one is kept, never overwritten."""
    if not (home / "secret").exists():
        write_private(home / "secret", secrets.token_bytes(32))
    if not (home / "key.pem").exists():
        write_private(home / "key.pem", keys.private_to_pem(keys.generate()))
    return load_key(home / "key.pem")


def load_key(path: Path) -> EllipticCurvePrivateKey:
    """The signing key.

    Raises:
        ConfigurationError: missing, not a P-256 key, or readable by others than its owner.
    """
    if not path.is_file():
        raise ConfigurationError(f"{path}: the signing key is missing; restore it from a backup or enrol anew")
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path}: others can read the signing key; run `chmod 600 {path}`")
    return keys.private_from_pem(path.read_bytes())


def write_private(path: Path, data: bytes) -> None:
    """A new file that its owner alone can read, on disk when this returns. Raises FileExistsError."""
    write_synced(path, data, new=True)
    sync_folder(path.parent)
