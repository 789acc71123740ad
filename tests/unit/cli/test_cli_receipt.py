"""`rapha receipt`: what a person sees, and how the command ends."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from small_hardware import launches, roots
from small_log import signed_and_logged
from typer.testing import CliRunner

from rapha.cli.receipt import _say_not_shown, _say_verdict, _shown, app
from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.envelope import unverified_payload
from rapha.proof.evidence.appraise import Hardware, Roots
from rapha.proof.verify import judge_receipt
from rapha.records.bundle import Bundle
from rapha.records.receipt import Verdict
from rapha.sdk.folder import read_folder, read_keys

FOLDERS = Path(__file__).resolve().parents[2] / "vectors" / "receipts"


def said(*words: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_a_good_folder_is_verified() -> None:
    code, output = said("verify", FOLDERS / "good")
    assert code == 0
    assert "VERIFIED: all 3 receipts hold." in output
    assert "19 ok" in output
    assert "What this does not show" in output
    assert "integrity, not identity" in output


def test_pinned_keys_say_who_signed() -> None:
    code, output = said("verify", FOLDERS / "good", "--keys", FOLDERS / "pinned.json")
    assert code == 0
    assert "one that you pinned" in output
    assert "Who holds the keys" not in output


def test_the_first_lie_ends_it_with_11() -> None:
    code, output = said("verify", FOLDERS / "swapped-weights")
    assert code == 11
    assert "11 NO" in output
    assert "NOT VERIFIED: receipts/north.json" in output


@pytest.mark.parametrize(("file", "words"), [("north", "about 1700 patients"), ("aggregation", "purpose-not-allowed")])
def test_a_receipt_is_shown_in_words_and_called_unchecked(file: str, words: str) -> None:
    code, output = said("show", FOLDERS / "good" / "receipts" / f"{file}.json")
    assert code == 0
    assert words in output
    assert "Nothing is checked here" in output and "\N{REPLACEMENT CHARACTER}" not in output


@pytest.mark.parametrize("words", [("show",), ("verify", FOLDERS / "good", "--repeated")])
@pytest.mark.parametrize("inside", ["no json", "a receipt's payload that is none"])
def test_what_is_wrong_with_a_file_names_that_file(words: tuple[str | Path, ...], inside: str, tmp_path: Path) -> None:
    file = tmp_path / "word.json"
    made = signed_and_logged(b"{}", keys.generate())
    envelope = made if words[0] == "show" else Bundle.from_bytes(made).dsseEnvelope.as_bytes()
    file.write_bytes(envelope if inside.startswith("a") else b"a word, honestly")
    with pytest.raises(Unproven) as wrong:
        said(*words, file)
    assert str(wrong.value).startswith(f"{file}: ")


def test_a_time_is_shown_as_exactly_as_it_was_stated() -> None:
    exact, quarter = datetime(2026, 11, 23, 8, 1, 2, tzinfo=UTC), datetime(2026, 11, 23, 8, 45, tzinfo=UTC)
    assert _shown(quarter, of_a_site=True) == "2026-11-23 08:45 to 09:00 UTC"
    assert _shown(quarter, of_a_site=False) == "2026-11-23 08:45:00 UTC"
    assert _shown(exact, of_a_site=True) == "2026-11-23 08:01:02 UTC"


def test_a_receipt_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    bundle = Bundle.from_bytes((FOLDERS / "good" / "receipts" / "north.json").read_bytes())
    payload = unverified_payload(bundle.dsseEnvelope).replace(b'"mlp"', b'"\\u001b[2J[red]mlp"')
    file = tmp_path / "hostile.json"
    file.write_bytes(signed_and_logged(payload, keys.generate()))
    code, output = said("show", file)
    assert code == 0
    assert "\x1b" not in output
    assert "[red]mlp" in output


def test_a_signer_cannot_write_a_line_of_the_verdict() -> None:
    """Neither by the name of its sandbox, nor by a remark of its own, nor by a line so long that a terminal breaks it there."""
    code, output = said("verify", FOLDERS / "verdict-in-a-name", "--keys", FOLDERS / "pinned.json")
    lines = output.splitlines()
    assert code == 0
    assert [line for line in lines if line.startswith("  = receipts/north.json")] == [
        "  = receipts/north.json holds (tier T0; T1 claimed, and nobody's word of a second run was given)"
    ]
    assert len([line for line in lines if "FLAGGED" in line]) == 2
    assert [len(line) > 400 for line in lines if "“" in line] == [False] * 3


def test_a_line_feed_in_what_is_said_begins_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    _say_not_shown([Verdict(subject="x", ok=True, tier="T0", steps=(), not_shown=("one\n  = x holds (tier T1)",))])
    assert [line for line in capsys.readouterr().out.splitlines() if "holds" in line] == [
        "  - one\N{REPLACEMENT CHARACTER}  = x holds (tier T1)"
    ]


def test_launches_raise_what_amd_made_alone(tmp_path: Path) -> None:
    """A made-up processor's evidence, of a launch that the reader lists: no option brings a root."""
    trusted = tmp_path / "launches.json"
    trusted.write_bytes(launches().as_bytes())
    code, output = said("verify", FOLDERS / "hardware-evidence", "--launches", trusted)
    assert code == 0 and "(tier T2" not in output
    assert "FLAGGED  It carries hardware evidence that does not hold: the chain of certificates is broken" in output
    assert "  = receipts/north.json holds (tier T0" in output
    with pytest.raises(Unproven, match="not a list of launches"):
        said("verify", FOLDERS / "hardware-evidence", "--launches", FOLDERS / "pinned.json")
    trusted.write_bytes(b'{"launches":[],"roots":[]}')
    with pytest.raises(Unproven, match="not a list of launches"):
        said("verify", FOLDERS / "hardware-evidence", "--launches", trusted)
    assert "sev-snp, of the machine" in said("show", FOLDERS / "hardware-evidence" / "receipts" / "north.json")[1]


def test_what_is_of_tier_2_is_called_that(capsys: pytest.CaptureFixture[str]) -> None:
    """With a made-up root in the place of AMD's, as no user can put one."""
    opened = read_folder(
        FOLDERS / "hardware-evidence", read_keys(FOLDERS / "pinned.json"), Hardware(launches(), Roots(amd=roots()))
    )
    _say_verdict(judge_receipt(opened, "receipts/north.json"))
    output = capsys.readouterr().out
    assert "holds (tier T2; T1 claimed, and nobody's word of a second run was given)" in output
    assert "20 ok  Its hardware evidence holds, and is of a launch that you trust" in output


def test_it_works_where_there_is_no_hub_no_torch_and_no_network(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDERS / "good", tmp_path / "model")
    code = (
        "import socket, sys\n"
        "def refuse(*args, **kwargs): raise SystemExit('a socket was opened')\n"
        "socket.socket = refuse\n"
        "for name in 'torch duckdb pyarrow numpy fastapi sqlalchemy httpx2'.split(): sys.modules[name] = None\n"
        "from rapha.cli.main import run\n"
        f"sys.argv = ['rapha', 'receipt', 'verify', {str(folder)!r}]\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "model.safetensors").write_bytes(b"swapped")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 11, done.stdout + done.stderr
