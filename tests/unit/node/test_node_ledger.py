"""The privacy ledger: one spend whatever dies when, a limit that holds, a chain that shows every change."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ledger_bench import RULES, dispatch, private_study

from rapha import faults
from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Conflict, TrainingFailed
from rapha.node.ledger import Ledger
from rapha.policy.ledger import broken, spent
from rapha.policy.rules_file import read_rules
from rapha.records.ledger import START, Spend

LIFE = """
import os, sys
from pathlib import Path
sys.path[:0] = [{here!r}, {simulators!r}]
from ledger_bench import RULES, dispatch, private_study
from rapha import faults
from rapha.clock import utc_now
from rapha.node.ledger import Ledger
from rapha.policy.rules_file import read_rules
faults.arm(os.environ)
study, ledger = private_study(), Ledger(Path({path!r}), utc_now)
ledger.reserve(dispatch(study), study, read_rules(RULES))
ledger.{end}
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db", utc_now)


def kinds(ledger: Ledger) -> list[str]:
    return [entry.kind for entry in ledger.entries()]


def test_twice_is_once_and_all_of_it_counts(ledger: Ledger) -> None:
    study = private_study()
    assert ledger.head == START
    for _ in range(2):
        ledger.reserve(dispatch(study), study, read_rules(RULES))
    assert spent(ledger.entries()) == Spend(epsilon_micro=3_000_000, delta_pico=10_000_000)
    for _ in range(2):
        ledger.settle(dispatch(study))
    assert kinds(ledger) == ["reserved", "settled"]
    assert spent(ledger.entries()).epsilon == 3.0


def test_the_study_that_would_pass_the_limit_is_refused(ledger: Ledger) -> None:
    study, rules = private_study(), read_rules(RULES)
    for number in range(3):
        ledger.reserve(dispatch(study, f"d-{number}"), study, rules)
    with pytest.raises(TrainingFailed) as refused:
        ledger.reserve(dispatch(study, "d-4"), study, rules)
    assert refused.value.reason == "budget-exhausted" == ledger.refusal(study, rules)
    assert len(kinds(ledger)) == 3
    little = private_study(epsilon="1", delta="1.0e-5")
    ledger.reserve(dispatch(little, "d-5"), little, rules)
    assert spent(ledger.entries()).epsilon == 10.0


def test_delta_has_a_limit_too(ledger: Ledger) -> None:
    study = private_study(epsilon="0.1", delta="1.0e-4")
    rules = read_rules(RULES.replace("0.001", "0.00019"))
    ledger.reserve(dispatch(study, "d-1"), study, rules)
    assert ledger.refusal(study, rules) == "budget-exhausted"


def test_without_a_budget_no_private_study_runs_and_the_others_are_counted(ledger: Ledger) -> None:
    rules = read_rules("\n".join(line for line in RULES.splitlines() if "lifetime" not in line))
    assert ledger.refusal(private_study(), rules) == "budget-not-offered"
    plain = private_study(private=False)
    ledger.reserve(dispatch(plain), plain, rules)
    (entry,) = ledger.entries()
    assert (entry.private, entry.spend) == (False, Spend())
    assert entry.project == "Ada | DUO:0000006"


def test_a_refund_has_a_reason_and_what_is_spent_stays_spent(ledger: Ledger) -> None:
    study, rules = private_study(), read_rules(RULES)
    ledger.reserve(dispatch(study), study, rules)
    ledger.refund(dispatch(study), "cohort-too-small")
    ledger.refund(dispatch(study), "cohort-too-small")
    assert [(entry.kind, entry.reason) for entry in ledger.entries()] == [
        ("reserved", None), ("refunded", "cohort-too-small"),
    ]  # fmt: skip
    assert spent(ledger.entries()) == Spend()
    ledger.reserve(dispatch(study), study, rules)
    ledger.settle(dispatch(study))
    with pytest.raises(Conflict):
        ledger.refund(dispatch(study), "cohort-too-small")


def test_a_second_agent_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    study, rules = private_study(), read_rules(RULES)
    ledger.reserve(dispatch(study), study, rules)
    other = Ledger(tmp_path / "ledger.db", utc_now)
    assert len(other.entries()) == 1
    with pytest.raises(Conflict, match="another agent"):
        other.reserve(dispatch(study, "d-2"), study, rules)
    ledger.close()
    other.reserve(dispatch(study, "d-2"), study, rules)
    assert spent(ledger.entries()).epsilon == 6.0


