"""A question at the journey itself: who is answered, with what, how often, and what a crash or a lost answer changes."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from made_up_people import write_study
from test_node_journey import FEW, NOBODY, RULES, FakeLine, Hospital, Isolating, dispatch_of

from rapha.clock import utc_now
from rapha.cohort.engine import size
from rapha.errors import Unreachable
from rapha.node import feasibility as feasibility_module
from rapha.node import outbox as outbox_module
from rapha.node.journey import Journey
from rapha.records.record import DispatchId
from rapha.records.site import Answered, Denial
from rapha.records.study import Study
from rapha.records.wire import Offer
from rapha.sdk.study_file import read_study
from rapha.sources.tables import ingest
from rapha.timeline.reader import open_timeline

ASKING = RULES.replace("sandbox:", "feasibility: {researchers: [Ada], a_day: 3, in_all: 4}\nsandbox:")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NAMES_NOTHING_HERE = {"codes: [hdl]": "codes: [a-code-of-nobody]"}


class Asked(Hospital):
    """A hospital that is asked, question after question; its clock is set."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.now = utc_now()
        self.start()
        self.rules(ASKING)

    def start(self) -> None:
        """The agent's process, begun anew."""
        self.journey = Journey(self.home, self.line, self.register, Isolating(), self._time)

    def _time(self) -> datetime:
        return self.now

    def study(self, **replacements: str) -> Study:
        return read_study(write_study(self.home.folder / "study.yaml", **replacements))

    def ask(self, dispatch: str, researcher: str = "Ada", **replacements: str) -> Answered | Denial:
        """The last thing that left."""
        study = self.study(**replacements)
        changes = {"id": DispatchId(dispatch), "asks": "feasibility", "researcher": researcher}
        self.journey.consider(Offer(dispatch=dispatch_of(study).model_copy(update=changes), study=study))
        said: Answered | Denial = self.line.heard[-1]
        return said


