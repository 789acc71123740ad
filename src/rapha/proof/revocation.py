"""A hospital's key that says of itself that it is not believed. Pure.

The key itself may always say so: who has it without being its owner can do no more with it than end it.
"""

from datetime import datetime

from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.envelope import check_form, open_envelope
from rapha.proof.key_change import read_key_change
from rapha.records.receipt import Receipt


def check_revoked_by_itself(revocation: Receipt, owner: str, public: keys.PublicKey) -> datetime:
    """The time from which this key of a hospital is not believed, by its own word.

    Raises:
        Unproven: another key signed it, or it is no revocation of this key of this hospital.
    """
    check_form(revocation)
    said = read_key_change(open_envelope(revocation, public))
    if (said.change, said.role, said.owner, said.keyid) != ("revoked", "node", owner, keys.keyid(public)):
        raise Unproven(f"this is no revocation of the key of {owner} that signed it")
    return datetime.fromisoformat(said.believed_until or "")
