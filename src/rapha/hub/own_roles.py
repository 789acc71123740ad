"""The three of a hub that have keys of its own, and how each goes over to others: the hub itself, its log, its authority.

The log's old key signs its checkpoints too until `log-key-before.pem` is removed: a witness that knows that one alone cosigns these, and
has time to learn the new one. An old key of the hub itself or of its authority is gone.
"""

import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from rapha import faults
from rapha.durable import sync_folder
from rapha.hub import log_keys
from rapha.hub.authority import make_authority, open_authority
from rapha.hub.configuration import HubConfiguration, write_private
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.signer import Signer
from rapha.proof import checkpoint, keys, lasting
from rapha.proof.key_change import signed_handover, signed_rotation
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey

LOG_BEFORE = "log-key-before.pem"
"""While it is there, it signs the log's checkpoints too."""
_GONE = "authority-gone"
Said = tuple[tuple[Receipt, TrustedKey], ...]
"""Statements with who signed each, in the order in which they are logged."""


@dataclass(frozen=True)
class OwnRole(ABC):
    """See the page's head. `NAME`: as on the command line; `NEXT`: what its new keys are called in the home until they count."""

    configuration: HubConfiguration
    desk: ReceiptDesk
    signer: Signer
    NAME: ClassVar[str]
    NEXT: ClassVar[str]
    OF: ClassVar[frozenset[str]]
    """The roles of its keys, as keys files have them."""

    @property
    def next(self) -> Path:
        return self.configuration.home / self.NEXT

    @property
    @abstractmethod
    def place(self) -> Path:
        """Where the keys that count lie."""

    @property
    @abstractmethod
    def ending(self) -> tuple[TrustedKey, ...]:
        """The keys that count yet."""

    @property
    @abstractmethod
    def following(self) -> tuple[TrustedKey, ...]:
        """Those that lie at `next`, one for each that ends."""

    @abstractmethod
    def make(self) -> None:
        """New keys at `next`, whole or not at all."""

    @abstractmethod
    def settle(self) -> None:
        """The new keys are where the old ones were."""

    def said(self, ending: TrustedKey, following: TrustedKey, at: datetime) -> Said:
        """That one key follows another."""
        return ((signed_handover(ending, following.public_key, at, self.signer.key), self.signer.trusted),)

    @property
    def signer_after(self) -> Signer:
        """The hub as it signs once that is said."""
        return self.signer


class HubKey(OwnRole):
    """The key that signs aggregations, and changes of keys."""

    NAME, NEXT, OF = "hub", "key-next.pem", frozenset({"hub"})

    @property
    def place(self) -> Path:
        return self.configuration.key

    @property
    def ending(self) -> tuple[TrustedKey, ...]:
        return (self.signer.trusted,)

    @property
    def following(self) -> tuple[TrustedKey, ...]:
        return (self.signer_after.trusted,)

    @property
    def signer_after(self) -> Signer:
        return Signer(self.signer.name, keys.private_from_pem(self.next.read_bytes()), self.signer.clock)

    def make(self) -> None:
        write_private(self.next, keys.private_to_pem(keys.generate()))

    def said(self, ending: TrustedKey, following: TrustedKey, at: datetime) -> Said:
        both = signed_rotation(ending.owner, self.signer.key, self.signer_after.key, at, "hub")
        return ((both.following, following), (both.ending, ending))

    def settle(self) -> None:
        self.next.replace(self.place)
        sync_folder(self.configuration.home)


class LogKey(OwnRole):
    """The two keys that sign checkpoints."""

    NAME, NEXT, OF = "log", "log-key-next.pem", frozenset({"log", lasting.ROLE_OF_LOG})

    @property
    def place(self) -> Path:
        return self.configuration.log_key

    @property
    def ending(self) -> tuple[TrustedKey, ...]:
        return self.desk.trusted_log

    @property
    def following(self) -> tuple[TrustedKey, ...]:
        return log_keys.completed(self.next).trusted(self.desk.log.origin)

    def make(self) -> None:
        write_private(self.next, log_keys.made().as_pem())

    def settle(self) -> None:
        newest, following = self.desk.log.checkpoint, log_keys.completed(self.next)
        again = checkpoint.signed(newest.origin, newest.size, newest.root, following.private)
        second = [lasting.signed_by_log(again, following.second)] if following.second else []
        self.desk.log.cosign(again.with_signatures(*second))
        write_private(self.configuration.home / LOG_BEFORE, self.place.read_bytes())
        self.next.replace(self.place)
        sync_folder(self.configuration.home)


class AuthorityKeys(OwnRole):
    """The three keys that certify, stamp times and stamp certificates."""

    NAME, NEXT, OF = "authority", "authority-next", frozenset({"authority", "time-stamper", "certificate-log"})

    @property
    def place(self) -> Path:
        return self.configuration.authority

    @property
    def ending(self) -> tuple[TrustedKey, ...]:
        return self.desk.authority.trusted

    @property
    def following(self) -> tuple[TrustedKey, ...]:
        return open_authority(self.next, self.signer.name, self.signer.clock).trusted

    def make(self) -> None:
        make_authority(self.next, self.signer.name, self.signer.clock())

    def settle(self) -> None:
        gone = self.configuration.home / _GONE
        shutil.rmtree(gone, ignore_errors=True)
        self.place.rename(gone)
        faults.point("hub.renamed:authority-gone")
        self.next.rename(self.place)
        sync_folder(self.configuration.home)


ROLES: dict[str, type[OwnRole]] = {role.NAME: role for role in (HubKey, LogKey, AuthorityKeys)}
"""By name. The hub's own first: what is begun ends in this order, and a statement by its old key would come too late."""


def begun(configuration: HubConfiguration) -> tuple[str, ...]:
    """What was begun and not ended, by name. Puts new keys of an authority in place whose old ones are gone."""
    if (folder := configuration.home / AuthorityKeys.NEXT).exists() and not configuration.authority.exists():
        folder.rename(configuration.authority)
    if configuration.authority.exists():
        shutil.rmtree(configuration.home / _GONE, ignore_errors=True)
    return tuple(name for name, role in ROLES.items() if (configuration.home / role.NEXT).exists())
