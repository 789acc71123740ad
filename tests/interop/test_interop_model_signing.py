"""OpenSSF's `model_signing` accepts a folder with our `model.sig`, and none of which a file or a field was changed."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kept_environments import SIGNING, python_with
from mutations import mutations

from rapha.canonical import digest_file
from rapha.proof import keys
from rapha.proof.model_signing import MODEL_SIGNATURE_FILE, WRITTEN_AT_HOME, model_signature

pytestmark = pytest.mark.slow
REFUSED = Path(__file__).resolve().parents[1] / "vectors" / "receipts" / "refused"


@pytest.fixture(scope="module")
def tool() -> Path:
    """Python of an environment that has it."""
    python = python_with(*SIGNING)
    if python is None:
        pytest.skip("pip could not install model-signing here")
    return python


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder as it lies at a researcher's, signed by a hub."""
    folder = shutil.copytree(REFUSED, tmp_path / "a-name-of-the-researcher")
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    files = {path: digest_file(folder / path) for path in paths if path not in WRITTEN_AT_HOME}
    hub = keys.generate()
    (folder / MODEL_SIGNATURE_FILE).write_bytes(model_signature("diabetes", files, hub))
    for name in WRITTEN_AT_HOME:
        (folder / name).write_text("written here")
    (tmp_path / "hub.pem").write_text(keys.public_to_pem(hub.public_key()))
    (tmp_path / "other.pem").write_text(keys.public_to_pem(keys.generate().public_key()))
    return folder


def accepted(tool: Path, folder: Path, signatures: list[Path], key: str = "hub.pem") -> list[bool]:
    """Its verdict on the folder with each of these signatures, in one process: a start takes a second."""
    script = Path(__file__).with_name("model_signing_verify.py")
    command = [tool, script, folder, folder.parent / key, *signatures]
    found: list[bool] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def test_the_command_accepts_the_folder_and_names_what_was_changed(tool: Path, folder: Path) -> None:
    command = [tool.parent / "model_signing", "verify", "key", folder]
    command += ["--signature", folder / MODEL_SIGNATURE_FILE, "--public_key", folder.parent / "hub.pem"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "model.safetensors").write_bytes(b"other weights")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "model.safetensors" in done.stdout + done.stderr


def test_it_accepts_no_other_folder_and_no_other_key(tool: Path, folder: Path) -> None:
    signature = folder / MODEL_SIGNATURE_FILE
    changes: dict[str, Callable[[], object]] = {
        "a file more": lambda: (folder / "metrics" / "east.json").write_text("{}"),
        "a file less": lambda: (folder / "metrics" / "north.json").unlink(),
        "another study": lambda: (folder / "study.json").write_text("{}"),
    }
    assert accepted(tool, folder, [signature]) == [True]
    assert accepted(tool, folder, [signature], key="other.pem") == [False]
    for name, change in changes.items():
        change()
        assert accepted(tool, folder, [signature]) == [False], name


def test_it_accepts_no_signature_with_a_field_changed(tool: Path, folder: Path) -> None:
    signature = json.loads((folder / MODEL_SIGNATURE_FILE).read_bytes())
    places: list[Any] = []
    bent = []
    for place, value in mutations(signature):
        if place[-1] == "keyid":  # a hint, says DSSE
            continue
        places.append(place)
        bent.append(folder.parent / f"{len(bent)}.sig")
        bent[-1].write_text(json.dumps(value))
    found = accepted(tool, folder, bent)
    assert len(bent) >= 5 and not any(found), [p for p, ok in zip(places, found, strict=True) if ok]
