"""A model is loaded once its receipts are verified, and not before."""

import subprocess
import sys
from pathlib import Path

import delivered_sample as sample
import numpy as np
import pytest
from safetensors.numpy import save

import rapha
from rapha.canonical import digest
from rapha.errors import Unproven
from rapha.records.outputs import HeadOf
from rapha.records.tensors import declared_head
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


@pytest.mark.parametrize(
    ("study", "weights", "words"), [(True, True, ""), (False, True, "another study"), (True, False, "other weights")]
)
def test_a_head_is_taken_with_the_model_it_is_of_and_no_other(
    folder: Path, tmp_path: Path, study: bool, weights: bool, words: str
) -> None:
    pytest.importorskip("torch")
    tensors = {name: np.full(spec.shape, 3.0, np.float32) for name, spec in declared_head(STUDY).items()}
    head, other = tmp_path / "d-1.safetensors", "sha256:" + "0" * 64
    head.write_bytes(save(tensors))
    with pytest.raises(Unproven, match="does not say which model"):
        rapha.load(folder, head=head)
    of = HeadOf(
        study_digest=STUDY.digest if study else other, weights=digest(MADE["model.safetensors"]) if weights else other
    )
    head.with_suffix(".json").write_bytes(of.as_bytes())
    if words:
        with pytest.raises(Unproven, match=words):
            rapha.load(folder, head=head)
        return
    shared, own = rapha.load(folder), rapha.load(folder, head=head)
    rows = {name: [1.0, None] for name in shared.features}
    assert (shared.predict(rows) != own.predict(rows)).all()
