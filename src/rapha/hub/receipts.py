"""Receipts on their way into a delivery: each is logged, witnesses are asked, and it goes out with its place in the log."""

from collections.abc import Mapping
from dataclasses import dataclass

from rapha.hub.log_keeper import LogKeeper
from rapha.hub.witnesses import Witnesses
from rapha.proof import checkpoint, keys
from rapha.proof.bundle import bundled
from rapha.proof.entry import log_entry
from rapha.records.bundle import Bundle
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey


@dataclass(frozen=True)
class ReceiptDesk:
    """The public log, and who watches it."""

    log: LogKeeper
    witnesses: Witnesses

    def logged(self, receipts: Mapping[str, Receipt], known: Mapping[str, TrustedKey]) -> dict[str, Bundle]:
        """Log them as one batch, in the order of their paths; path -> receipt file. `known`: the signers, by keyid.

        Raises:
            DiskFull: nothing was logged.
        """
        paths = sorted(receipts)
        entries = [
            log_entry(receipts[path], keys.public_from_pem(known[receipts[path].signatures[0].keyid].public_key))
            for path in paths
        ]
        placed = self.log.add(entries)
        seen = self.witnesses.cosigned(self.log, placed[0].checkpoint)
        return {
            path: bundled(receipts[path], entry, place.index, place.proof, seen, self.log.log_id)
            for path, entry, place in zip(paths, entries, placed, strict=True)
        }

    @property
    def trusted(self) -> tuple[TrustedKey, ...]:
        """The public keys of the log and its witnesses, as others keep them."""
        public = self.log.public
        log = TrustedKey(
            owner=self.log.origin,
            role="log",
            keyid=checkpoint.keyid(public),
            public_key=checkpoint.public_to_pem(public),
        )
        return (log, *self.witnesses.keys)
