"""A study that pays, on a real chain (anvil) and with real hospitals: funded, run, logged, anchored, shown, settled, paid out.

One hospital is paid against its receipt; the other never vouches, and the funder has that deposit back. Every step is a typed command.
"""

import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anvil
import pytest
from made_up_people import write_study
from mortal_town import MortalTown, mortal_town
from typer.testing import CliRunner

from rapha.cli import escrow, node, public_log
from rapha.errors import Conflict, Unproven
from rapha.hub.anchors.chain import address_of
from rapha.hub.anchors.settings import ChainKey
from rapha.hub.log_keeper import read_log_file
from rapha.proof.checkpoint import read_checkpoint
from rapha.sdk.client import connect

pytestmark = pytest.mark.slow
KEYS = {who: ChainKey(bytes([byte]) * 32) for who, byte in (("hub", 0x31), ("funder", 0x32), ("anybody", 0x33))}
CUSTODIAN = "0x" + "c1" * 20
EACH, DAY = 10**18, 86_400
APPS = {"log": public_log.app, "escrow": escrow.app, "node": node.app}
Typed = Callable[..., str]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[anvil.Chain]:
    program = anvil.installed()
    if program is None:
        pytest.skip("npm could not install anvil here")
    with anvil.running(program, tmp_path) as started:
        for key in KEYS.values():
            started.ask("anvil_setBalance", address_of(key), hex(10**20))
        yield started


@pytest.fixture
def town(tmp_path: Path) -> Iterator[MortalTown]:
    with mortal_town(tmp_path / "town") as standing:
        yield standing


@pytest.fixture
def typed(chain: anvil.Chain, tmp_path: Path) -> Typed:
    """Type a command of `rapha` as somebody who has an account on the chain."""
    set_up(tmp_path, url=chain.url, chain_id=31337, max_fee_gwei=50, wait_seconds=10)

    def typing(who: str, *words: str) -> str:
        noun, *rest = words
        told = CliRunner().invoke(APPS[noun], rest, env={"RAPHA_CHAIN_KEY": "0x" + KEYS[who].secret.hex()})
        if told.exception:
            raise told.exception
        return told.output

    return typing


def set_up(folder: Path, **changes: object) -> Path:
    file = folder / "chain.json"
    file.write_text(json.dumps({**(json.loads(file.read_text()) if file.exists() else {}), **changes}))
    return file


def balance(chain: anvil.Chain, account: str) -> int:
    return int(chain.ask("eth_getBalance", account, "latest"), 16)


