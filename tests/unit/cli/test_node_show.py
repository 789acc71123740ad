"""`rapha node show`: a steward reads exactly the script that the study names, and nothing in it steers their terminal."""

from pathlib import Path

import pytest
from script_site import script_study

from rapha.cli.node_show import show_printed, show_script, visible
from rapha.errors import Conflict, Unproven

SCRIPT = "import numpy\n\n\ndef train(data, weights, settings):\n    return weights  # \x1b[2Kinnocent\r\u202e\n"


def test_the_script_is_shown_line_by_line_with_nothing_hidden(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = script_study(SCRIPT)
    (tmp_path / "train.py").write_bytes(SCRIPT.encode())
    show_script(study, tmp_path)
    told = capsys.readouterr().out
    assert "release mode C" in told and study.model.script in told  # type: ignore[union-attr]
    assert "4  def train" in told and "<U+001B>[2Kinnocent" in told and "<U+202E>" in told
    assert "\x1b" not in told and "\u202e" not in told


def test_another_script_than_the_study_s_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_bytes(SCRIPT.encode() + b"#")
    with pytest.raises(Unproven, match="not the script"):
        show_script(script_study(SCRIPT), tmp_path)


def test_what_it_printed_is_shown_to_the_steward_without_what_a_terminal_obeys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Conflict, match="printed"):
        show_printed(tmp_path)
    (tmp_path / "script.log").write_bytes(b"loss 0.5\n\x1b]0;owned\x07\xff\n")
    show_printed(tmp_path)
    told = capsys.readouterr().out
    assert "loss 0.5" in told and "\x1b" not in told and "<U+001B>]0;owned" in told


def test_a_tab_stays_a_tab() -> None:
    assert visible("\tx\x00") == "\tx<U+0000>"
