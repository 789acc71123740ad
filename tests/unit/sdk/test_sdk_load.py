"""A model is loaded once its receipts are verified, and not before."""

import subprocess
import sys
from pathlib import Path

import delivered_sample as sample
import pytest

import rapha
from rapha.errors import Unproven
from rapha.records.wire import TrustedKeys

STUDY = sample.example("diabetes-within-5-years")
MADE = sample.files(STUDY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sample.write(MADE, tmp_path / "model")


def test_a_loaded_model_predicts(folder: Path) -> None:
    pytest.importorskip("torch")
    model = rapha.load(folder)
    risks = model.predict({name: [1.0, None] for name in model.features})
    assert risks.shape == (2,)
    assert repr(model).startswith("<mlp of diabetes-within-5-years; predict takes ")
    assert all(0 < risk < 1 for risk in risks)


def test_pinned_keys_are_held_against_the_folder(folder: Path) -> None:
    pytest.importorskip("torch")
    rapha.load(folder, keys=folder / "receipts/keys.json")
    with pytest.raises(Unproven, match="step 2"):
        rapha.load(folder, keys=TrustedKeys.from_bytes(sample.files(STUDY)["receipts/keys.json"]))


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("model.safetensors", MADE["model.safetensors"][:-4] + b"\x00\x00\x00\x40"),
        ("metrics.json", b"{}"),
        ("study.json", sample.example("time-to-death").as_bytes()),
        ("receipts/north.json", MADE["receipts/south.json"]),
        ("receipts/keys.json", b'{"keys":[]}'),
    ],
)
def test_a_tampered_folder_is_refused(folder: Path, path: str, data: bytes) -> None:
    (folder / path).write_bytes(data)
    with pytest.raises(Unproven, match="does not verify"):
        rapha.load(folder)


def test_a_folder_without_receipts_or_none_at_all_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "receipts/aggregation.json").unlink()
    with pytest.raises(Unproven, match="aggregation"):
        rapha.load(folder)
    with pytest.raises(Unproven, match="is not a folder"):
        rapha.load(tmp_path / "none")


def test_without_torch_the_message_has_the_command(folder: Path) -> None:
    code = f"""
import sys
sys.modules["torch"] = None
import rapha, rapha.errors
try:
    rapha.load({str(folder)!r})
except rapha.errors.ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "a model needs torch, which is not installed: pip install 'rapha[train]'\n"
