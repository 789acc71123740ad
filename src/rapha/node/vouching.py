"""A voucher for a deposit, from this node's own records: the study as it was offered, the receipt as it left. Needs no chain.

Nothing of a run depends on it: a node that never vouches is not paid, and loses nothing else.
"""

from rapha.errors import ConfigurationError, Conflict
from rapha.node.configuration import Home
from rapha.node.keys import load_key
from rapha.node.register import Register
from rapha.proof.envelope import read_receipt
from rapha.proof.escrow.deposit import deposit_id
from rapha.proof.escrow.voucher import vouch
from rapha.records.payment import Account, Deposit, Voucher

EVENT = "voucher.signed"


def vouch_for(home: Home, register: Register, deposit: Deposit, run: str, custodian: Account) -> Voucher:
    """Sign that this run's receipt is for this deposit, of which the custodian gets the first share. Kept in the audit log first.

    Raises:
        ConfigurationError: there is no such run, or its study offers no payment.
        Conflict: the run has let out no receipt yet; or was vouched for before, for another deposit.
        Unproven: the deposit is not what the study offers this site.
    """
    entry = register.entry(run)
    if entry is None:
        raise ConfigurationError(f"this node knows no run {run}: `rapha node log {home.folder}` has their names")
    path = home.outbox / entry.dispatch.id / "receipt.json"
    if not path.is_file():
        raise Conflict(f"the run {run} has let out no receipt: a voucher is for one that has")
    signed = vouch(deposit, entry.study, custodian, read_receipt(path.read_bytes()), load_key(home.key))
    name = deposit_id(deposit).hex()
    if (before := register.said_of(EVENT, entry.dispatch.id, "deposit")) not in (None, name):
        raise Conflict(f"the run {run} was vouched for already, for the deposit {before}: a receipt is paid once")
    if before is None:
        register.note(EVENT, entry.dispatch.id, deposit=name, custodian=custodian)
    return signed
