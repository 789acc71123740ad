"""Receipts on their way into a delivery: each is logged, and goes out with its place in the log."""

from collections.abc import Mapping

from rapha.hub.log_keeper import LogKeeper
from rapha.proof import checkpoint, keys
from rapha.proof.bundle import bundled
from rapha.proof.entry import log_entry
from rapha.records.bundle import Bundle
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey


def logged_receipts(
    log: LogKeeper, receipts: Mapping[str, Receipt], known: Mapping[str, TrustedKey]
) -> dict[str, Bundle]:
    """Log them as one batch, in the order of their paths; path -> receipt file. `known`: the signers' keys, by keyid.

    Raises:
        DiskFull: nothing was logged.
    """
    paths = sorted(receipts)
    entries = [
        log_entry(receipts[path], keys.public_from_pem(known[receipts[path].signatures[0].keyid].public_key))
        for path in paths
    ]
    return {
        path: bundled(receipts[path], entry, placed.index, placed.proof, placed.checkpoint, log.log_id)
        for path, entry, placed in zip(paths, entries, log.add(entries), strict=True)
    }


def trusted_log(log: LogKeeper) -> TrustedKey:
    """The log's public key, as others keep it."""
    return TrustedKey(
        owner=log.origin,
        role="log",
        keyid=checkpoint.keyid(log.public),
        public_key=checkpoint.public_to_pem(log.public),
    )
