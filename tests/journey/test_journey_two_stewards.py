"""A hospital where two people have to sign: as they type it, and as it stands in the receipt."""

import subprocess
import sys
from pathlib import Path

import pytest
from made_up_people import write_study

from rapha.cli.demo.town import Town
from rapha.proof.verify import judge
from rapha.sdk.client import Client
from rapha.sdk.folder import read_folder

pytestmark = pytest.mark.slow
PASSPHRASE = "correct horse\n"
NAMES = {"maria-lopez": "María López", "jan-de-vries": "Jan de Vries", "demo-r": "Démo RESEARCHER"}


def rapha(*words: object, typed: str = "") -> "subprocess.CompletedProcess[str]":
    """The command line, as a user types it."""
    words = ("-m", "rapha.cli.main", *map(str, words))
    return subprocess.run([sys.executable, *words], input=typed, capture_output=True, text=True, check=False)


def appoint(town: Town, folder: Path) -> Path:
    """Every steward makes a key; the hospital's rules name them, and ask for two. The hospital's home."""
    home = town.hospital(town.steward_site)
    lines = []
    for steward, name in NAMES.items():
        made = rapha(
            "node", "steward-key", folder / steward, "--steward", steward, "--name", name, typed=PASSPHRASE * 2
        )
        assert made.returncode == 0, made.stderr
        lines.append(made.stdout.strip("\n"))
    rules = home / "rules.yaml"
    rules.write_text(rules.read_text() + "stewards:\n  needed: 2\n  who:\n" + "\n".join(lines) + "\n")
    checked = rapha("node", "policy", "check", home)
    assert checked.returncode == 0 and "two different stewards" in checked.stdout, checked.stderr
    return home


def test_two_stewards_sign_and_the_receipt_says_so(founded: Town, client: Client, tmp_path: Path) -> None:
    home = appoint(founded, tmp_path)
    founded.start_agents()
    submitted = client.submit(write_study(tmp_path / "study.yaml", at_least=2))
    for event in client.watch(submitted.study_id):
        if event.event == "dispatch.pending":
            both_sign(home, tmp_path)
        last = event
    assert last.event == "study.completed", last
    model = client.fetch(submitted.study_id, tmp_path / "model")
    assert all(verdict.ok for verdict in judge(read_folder(model, None)))
    shown = rapha("receipt", "show", model / "receipts" / f"{founded.steward_site}.json").stdout
    assert "stewards:jan-de-vries+maria-lopez" in shown
    decided = rapha("node", "policy", "decisions", home).stdout
    assert "needs-person by rules" in decided and "task       allowed by stewards:jan-de-vries+maria-lopez" in decided


def both_sign(home: Path, keys: Path) -> None:
    listed = rapha("node", "pending", home).stdout
    dispatch = next(word for word in listed.split() if word.startswith("d-"))
    assert "signed by nobody; 2 more needed" in listed

    def approve(steward: str, key: str, typed: str = PASSPHRASE) -> "subprocess.CompletedProcess[str]":
        return rapha("node", "approve", home, dispatch, "--steward", steward, "--key", keys / key, typed=typed)

    assert rapha("node", "approve", home, dispatch, "--steward", "maria-lopez").returncode == 6, "without a key"
    assert approve("maria-lopez", "jan-de-vries").returncode == 6, "with another's key"
    assert approve("maria-lopez", "maria-lopez", "wrong horse\n").returncode == 4, "with a wrong passphrase"
    own = approve("demo-r", "demo-r")
    assert own.returncode == 6 and "nobody approves their own study" in own.stderr
    first = approve("maria-lopez", "maria-lopez")
    assert first.returncode == 0 and "another steward has to sign" in first.stdout, first.stderr
    assert approve("maria-lopez", "maria-lopez").returncode == 0, "again is the same as once"
    assert "signed by maria-lopez; 1 more needed" in rapha("node", "pending", home).stdout
    explained = rapha("node", "policy", "explain", home, dispatch)
    assert explained.returncode == 0 and "two stewards have signed" in explained.stdout, explained.stderr
    second = approve("jan-de-vries", "jan-de-vries")
    assert second.returncode == 0 and "approved" in second.stdout, second.stderr
