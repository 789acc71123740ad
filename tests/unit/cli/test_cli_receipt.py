"""`rapha receipt`: what a person sees, and how the command ends."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_log import signed_and_logged
from typer.testing import CliRunner

from rapha.cli.receipt import app
from rapha.proof import keys
from rapha.proof.envelope import unverified_payload
from rapha.records.bundle import Bundle

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
    assert "Nothing is checked here" in output


def test_a_receipt_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    bundle = Bundle.from_bytes((FOLDERS / "good" / "receipts" / "north.json").read_bytes())
    payload = unverified_payload(bundle.dsseEnvelope).replace(b'"mlp"', b'"\\u001b[2J[red]mlp"')
    file = tmp_path / "hostile.json"
    file.write_bytes(signed_and_logged(payload, keys.generate()))
    code, output = said("show", file)
    assert code == 0
    assert "\x1b" not in output
    assert "[red]mlp" in output


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
