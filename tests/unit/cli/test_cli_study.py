"""`rapha study` and the view of a study as it happens."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from rapha.cli.main import command_tree
from rapha.cli.study import _say_status, app
from rapha.cli.study_events import sentence, state_after
from rapha.cli.study_view import StudyView, sparkline
from rapha.errors import ConfigurationError, StudyError, Unreachable
from rapha.records.metrics import Count
from rapha.records.record import SiteId, StudyId
from rapha.records.wire import DispatchStatus, Event, StudyStatus

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
EXAMPLE = Path(__file__).resolve().parents[3] / "examples/diabetes-within-5-years/study.yaml"


def event(name: str, site: str | None = None, round: int | None = None, **facts: str) -> Event:
    return Event(number=1, at=AT, event=name, site=site, round=round, facts=facts)


STORY = [
    event("study.submitted", study="diabetes"),
    event("study.routed", sites="north south", west="modality-not-offered"),
    event("dispatch.offered", "north"),
    event("dispatch.feasible", "north", patients="about 1240"),
    event("dispatch.approved", "north", decided_by="rule:routine", patients="about 1240"),
    event("dispatch.denied", "south", reason="purpose-not-allowed"),
    event("study.prepared"),
    event("round.opened", round=1, do="train"),
    event("task.done", "north", 1, rows="about 900", loss="0.61", auroc="0.60"),
    event("round.closed", round=1, sites="north", loss="0.61", auroc="0.60"),
    event("task.done", "north", 2, rows="about 900", loss="0.52", auroc="0.71"),
    event("round.closed", round=2, sites="north", loss="0.52", auroc="0.71"),
    event("study.completed"),
]


def told(*, terminal: bool) -> str:
    out = io.StringIO()
    with StudyView(Console(file=out, force_terminal=terminal, width=110), "diabetes") as view:
        for each in STORY:
            view.feed(each)
    return out.getvalue()


def test_elsewhere_than_on_a_terminal_every_event_is_a_line() -> None:
    lines = told(terminal=False).splitlines()
    assert "08:00:00  Sent to north, south. west is left out: modality-not-offered." in lines
    assert "08:00:00  north                would have about 1240 patients" in lines
    assert "08:00:00  round   1  north                loss 0.61  AUROC 0.60" in lines
    assert "08:00:00  round   2  all hospitals        loss 0.52  AUROC 0.71" in lines
    assert any(
        "south                declines: The hospital's rules do not permit this purpose." in line for line in lines
    )
    assert lines[-1] == "08:00:00  Completed: fetch the model folder."
    assert "\x1b" not in told(terminal=False)


def test_on_a_terminal_the_last_picture_stays() -> None:
    picture = told(terminal=True).split("Hospital")[-1]
    for word in ("north", "about 1240", "approved", "0.5200", "0.710", "▁█", "denied", "Completed"):
        assert word in picture


def test_a_hospital_that_is_unlike_all_others_is_an_alarm_where_one_looks() -> None:
    named = [event("round.closed", round=n, sites="east north", loss="0.61", unlike_others="east") for n in (3, 5)]
    assert (sentence(named[0]) or "").endswith("loss 0.61  ALARM: unlike all others: east")
    assert "ALARM: unlike all others: east, north" in (
        sentence(event("round.closed", round=4, unlike_others="east north")) or ""
    )
    out = io.StringIO()
    with StudyView(Console(file=out, force_terminal=True, width=110), "diabetes") as view:
        for each in [*STORY[:-1], *named, *STORY[-1:]]:
            view.feed(each)
    assert "ALARM: the update of east was unlike all others in 2 of the rounds, last in round 5" in out.getvalue()
    assert "ALARM" not in told(terminal=True) + told(terminal=False)


def test_a_hostile_site_or_reason_cannot_draw_on_the_terminal() -> None:
    out = io.StringIO()
    with StudyView(Console(file=out, width=110), "[red]title") as view:
        view.feed(event("dispatch.denied", "no\x1b[2Jrth", reason="\x1b]0;x\x07[bold]because"))
    assert "\x1b" not in out.getvalue()
    assert "[bold]because" in out.getvalue()


def test_a_hospital_that_failed_is_shown_with_its_patients_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    failed = DispatchStatus(site=SiteId("north"), state="failed", feasible=Count(about=40), reason="policy-changed")
    _say_status(
        StudyStatus(
            study_id=StudyId("s-1"), study="x", study_digest="sha256:" + "0" * 64, researcher="Ada", state="training", round=1, rounds=2,
            dispatches=(failed,),
        )
    )  # fmt: skip
    assert (
        "  north                failed     about 40 patients; The hospital's rules changed" in capsys.readouterr().out
    )


def test_words_that_need_not_be_told_are_not() -> None:
    assert sentence(event("task.leased", "north", 1)) is None
    assert sentence(event("something.new")) is None
    assert sentence(event("task.failed", "north", 2, reason="deadline")) is None, "said once, by what follows"
    assert "could not go on" in (sentence(event("dispatch.failed", "north", reason="deadline")) or "")
    assert sentence(event("task.done", "north", 0, rows="about 900")) is None


@pytest.mark.parametrize(
    ("name", "state"), [("study.routed", "recruiting"), ("study.refused", "refused"), ("task.done", None)]
)
def test_an_event_tells_the_state(name: str, state: str | None) -> None:
    assert state_after(event(name)) == state


def test_a_sparkline_rises_with_its_values() -> None:
    assert sparkline([0.5, 0.6, 0.7]) == "▁▅█"
    assert sparkline([0.5, 0.5]) == "▁▁"
    assert sparkline([0.5]) == ""


def test_new_then_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["new", "mine"]).exit_code == 0
    checked = CliRunner().invoke(app, ["check", "mine.yaml"])
    assert checked.exit_code == 0
    assert "aged 18 or over at the index" in checked.output
    assert "sha256:" in checked.output


def test_check_ends_with_the_error_of_the_study(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(EXAMPLE.read_text().replace("at_least: 18", "atleast: 18"))
    raised = CliRunner().invoke(app, ["check", str(path)]).exception
    assert isinstance(raised, StudyError)
    assert str(raised) == f"{path}:18: cohort.include[0].age: unknown key 'atleast'; did you mean 'at_least'?"


def test_hub_and_token_come_from_the_environment_or_the_line() -> None:
    environ = {"RAPHA_HUB": "http://127.0.0.1:9", "RAPHA_TOKEN": "t"}
    assert isinstance(CliRunner().invoke(app, ["list"], env=environ).exception, Unreachable)
    told = CliRunner().invoke(app, ["list", "--hub", "http://hub.example", "--token", "t"])
    assert isinstance(told.exception, ConfigurationError)
    missing = CliRunner().invoke(app, ["list"], env={"RAPHA_HUB": None, "RAPHA_TOKEN": None})
    assert missing.exit_code == 2


def test_every_command_has_an_example_in_its_help() -> None:
    for name in ("new", "check", "submit", "watch", "fetch", "cancel", "list", "show"):
        assert f"Example: rapha study {name}" in " ".join(CliRunner().invoke(app, [name, "--help"]).output.split())
    assert "study" in command_tree().commands
