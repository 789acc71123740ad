"""transformers reads a base as we do, and PEFT our adapter's folder: same tokens, same logits.

They run in an environment of their own. `RAPHA_PEFT` names a Python that has transformers, peft and torch.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from kept_environments import python_with

from rapha.language.base_file import read_base
from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.sdk.lora_files import pack_base, write_adapter
from rapha.sdk.study_file import read_study_and_graph
from rapha.training.architectures.causal import CausalAdapter, build_causal
from rapha.training.weights import load_into, write_tensors

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).parents[2] / "examples" / "adapter-for-clinic-letters"
TEXTS = [
    "HISTORY OF PRESENT ILLNESS:\nShe has heart failure, NYHA III.\n\n  Denies dyspnea.", "Ejection fraction 30 %.  \n", "don't  we'll'S 'tis",
    "Größe 12\u00b2 µg/l — naïve\u3000\u4e00\u00bd \u0661\u0662", "\t\n\r\n x\u00a0y\u2003z \x85", "a", "!!'s ''ll <|endoftex|> 12345 x1y2",
    "\x1c\x1d weird \u200b \U0001f600 e\u0301 ...", "",
]  # fmt: skip
WITH_TEXT = [text for text in TEXTS if text]


@pytest.fixture(scope="module")
def peft() -> str:
    """A Python that has peft."""
    if "RAPHA_PEFT" in os.environ:
        return os.environ["RAPHA_PEFT"]
    wanted = ["transformers==5.23.0", "peft==0.21.2", "tokenizers", "huggingface_hub", "regex", "accelerate", "psutil", "tqdm",
              "packaging", "pyyaml", "filelock"]  # fmt: skip
    python = python_with(*wanted, options=("--no-deps",))
    if python is None:
        pytest.skip("peft could not be installed here")
    return str(python)


def adapted(study: Study, content: bytes) -> CausalAdapter:
    """An adapter that does something."""
    network = build_causal(study, content)
    chance = np.random.default_rng(7)
    load_into(network, {
        name: chance.normal(scale=0.1, size=shape).astype(np.float32) for name, shape in study.model.parameters.items()
    })  # fmt: skip
    return network


def ours(network: CausalAdapter) -> list[torch.Tensor]:
    """The logits after each text, of at most 64 tokens."""
    encode = network.base.file.tokenizer.encode
    with torch.inference_mode():
        hidden = [network._hidden([network.bare(encode(text)[:63])])[0, -1] for text in WITH_TEXT]
        return [each.double() @ network._output_matrix().T.double() for each in hidden]


def laid_out(content: bytes, folder: Path) -> None:
    """The base as Hugging Face has it, and packed again it is the same file."""
    said = read_base(content).said
    for name in ("config", "tokenizer"):
        (folder / f"{name}.json").write_text(said[name])
    (folder / "model.safetensors").write_bytes(content)
    assert pack_base(folder, folder / "again.safetensors").read_bytes() == content


def test_peft_and_transformers_read_what_we_write(peft: str, tmp_path: Path) -> None:
    study, content = read_study_and_graph(EXAMPLE / "study.yaml")
    base, folder = tmp_path / "base", tmp_path / "model"
    for place in (base, folder):
        place.mkdir()
    laid_out(content, base)
    network = adapted(study, content)
    weights = {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}
    assert set(weights) == set(declared_weights(study))
    write_tensors(folder / "model.safetensors", weights)
    write_adapter(folder, study)
    script = Path(__file__).with_name("peft_adapter.py")
    here = str(Path(torch.__file__).parents[1])
    done = subprocess.run(
        [peft, str(script), str(base), str(folder), here],  # torch is not fetched again
        input=json.dumps({"texts": WITH_TEXT}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout)
    assert [network.base.file.tokenizer.encode(text) for text in WITH_TEXT] == theirs["tokens"]
    assert np.allclose(theirs["adapted"], torch.stack(ours(network)), atol=1e-4)
    with network.adapter_left_out():
        assert np.allclose(theirs["base"], torch.stack(ours(network)), atol=1e-4)
    assert not np.allclose(theirs["base"], theirs["adapted"], atol=0.1)