@pytest.fixture
def hospital(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No noise, and how often it was drawn: what is tested is what becomes of the numbers."""
    drawn: list[int] = []
    monkeypatch.setattr(feasibility_module, "gaussian", lambda: drawn.append(0) or 0)
    return drawn


def told(answer: Answered | Denial) -> tuple[str, str]:
    assert isinstance(answer, Answered), answer
    return str(answer.patients), str(answer.events)


@pytest.mark.parametrize(
    ("rules", "researcher", "reason"),
    [(RULES, "Ada", "feasibility-not-offered"), (ASKING, "Grace", "researcher-not-allowed")],
)
def test_nothing_is_counted_for_somebody_whom_the_rules_do_not_name(
    hospital: Asked, quiet: list[int], rules: str, researcher: str, reason: str
) -> None:
    hospital.rules(rules)
    said = hospital.ask("d-1", researcher)
    assert isinstance(said, Denial) and (said.reason, said.refusal) == (reason, None)
    assert (quiet, hospital.register.questions(researcher, LONG_AGO)) == ([], (0, 0))


def test_the_answer_is_the_count_with_noise_suppressed_and_rounded(hospital: Asked, quiet: list[int]) -> None:
    exact = size(open_timeline(hospital.home.timeline), hospital.study(), hospital.home.secret)
    patients, events = told(hospital.ask("d-1"))
    assert abs(int(patients.removeprefix("about ")) - exact.events - exact.others) <= 2
    assert abs(int(events.removeprefix("about ")) - exact.events) <= 2
    assert len(quiet) == 2, "one draw for each of the two numbers"


def test_it_does_not_say_how_long_the_count_took(hospital: Asked, quiet: list[int]) -> None:
    hospital.now = hospital.now.replace(minute=29, second=58, microsecond=1)
    answer = hospital.ask("d-1")
    assert answer.at == hospital.now.replace(minute=15, second=0, microsecond=0)


def test_the_noise_is_added_to_what_is_told(hospital: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feasibility_module, "gaussian", lambda: 1000)
    patients, events = told(hospital.ask("d-1"))
    assert int(patients.removeprefix("about ")) > 2000 and int(events.removeprefix("about ")) > 1000


@pytest.mark.parametrize("cohort", [NOBODY, FEW, NAMES_NOTHING_HERE | FEW])
def test_unknown_empty_and_too_small_are_the_same_answer(
    hospital: Asked, quiet: list[int], cohort: dict[str, str]
) -> None:
    assert told(hospital.ask("d-1", **cohort)) == ("below 25", "below 25")
    assert len(quiet) == 2, "the same is done for each of them"


def test_the_same_question_has_one_answer_whoever_asks(hospital: Asked) -> None:
    hospital.rules(ASKING.replace("[Ada]", "[Ada, Grace]"))
    first, again, by_another = hospital.ask("d-1"), hospital.ask("d-2"), hospital.ask("d-3", "Grace")
    assert told(first) == told(again) == told(by_another)
    assert [first.dispatch, again.dispatch, by_another.dispatch] == ["d-1", "d-2", "d-3"]
    assert hospital.register.questions("Ada", LONG_AGO) == (2, 1)


def test_a_new_timeline_makes_a_new_question(hospital: Asked, quiet: list[int]) -> None:
    hospital.ask("d-1")
    shutil.rmtree(hospital.home.timeline)
    data = hospital.home.folder / "data"
    people = data / "people.csv"
    people.write_text("\n".join(people.read_text().splitlines()[:-1]) + "\n")
    ingest(data / "hospital.mapping.yaml", data, hospital.home.timeline, hospital.home.secret)
    hospital.ask("d-2")
    assert len(quiet) == 4


def test_a_day_is_full_and_passes(hospital: Asked, quiet: list[int]) -> None:
    for number in range(3):
        told(hospital.ask(f"d-{number}"))
    assert hospital.ask("d-3").reason == "asked-too-often"
    hospital.now += timedelta(hours=24, seconds=1)
    told(hospital.ask("d-4"))


def test_an_end_comes_and_stays(hospital: Asked, quiet: list[int]) -> None:
    ages = ({"age: {at_least: 18}": f"age: {{at_least: {age}}}"} for age in (20, 30, 40, 50))
    for number, cohort in enumerate(ages):
        told(hospital.ask(f"d-{number}", **cohort))
        hospital.now += timedelta(days=1, seconds=1)
    hospital.start()
    assert hospital.ask("d-9").reason == "answers-used-up"
    hospital.now += timedelta(days=400)
    assert hospital.ask("d-10").reason == "answers-used-up"


def test_what_the_hub_did_not_hear_is_said_again_in_the_same_numbers(
    hospital: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        outbox_module, "persist", lambda action, _patience: action()
    )  # no waiting for a hub that is away
    hospital.line.error = Unreachable("away")
    with pytest.raises(Unreachable):
        hospital.ask("d-1")
    entry = hospital.register.entry("d-1")
    assert entry is not None and isinstance(entry.answer, Answered)
    hospital.line.error = None
    hospital.start()
    hospital.journey.answer_again()
    assert hospital.line.heard == [entry.answer]
    assert told(hospital.ask("d-1")) == told(entry.answer), "offered again, it is answered again"
    assert hospital.register.questions("Ada", LONG_AGO) == (1, 1)


def test_a_study_that_is_not_the_one_of_the_dispatch_is_denied(hospital: Asked) -> None:
    study = hospital.study()
    other = hospital.study(**{"at_least: 18": "at_least: 19"})
    dispatch = dispatch_of(study).model_copy(update={"asks": "feasibility"})
    hospital.journey.consider(Offer(dispatch=dispatch, study=other))
    assert hospital.line.heard[-1].reason == "study-changed"


def test_a_question_opens_no_way_to_train(hospital: Asked) -> None:
    hospital.ask("d-1")
    assert isinstance(hospital.line, FakeLine) and hospital.line.uploaded == []
    assert [entry.dispatch.id for entry in hospital.register.entries("answered")] == ["d-1"]
    assert hospital.register.entries("approved") == hospital.register.entries("pending") == []