def test_from_the_offer_to_the_balances(chain: anvil.Chain, town: MortalTown, typed: Typed, tmp_path: Path) -> None:
    with_chain = ("--chain", str(tmp_path / "chain.json"))
    log = town.home / "hub" / "log"
    for what, setting in (("log deploy-anchor", "contract"), ("escrow deploy", "escrow")):
        said = typed("hub", *what.split(), *with_chain)
        set_up(tmp_path, **{setting: said.split()[0]})
    paying, idle = town.sites[:2]
    study = paid_study(tmp_path, town, log)
    keys = tmp_path / "keys.json"
    with urllib.request.urlopen(f"{town.hub_url}/api/v1/keys", timeout=30) as answer:
        keys.write_bytes(answer.read())

    for site in (paying, idle):
        locking = ("escrow", "lock", str(study), "--site", site, "--keys", str(keys), "--custodian", CUSTODIAN)
        locking += ("--out", str(tmp_path / f"{site}.json"), *with_chain)
        assert "locked (" in typed("funder", *locking)
        assert "locked before" in typed("funder", *locking)
    contract = json.loads((tmp_path / "chain.json").read_text())["escrow"]
    assert balance(chain, contract) == 2 * EACH

    with connect(town.hub_url, town.token) as client:
        study_id = client.submit(study).study_id
        list(client.watch(study_id))
        assert client.status(study_id).state == "completed"
    events = typed("anybody", "node", "log", str(town.hospital(paying))).splitlines()
    run = next(line.split()[2] for line in events if "release.sent" in line)

    deposit, voucher = str(tmp_path / f"{paying}.json"), str(tmp_path / "voucher.json")
    vouching = ("node", "voucher", str(town.hospital(paying)), "--run", run, "--output", voucher)
    with pytest.raises(Unproven, match="payees differ"):
        typed("anybody", *vouching, deposit, "--custodian", "0x" + "77" * 20)
    with pytest.raises(Unproven, match="key_x, key_y differ"):
        typed("anybody", *vouching, str(tmp_path / f"{idle}.json"), "--custodian", CUSTODIAN)
    for _ in range(2):
        assert f"the first share to {CUSTODIAN}" in typed("anybody", *vouching, deposit, "--custodian", CUSTODIAN)

    presenting = ("escrow", "present", voucher, "--log", str(log), *with_chain)
    with pytest.raises(Conflict, match="0 entries are anchored: try after the next anchor"):
        typed("anybody", *presenting)
    assert "anchored" in typed("hub", "log", "anchor", str(log), *with_chain)
    assert "presented (" in typed("anybody", *presenting)
    assert "presented before" in typed("anybody", *presenting)
    with pytest.raises(Conflict, match="too early"):
        typed("anybody", "escrow", "settle", deposit, *with_chain)
    pass_time(chain, 3 * DAY)
    assert "settled (" in typed("anybody", "escrow", "settle", deposit, *with_chain)
    assert f"{CUSTODIAN}: {EACH * 9 // 10} wei sent" in typed(
        "anybody", "escrow", "withdraw", "--account", CUSTODIAN, *with_chain
    )
    before = balance(chain, address_of(KEYS["hub"]))
    assert "wei sent" in typed("anybody", "escrow", "withdraw", "--account", address_of(KEYS["hub"]), *with_chain)
    assert balance(chain, address_of(KEYS["hub"])) - before == EACH // 10
    assert balance(chain, CUSTODIAN) == EACH * 9 // 10

    given_back(chain, typed, str(tmp_path / f"{idle}.json"), with_chain)
    assert balance(chain, contract) == 0


def given_back(chain: anvil.Chain, typed: Typed, other: str, with_chain: tuple[str, ...]) -> None:
    """The deposit of the hospital that never vouched, after its deadline."""
    with pytest.raises(Conflict, match="too early"):
        typed("anybody", "escrow", "refund", other, *with_chain)
    pass_time(chain, 40 * DAY)
    assert "refunded (" in typed("anybody", "escrow", "refund", other, *with_chain)
    before = balance(chain, address_of(KEYS["funder"]))
    typed("anybody", "escrow", "withdraw", "--account", address_of(KEYS["funder"]), *with_chain)
    assert balance(chain, address_of(KEYS["funder"])) - before == EACH


def paid_study(folder: Path, town: MortalTown, log: Path) -> Path:
    """The study of these people, with a payment: a tenth of it for who runs the hub; who funds cannot judge."""
    study = write_study(folder / "study.yaml", rounds=2, at_least=2)
    contract = json.loads((folder / "chain.json").read_text())["escrow"]
    until = (datetime.now(UTC) + timedelta(days=30)).date()
    origin = read_checkpoint(read_log_file(log, "checkpoint")).origin
    study.write_text(
        study.read_text()
        + f"payment:\n  chain: 31337\n  escrow: {contract}\n  log: {origin}\n  each_site: {EACH}\n  until: {until}\n"
        + f"  others: [{{account: {address_of(KEYS['hub'])}, percent: 10}}]\n"
        + f'  referee: {{account: "0x{"ab" * 20}", window_days: 3, ruling_days: 5}}\n'
    )
    return study


def pass_time(chain: anvil.Chain, seconds: int) -> None:
    chain.ask("evm_increaseTime", seconds)
    chain.ask("evm_mine")