def test_what_another_agent_gave_back_is_set_aside_anew(ledger: Ledger, tmp_path: Path) -> None:
    study, rules = private_study(), read_rules(RULES)
    ledger.reserve(dispatch(study), study, rules)
    ledger.close()
    other = Ledger(tmp_path / "ledger.db", utc_now)
    other.refund(dispatch(study), "cohort-too-small")
    other.close()
    ledger.reserve(dispatch(study), study, rules)
    assert kinds(ledger) == ["reserved", "refunded", "reserved"]


def test_a_ledger_put_back_from_a_copy_under_a_running_agent_has_the_reservation_again(
    ledger: Ledger, tmp_path: Path
) -> None:
    study, rules = private_study(), read_rules(RULES)
    with sqlite3.connect(tmp_path / "ledger.db") as live, sqlite3.connect(tmp_path / "copy.db") as copy:
        live.backup(copy)
        ledger.reserve(dispatch(study), study, rules)
        copy.backup(live)
    assert kinds(ledger) == []
    ledger.reserve(dispatch(study), study, rules)  # its next round
    ledger.settle(dispatch(study))
    assert kinds(ledger) == ["reserved", "settled"]


def test_a_run_stops_at_its_next_round_where_its_reservation_was_changed(ledger: Ledger, tmp_path: Path) -> None:
    study, rules = private_study(), read_rules(RULES)
    ledger.reserve(dispatch(study), study, rules)
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        db.execute(CHANGES["an amount"])
    with pytest.raises(ConfigurationError, match="entry 1"):
        ledger.reserve(dispatch(study), study, rules)


CHANGES = {
    "an entry taken out": "DELETE FROM entry WHERE number = 2",
    "an amount": "UPDATE entry SET entry = replace(CAST(entry AS TEXT), '3000000', '1000000') WHERE number = 1",
    "a digest": f"UPDATE entry SET digest = '{START}' WHERE number = 1",
    "no record": "UPDATE entry SET entry = '{}' WHERE number = 3",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_seen(ledger: Ledger, tmp_path: Path, change: str) -> None:
    study, rules = private_study(), read_rules(RULES)
    for number in range(3):
        ledger.reserve(dispatch(study, f"d-{number}"), study, rules)
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        assert db.execute(change).rowcount == 1
    db.close()
    with pytest.raises(ConfigurationError, match="entry"):
        ledger.reserve(dispatch(study, "d-9"), study, rules)


@pytest.mark.parametrize("point", ["to-commit", "committed"])
@pytest.mark.parametrize(
    ("step", "end"),
    [
        ("reserved", "settle(dispatch(study))"),
        ("settled", "settle(dispatch(study))"),
        ("refunded", "refund(dispatch(study), 'cohort-empty')"),
    ],
)
def test_killed_at_a_write_it_ends_in_one_spend(tmp_path: Path, step: str, end: str, point: str) -> None:
    here = Path(__file__).parent
    program = LIFE.format(
        here=str(here), simulators=str(here.parents[1] / "simulators"), path=str(tmp_path / "ledger.db"), end=end
    )
    armed = {**os.environ, faults.VARIABLE: f"{tmp_path / 'points'}:node.{point}:ledger.{step}#1"}
    first = subprocess.run([sys.executable, "-c", program], env=armed, check=False)
    assert first.returncode == -signal.SIGKILL
    if step == "refunded" and point == "committed":  # done again from the start, it is a run of its own
        assert spent(Ledger(tmp_path / "ledger.db", utc_now).entries()) == Spend()
        return
    subprocess.run([sys.executable, "-c", program], check=True)
    ledger = Ledger(tmp_path / "ledger.db", utc_now)
    assert kinds(ledger) == ["reserved", "refunded" if step == "refunded" else "settled"]
    assert spent(ledger.entries()).epsilon == (0.0 if step == "refunded" else 3.0)


def test_an_entry_rewritten_with_its_digest_is_seen_by_the_next(ledger: Ledger) -> None:
    study, rules = private_study(), read_rules(RULES)
    for number in range(3):
        ledger.reserve(dispatch(study, f"d-{number}"), study, rules)
    entries = ledger.entries()
    assert broken(entries) is None
    entries[0] = entries[0].model_copy(update={"spend": Spend()})
    assert broken(entries) == 2


def test_no_run_begins_beyond_those_that_the_rules_allow_a_project(ledger: Ledger) -> None:
    study = private_study()
    rules = read_rules(RULES + "runs_per_project: 1\n")
    first, second = dispatch(study), dispatch(study).model_copy(update={"id": "d-other"})
    ledger.reserve(first, study, rules)
    ledger.reserve(first, study, rules)
    with pytest.raises(TrainingFailed) as refused:
        ledger.reserve(second, study, rules)
    assert refused.value.reason == "too-many-runs"
    ledger.refund(first, "cohort-too-small")
    ledger.reserve(second, study, rules)
    assert kinds(ledger) == ["reserved", "refunded", "reserved"]
