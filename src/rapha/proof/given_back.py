"""What a hospital signed and a hub gave back as logged: is it that, and where in which tree? Pure."""

from typing import Literal

from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.bundle import check_entry, check_hint, check_inclusion, decoded, entry_of
from rapha.proof.certificate import certified_key
from rapha.proof.checkpoint import Checkpoint
from rapha.proof.entry import certified_entry, log_entry
from rapha.records.logged import LoggedReceipt
from rapha.records.receipt import Receipt

Word = Literal["freeze", "receipt", "refusal"]


def check_given_back(receipt: Receipt, logged: LoggedReceipt, word: Word) -> Checkpoint:
    """It is that very envelope, under the key that signed it, twice in one tree: that tree. Whether it is the public log's is
    the caller's to see: nothing is asked here of who signed it. `word`: what was signed, for the errors.

    Raises:
        Unproven: it is another envelope, another entry, or a proof that leads nowhere.
    """
    certified, entry = logged.certified, logged.certified.verificationMaterial.tlogEntries[0]
    if not logged.bundle.dsseEnvelope == certified.dsseEnvelope == receipt:
        raise Unproven(f"the hub gave back another {word} than the one that was signed here")
    certificate = decoded(certified.verificationMaterial.certificate.rawBytes)
    public = certified_key(certificate)  # which may have been followed by another here since
    if keys.keyid(public) != receipt.signatures[0].keyid:
        raise Unproven(f"the hub certified the {word} for another key than the one that signed it")
    check_hint(logged.bundle)
    check_entry(entry_of(logged.bundle), log_entry(receipt, public))
    check_entry(entry, certified_entry(receipt, certificate))
    first, second = check_inclusion(entry_of(logged.bundle)), check_inclusion(entry)
    if (first.origin, first.size, first.root) != (second.origin, second.size, second.root):
        raise Unproven(f"the hub logged the {word} in two logs, or in two trees of one")
    return first
