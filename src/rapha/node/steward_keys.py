"""A steward's own key: made once, kept by them, locked with a passphrase. It is not the node's, and need not lie on its machine."""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from rapha.errors import ConfigurationError
from rapha.proof import keys

LEAST_PASSPHRASE = 8


def make_key(path: Path, passphrase: str) -> str:
    """Write a new key, readable by its owner alone; its public half, as rules have it.

    Raises:
        ConfigurationError: the file is there already, cannot be written, or the passphrase is short.
    """
    if len(passphrase) < LEAST_PASSPHRASE:
        raise ConfigurationError(f"a passphrase has at least {LEAST_PASSPHRASE} characters")
    private = keys.generate()
    locked = serialization.BestAvailableEncryption(passphrase.encode())
    data = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be made: {error.strerror}; a key is never overwritten") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return public_line(private.public_key())


def open_key(path: Path, passphrase: str) -> keys.PrivateKey:
    """The key of a file that `make_key` wrote.

    Raises:
        ConfigurationError: no such file, others can read it, the passphrase is wrong, or it is no such key.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"{path}: others can read this key; run `chmod 600 {path}`")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: the key cannot be read ({error.strerror})") from None
    try:
        key = serialization.load_pem_private_key(data, passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{path}: the passphrase is wrong, or this is no steward's key") from None
    return keys.private_from_pem(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def public_line(public: keys.PublicKey) -> str:
    """As `Steward.key`: base64 of the SubjectPublicKeyInfo, on one line."""
    return "".join(keys.public_to_pem(public).splitlines()[1:-1])
