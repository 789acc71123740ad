"""Which chain, which contract, whose key, and how much it may cost: the file that `--chain` names. Read once, frozen."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from rapha.errors import ConfigurationError, NotPermitted
from rapha.records.anchor import Address
from rapha.records.record import Record

KEY_VARIABLE = "RAPHA_CHAIN_KEY"
"""Environment: the key itself, 0x and 64 hex digits; goes before `key_file`."""
GWEI = 10**9
MAX_FILE_BYTES = 64 << 10


class ChainSettings(Record):
    """`chain_id` is pinned: a node of another chain is refused (Polygon has 137).

    Nothing is sent that could use more than `gas_limit` gas (to the escrow: `escrow_gas_limit`; a contract's deployment:
    `deploy_gas_limit`) or pay more than `max_fee_gwei` for each unit of it. A block counts as final by the chain's own `finalized` tag; `final_depth` is for
    chains without one: so many blocks on top. `url` may hold a password or an access key, so it is in no message.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=500)]
    chain_id: Annotated[int, Field(strict=True, ge=1, lt=1 << 53)]
    contract: Address | None = None
    escrow: Address | None = None
    key_file: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    gas_limit: Annotated[int, Field(strict=True, ge=21_000, le=30_000_000)] = 150_000
    escrow_gas_limit: Annotated[int, Field(strict=True, ge=21_000, le=30_000_000)] = 1_500_000
    deploy_gas_limit: Annotated[int, Field(strict=True, ge=100_000, le=30_000_000)] = 3_000_000
    max_fee_gwei: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    final_depth: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    wait_seconds: Annotated[int, Field(strict=True, ge=1, le=3600)] = 120


@dataclass(frozen=True)
class ChainKey:
    """A secp256k1 key. What it prints as is nothing of it."""

    secret: bytes = field(repr=False)


def read_settings(path: Path) -> ChainSettings:
    """The settings in a file. Raises ConfigurationError: it is not there, too long, or a setting is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ConfigurationError(f"{path} has more than {MAX_FILE_BYTES} bytes: that is no file of chain settings")
        return ChainSettings.from_bytes(data)
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigurationError(f"{path}: there is no such file; docs/anchor.md shows what stands in one") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigurationError(f"{path}: {place}: {first['msg']}") from None


def read_key(settings: ChainSettings, environ: Mapping[str, str]) -> ChainKey:
    """The key that signs, from the environment or the file that only its owner may read. Never said in an error.

    Raises:
        ConfigurationError: there is none, or it is no such key.
        NotPermitted: others may read or write the file.
    """
    if KEY_VARIABLE in environ:
        return _key(environ[KEY_VARIABLE], f"the variable {KEY_VARIABLE}")
    if settings.key_file is None:
        raise ConfigurationError(f"no key to sign with: set key_file in the chain's settings, or {KEY_VARIABLE}")
    return _key(_private_text(Path(settings.key_file)), settings.key_file)


def _private_text(path: Path) -> str:
    """The file's text. The rights are those of the file that was opened, not of a name that may change meanwhile."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
                raise NotPermitted(f"{path} is open to others: chmod 600 {path}, and think of its key as known")
            return file.read(200).decode("ascii", "replace")
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such file (key_file)") from None


def _key(text: str, place: str) -> ChainKey:
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", text.strip()) or not int(text.strip(), 16):
        raise ConfigurationError(f"{place} does not hold a key: 0x and 64 hex digits")
    return ChainKey(bytes.fromhex(text.strip().removeprefix("0x")))
