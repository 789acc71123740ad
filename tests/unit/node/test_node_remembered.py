"""An agent does not begin on a ledger that is an older copy: what left, by the outbox and by the hub, has to be in it."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from ledger_bench import RULES, dispatch, private_study

from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Unreachable
from rapha.node.configuration import Home
from rapha.node.hub_line import HubLine
from rapha.node.ledger import Ledger
from rapha.node.register import Register
from rapha.node.remembered import ACCEPTED, check_remembered
from rapha.policy.rules_file import read_rules
from rapha.records.record import DispatchId
from rapha.records.wire import Runs


class FakeLine:
    """A hub that has something of these runs."""

    def __init__(self, *runs: str) -> None:
        self.told = tuple(DispatchId(run) for run in runs)

    def runs(self) -> Runs:
        return Runs(dispatches=self.told)


class Silent:
    def runs(self) -> Runs:
        raise Unreachable("the hub does not answer")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """One run is in its ledger: d-1."""
    paths = {"ledger": tmp_path / "ledger.db", "database": tmp_path / "node.db", "outbox": tmp_path / "outbox"}
    study, ledger = private_study(), Ledger(paths["ledger"], utc_now)
    ledger.reserve(dispatch(study, "d-1"), study, read_rules(RULES))
    ledger.close()
    return cast(Home, SimpleNamespace(**paths))


def check(home: Home, *runs: str, accepted: bool = False) -> None:
    check_remembered(home, cast(HubLine, FakeLine(*runs)), accepted=accepted)


def test_a_ledger_that_knows_all_that_left_is_good(home: Home) -> None:
    check(home)
    (home.outbox / "d-1").mkdir(parents=True)
    check(home, "d-1")


def test_a_run_that_the_hub_alone_remembers_is_said(home: Home) -> None:
    with pytest.raises(ConfigurationError, match=r"ledger\.db does not know of d-2, of which something left"):
        check(home, "d-1", "d-2")


def test_a_run_that_the_outbox_alone_remembers_is_said(home: Home) -> None:
    (home.outbox / "d-3").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"does not know of d-3, "):
        check(home, "d-1")


def test_of_many_some_are_named(home: Home) -> None:
    with pytest.raises(ConfigurationError, match=r"d-2, d-3, d-4 and 2 more, "):
        check(home, "d-6", "d-5", "d-4", "d-3", "d-2")


def test_a_hub_that_does_not_answer_is_no_yes(home: Home) -> None:
    with pytest.raises(Unreachable):
        check_remembered(home, cast(HubLine, Silent()))


def test_what_a_person_accepted_is_kept_and_asked_once(home: Home) -> None:
    check(home, "d-2", accepted=True)
    check(home, "d-2")
    assert (ACCEPTED, "d-2") in [(event, run) for _, event, run, _ in Register(home.database, utc_now).events()]
    with pytest.raises(ConfigurationError, match="d-9"):
        check(home, "d-2", "d-9")


def test_a_folder_of_the_disk_itself_is_no_run(home: Home) -> None:
    for name in ("lost+found", "@eaDir", ".snapshot"):
        (home.outbox / name).mkdir(parents=True)
    check(home, "d-1")


def test_a_run_that_was_refunded_is_not_known(home: Home) -> None:
    ledger = Ledger(home.ledger, utc_now)
    ledger.refund(dispatch(private_study(), "d-1"), "cohort-too-small")
    ledger.close()
    with pytest.raises(ConfigurationError, match=r"does not know of d-1, "):
        check(home, "d-1")
