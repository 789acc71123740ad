"""A deposit and its voucher for other implementations: the records, and every hash on the way from them to what the contract checks."""

import paid_site as site

from rapha.proof.escrow.deposit import deposit_id, voucher_hash
from rapha.proof.escrow.voucher import entry_of


def files() -> dict[str, object]:
    """Name -> what is written as JSON."""
    study = site.study()
    said = site.voucher(study)
    receipt = bytes.fromhex(said.receipt[2:])
    hashes = {
        "deposit_id": "0x" + deposit_id(said.deposit).hex(),
        "voucher_hash": "0x" + voucher_hash(said.deposit, receipt).hex(),
        "entry": entry_of(said).decode(),
    }
    return {"study": study.as_json(), "voucher": said.as_json(), "hashes": hashes}
