"""`rapha doctor`: a finding for each thing that can be missing, and an exit code that a script can use."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from rapha.cli import doctor as page
from rapha.cli.doctor import Finding
from rapha.cli.main import command_tree
from rapha.errors import ConfigurationError, SandboxError


def invoke(*arguments: str) -> tuple[int, str]:
    from typer import Typer

    app = Typer()
    app.command()(page.doctor)
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    return done.exit_code, done.stdout


def test_every_finding_that_is_not_well_says_how_to_mend_it() -> None:
    findings = page.examine()
    assert len({finding.subject for finding in findings}) == len(findings)
    assert all(finding.state == "ok" or finding.mend for finding in findings)


def test_a_bad_finding_ends_with_the_code_of_a_wrong_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "examine", lambda: [Finding("disk", "bad", "0 MB [free]", "free [some]")])
    code, shown = invoke()
    assert code == ConfigurationError.exit_code
    assert "0 MB [free]" in shown
    assert "cannot run here yet: disk" in shown


def test_a_weak_finding_does_not_stop_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "examine", lambda: [Finding("cores", "weak", "1 usable", "2 or more")])
    code, shown = invoke("--json")
    assert code == 0
    assert json.loads(shown) == {
        "demo_can_run": True,
        "findings": [{"subject": "cores", "state": "weak", "found": "1 usable", "mend": "2 or more"}],
    }


def test_a_clock_before_our_own_files_is_wrong() -> None:
    (finding,) = page.look_at_clock(lambda: datetime(1970, 1, 2, tzinfo=UTC))
    assert finding.state == "bad"


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_is_installed", lambda package: package != "duckdb")
    found = {finding.subject: finding for finding in page.look_at_extras()}
    assert found["extra node"].state == "bad"
    assert "duckdb" in found["extra node"].found
    assert found["extra node"].mend == "pip install 'rapha[node]'"
    assert found["extra hub"].state == "ok"


def test_a_sandbox_that_cannot_isolate_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    from rapha.node.sandbox.choose import ISOLATING

    def refuse(_: object) -> None:
        raise SandboxError("may not make namespaces here: allow them")

    monkeypatch.setattr(ISOLATING[0], "check", lambda _: None)
    monkeypatch.setattr(ISOLATING[1], "check", refuse)
    assert [finding.state == "bad" for finding in page.look_at_sandbox()[1:]] == [False, False]
    monkeypatch.setattr(ISOLATING[0], "check", refuse)
    for finding in page.look_at_sandbox()[1:]:
        assert (finding.state, finding.found, finding.mend) == ("bad", "may not make namespaces here", "allow them")


def test_it_is_a_command_of_rapha() -> None:
    assert "doctor" in command_tree().commands
