"""A made-up site that is paid for a study: its key, the study with its payment, a signed receipt, and a log that holds it."""

from datetime import date
from pathlib import Path

import record_samples as made_up
import small_log

from rapha.canonical import digest
from rapha.hub.log_keeper import LogKeeper
from rapha.proof import keys
from rapha.proof.entry import log_entry
from rapha.proof.envelope import seal
from rapha.proof.escrow.deposit import deposit_of
from rapha.proof.escrow.voucher import vouch
from rapha.proof.statement import site_statement
from rapha.records.payment import Deposit, OtherPayee, Payment, Referee, Voucher
from rapha.records.receipt import Receipt
from rapha.records.study import Study

ORIGIN = small_log.ORIGIN
CHAIN = 31337
ESCROW = "0x" + "e5" * 20
FUNDER, CUSTODIAN, HUB, REFEREE, STRANGER = ("0x" + pair * 20 for pair in ("f1", "c2", "b3", "a4", "d5"))
NODE, OTHER_NODE = made_up.private_key("north"), made_up.private_key("south")
EACH = 10**18 + 7
"""Not divisible by what the shares are of."""


def payment(escrow: str = ESCROW, until: date = date(2027, 3, 31), judged: bool = True) -> Payment:
    """One coin for each site, 5 % of it the hub's; with a referee, or without."""
    return Payment(
        chain=CHAIN,
        escrow=escrow,
        log=ORIGIN,
        each_site=str(EACH),
        until=until,
        others=(OtherPayee(account=HUB, percent=5),),
        referee=Referee(account=REFEREE, window_days=3, ruling_days=5) if judged else None,
    )


def study(terms: Payment | None = None) -> Study:
    return made_up.example("diabetes-within-5-years").model_copy(update={"payment": terms or payment()})


def receipt(of: Study, private: keys.PrivateKey = NODE, salt: str = "") -> Receipt:
    """The receipt of a site that took part."""
    weights = digest(b"the weights that came out")
    release = made_up.release(of, "north", weights)
    files = {"model.safetensors": weights, f"metrics/{release.site}.json": release.metrics}
    return seal(site_statement(release, files, digest(b"nonce" + salt.encode())[7:39], made_up.AT), private)


def deposit(of: Study, funder: str = FUNDER, private: keys.PrivateKey = NODE, salt: int = 1) -> Deposit:
    return deposit_of(of, funder, CUSTODIAN, private.public_key(), salt.to_bytes(32, "big"))


def voucher(of: Study, funder: str = FUNDER, salt: int = 1) -> Voucher:
    return vouch(deposit(of, funder, salt=salt), of, CUSTODIAN, receipt(of), NODE)


def log_with(folder: Path, entries: list[bytes], before: int = 4, after: int = 6) -> None:
    """A real log in a folder: some entries of others, these, some more of others."""
    others = [b"entry %d of somebody else" % number for number in range(before + after)]
    keeper = LogKeeper(folder, ORIGIN, small_log.private_key(ORIGIN))
    keeper.add([*others[:before], *entries, *others[before:]])
    keeper.close()


def entry(of: Study, private: keys.PrivateKey = NODE, salt: str = "") -> bytes:
    return log_entry(receipt(of, private, salt), private.public_key())
