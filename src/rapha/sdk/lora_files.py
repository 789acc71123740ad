"""A language model and its adapter on the researcher's disk: the base that a study file names, and the adapter as PEFT lays it out.

    rapha.pack_base("SmolLM2-135M", "base.safetensors")     # config.json, tokenizer.json and model.safetensors of that folder
    model: {architecture: causal-lora, base: base.safetensors, learns: text}

Back come `adapter_model.safetensors` and `adapter_config.json`: `peft.PeftModel.from_pretrained(model, folder)` takes the folder as it is.
Bytes alone are moved, so that it needs neither torch nor transformers.
"""

import json
from pathlib import Path
from typing import Any

from rapha.canonical import digest
from rapha.errors import StudyError, TrainingFailed, Unproven
from rapha.language.base_file import BaseModelFile, Tensors, check_base_fits, laid_out, read_base, shape_of, written
from rapha.proof.claim import WEIGHTS_FILE
from rapha.records.language import LARGEST_BASE_BYTES, PROJECTIONS, CausalLora
from rapha.records.study import Study
from rapha.sdk.marked_yaml import Fault, Marked

PLACE = ("model", "base")
STAND_IN: dict[str, Any] = {
    "base": digest(b""), "size_bytes": 1, "layers": 1,
    "projections": {name: [1, 1] for name in PROJECTIONS},
}  # fmt: skip
"""For a base that cannot be read, so that the rest of the study is."""
ADAPTER_FILE, ADAPTER_CONFIG_FILE = "adapter_model.safetensors", "adapter_config.json"
_HEADER_BYTES = 4 << 20


class NamedBase:
    """The base that a study file names, read."""

    def __init__(self, path: Path) -> None:
        """Raises StudyError: it cannot be read, or is no base that a hospital would read."""
        try:
            with path.open("rb") as file:
                self.content = file.read(LARGEST_BASE_BYTES + 1)
        except OSError as error:
            raise StudyError(f"{path} cannot be read ({error.strerror}); rapha.pack_base writes it") from None
        try:
            self._base: BaseModelFile = read_base(self.content)
        except TrainingFailed as error:
            raise StudyError(str(error)) from None

    @property
    def stated(self) -> dict[str, Any]:
        """What a study states of it."""
        shape = self._base.shape
        return {
            "base": digest(self.content),
            "size_bytes": len(self.content),
            "layers": shape.num_hidden_layers,
            "projections": {name: list(sides) for name, sides in shape.projections.items()},
        }

    def fault(self, study: Study, tree: Marked) -> Fault | None:
        """What does not fit, or None."""
        try:
            assert isinstance(study.model, CausalLora)
            check_base_fits(study.model, self._base)
        except TrainingFailed as error:
            node = tree.at(*PLACE)
            return Fault(node.line if node else tree.line, PLACE, str(error))
        return None


def named_base(tree: Marked) -> str | None:
    """The file that the study names, where it names one: a base by its digest is none."""
    architecture, base = tree.at("model", "architecture"), tree.at(*PLACE)
    if architecture is None or architecture.value != "causal-lora" or base is None or not isinstance(base.value, str):
        return None
    return None if base.value.startswith("sha256:") else base.value


def pack_base(folder: Path | str, path: Path | str) -> Path:
    """Write the base of a folder in the form of Hugging Face to `path`, and return it: one file, in which nothing can run.

    Raises:
        StudyError: the folder has not the three files, or they are not of a Llama with byte-level byte pairs.
    """
    folder, path = Path(folder), Path(path)
    try:
        config, tokenizer, weights = (
            (folder / name).read_bytes() for name in ("config.json", "tokenizer.json", "model.safetensors")
        )
    except OSError as error:
        raise StudyError(f"{error.filename} cannot be read: {error.strerror}") from None
    try:
        wanted = shape_of(json.loads(config)).tensors
        tensors = {name: each for name, each in _tensors(weights).items() if name in wanted}
        content = written(config, tokenizer, tensors)
        read_base(content)
    except (TrainingFailed, ValueError) as error:
        raise StudyError(f"{folder}: {error}") from None
    path.write_bytes(content)
    return path


def write_adapter(folder: Path, study: Study) -> None:
    """Write the adapter into a folder that holds the delivered files; nothing, where the study has none, or weights were not asked back.

    Raises:
        Unproven: the weights are not those of the adapter.
    """
    model = study.model
    if not isinstance(model, CausalLora) or not (folder / WEIGHTS_FILE).is_file():
        return
    try:
        learnt = _tensors((folder / WEIGHTS_FILE).read_bytes())
        tensors = {name: learnt[name] for name in model.parameters}
    except (ValueError, KeyError):
        raise Unproven(f"{folder / WEIGHTS_FILE} is not the adapter's; fetch the folder again") from None
    (folder / ADAPTER_FILE).write_bytes(laid_out({"format": "pt", "rapha.base": model.base}, tensors))
    (folder / ADAPTER_CONFIG_FILE).write_text(json.dumps(peft_config(model), indent=2) + "\n", encoding="utf-8")


def peft_config(model: CausalLora) -> dict[str, Any]:
    """What PEFT wants to know of an adapter. No base is named: a name would be looked for on a hub, and the base is a file."""
    alpha = int(model.alpha) if model.alpha.is_integer() else model.alpha
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "inference_mode": True,
        "r": model.rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
        "target_modules": sorted(model.targets),
    }


def _tensors(data: bytes) -> Tensors:
    """Element type, shape and bytes of each tensor of a safetensors file. Raises ValueError."""
    length = int.from_bytes(data[:8], "little")
    if length > _HEADER_BYTES:
        raise ValueError("no safetensors file")
    header = json.loads(data[8 : 8 + length])
    try:
        spans = {name: stated for name, stated in header.items() if name != "__metadata__"}
        return {
            name: (stated["dtype"], tuple(stated["shape"]), data[8 + length + start : 8 + length + end])
            for name, stated in spans.items()
            for start, end in [stated["data_offsets"]]
        }
    except (KeyError, TypeError, AttributeError):
        raise ValueError("no safetensors file") from None
