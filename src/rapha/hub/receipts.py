"""Receipts on their way into a delivery: each is certified, stamped and logged; witnesses are asked; out it goes, in both forms.

Each receipt is two entries of the log, for the public log shows who signed: one with the key, one with the certificate.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rapha.hub import log_keys
from rapha.hub.authority import Authority
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.witnesses import Witnesses
from rapha.proof import checkpoint, keys
from rapha.proof.bundle import bundled, decoded, placed
from rapha.proof.certified import TRUST_CONFIG_FILE, Trust, certified_bundle, certified_path, trust_config, trusts_of
from rapha.proof.entry import certified_entry, log_entry
from rapha.records.bundle import Bundle
from rapha.records.certified import CertifiedBundle, TrustConfig
from rapha.records.own_keys import KeysBefore
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey


@dataclass(frozen=True)
class ReceiptDesk:
    """The public log, who watches it, and who certifies. `before`: the keys of before, of the hub itself too."""

    log: LogKeeper
    witnesses: Witnesses
    authority: Authority
    before: KeysBefore | None = None
    changing_keys: threading.Lock = field(default_factory=threading.Lock)
    """Held while changes of hospitals' keys are logged, one by one."""
    logging_once: threading.Lock = field(default_factory=threading.Lock)
    """Held while it is looked whether something is in the log already, until it is."""

    def logged(
        self,
        receipts: Mapping[str, Receipt],
        known: Mapping[str, TrustedKey],
        stamped: Mapping[str, tuple[bytes, bytes]],
        earlier: Mapping[str, bytes] | None = None,
    ) -> dict[str, bytes]:
        """Log them as one batch, in the order of their paths; path -> file. `known`: the signers, by keyid. `stamped`: path -> certificate
        and time stamp, of those that were certified before. `earlier`: files of what is in the log already, proven anew in the same tree.

        Raises:
            DiskFull: nothing was logged.
        """
        paths = sorted(receipts)
        signers = {path: known[receipts[path].signatures[0].keyid] for path in paths}
        shown = {path: stamped.get(path) or self.authority.certify(receipts[path], signers[path]) for path in paths}
        entries = [log_entry(receipts[path], keys.public_from_pem(signers[path].public_key)) for path in paths]
        entries += [certified_entry(receipts[path], shown[path][0]) for path in paths]
        proven = self.log.add(entries)
        seen = self.witnesses.cosigned(self.log, proven[0].checkpoint)
        places = [
            placed(entry, place.index, place.proof, seen, self.log.log_id)
            for entry, place in zip(entries, proven, strict=True)
        ]
        files = {path: bundled(receipts[path], place).as_bytes() for path, place in zip(paths, places, strict=False)}
        for path, place in zip(paths, places[len(paths) :], strict=True):
            files[certified_path(path)] = certified_bundle(receipts[path], *shown[path], place).as_bytes()
        files |= {path: self._proven_anew(path, data, seen) for path, data in (earlier or {}).items()}
        return {**files, TRUST_CONFIG_FILE: self.trust_config.as_bytes()}

    def logged_once(
        self, receipt: Receipt, public: keys.PublicKey, shown: tuple[bytes, bytes], from_size: int
    ) -> tuple[bytes, bytes]:
        """Both files of one receipt, logged unless it is among the entries since `from_size`: the same call again adds nothing.

        `public`: its signer's key. `shown`: the certificate and the time stamp that it was given. Raises DiskFull: nothing was logged.
        """
        entries = [log_entry(receipt, public), certified_entry(receipt, shown[0])]
        with self.logging_once:
            first = self.log.place_since(entries[0], from_size)
            proven = (
                self.log.add(entries) if first is None else self.log.prove((first, first + 1), self.log.checkpoint)
            )  # one batch: both are there, or neither
        seen = self.witnesses.cosigned(self.log, proven[0].checkpoint)
        key, certificate = (
            placed(entry, place.index, place.proof, seen, self.log.log_id)
            for entry, place in zip(entries, proven, strict=True)
        )
        return bundled(receipt, key).as_bytes(), certified_bundle(receipt, *shown, certificate).as_bytes()

    def _proven_anew(self, path: str, data: bytes, seen: checkpoint.Checkpoint) -> bytes:
        """A file of what this log holds, with its proof under that checkpoint."""
        form = CertifiedBundle if path.startswith("sigstore/") else Bundle
        file = form.from_bytes(data)
        entry = file.verificationMaterial.tlogEntries[0]
        (place,) = self.log.prove((int(entry.logIndex),), seen)
        anew = placed(decoded(entry.canonicalizedBody), place.index, place.proof, seen, self.log.log_id)
        material = file.verificationMaterial.model_copy(update={"tlogEntries": (anew,)})
        return file.model_copy(update={"verificationMaterial": material}).as_bytes()

    @property
    def trust_config(self) -> TrustConfig:
        """What Sigstore's clients have to trust: the authority and the log's key, and those of before."""
        hub, uri, before = self.authority.hub, self.authority.uri, self._keys_before
        ended = {key.keyid: key for key in before}
        own = {key.keyid for key in self.authority.trusted}
        trusts = [
            replace(trust, known=tuple(ended[one] for one in _keyids(trust) if one in ended))
            for trust in (trusts_of(self.before.trust_config) if self.before else ())
            if own.isdisjoint(_keyids(trust))
        ]
        logs = [
            (checkpoint.public_from_pem(key.public_key), key.window.end if key.window else None)
            for key in before
            if key.role == "log"
        ]
        return trust_config(
            (*trusts, self.authority.trust), (*logs, (self.log.public, None)), self.log.origin, hub, uri
        )

    @property
    def trusted_log(self) -> tuple[TrustedKey, ...]:
        """The log's public keys of now, as others keep them."""
        return log_keys.trusted(self.log.origin, self.log.public, self.log.second_public)

    @property
    def trusted(self) -> tuple[TrustedKey, ...]:
        """The public keys of the log, its witnesses and the authority, as others keep them; and those of before, the hub's own too."""
        return (*self.trusted_log, *self.witnesses.keys, *self.authority.trusted, *self._keys_before)

    @property
    def _keys_before(self) -> tuple[TrustedKey, ...]:
        return self.before.keys if self.before else ()


def _keyids(trust: Trust) -> tuple[str, ...]:
    owned = (trust.authority.public_key(), trust.stamper.public_key(), trust.certificate_log)
    return tuple(keys.keyid(public) for public in owned if isinstance(public, keys.PublicKey))
