"""`rapha.export_model`: a researcher's own `nn.Module` as a graph that a hospital's trainer can train. On the researcher's machine.

torch.export says what the module computes; what is no part of that (stack traces, example inputs, counters) is taken away; then the
file is read as a hospital's sandbox reads it, run on the example, and held against the module itself.
"""

import contextlib
import inspect
import io
import json
import secrets
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapha.durable import READABLE, write_synced
from rapha.errors import ConfigurationError, StudyError, TrainingFailed
from rapha.graph.archive import MAX_JSON_BYTES, MODEL, PLAIN, TENSORS, weight_member, write_members

if TYPE_CHECKING:
    from torch import Tensor, nn

_COUNTER = "num_batches_tracked"
_ASSERTS = ("aten._assert_", "aten.sym_constrain_range", "aten._assert_tensor_metadata")
Json = dict[str, Any]


def export_model(module: "nn.Module", example: "Tensor | Sequence[Tensor]", path: Path | str) -> Path:
    """Write the graph of a module, with the tensors it now has, to `path` (`model.pt2`), and return it.

    `example`: what its `forward` takes, in order, for two rows or more; see docs/study.md for what a study gives. The module gives
    one number a row. It is exported as it trains: dropout and batch norm work while the trainer trains, and only then.

    Raises:
        StudyError: it cannot be exported, uses what no trainer does (the operator is named), or does not compute the same.
        ConfigurationError: torch is not installed, or the file cannot be written.
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise ConfigurationError("to export a model needs torch: pip install 'rapha[train]'") from None
    inputs = (example,) if isinstance(example, torch.Tensor) else tuple(example)
    rows = {len(each) if each.dim() else 0 for each in inputs}
    if len(rows) != 1 or rows.pop() < 2:
        raise StudyError("export_model: the example has two rows or more, as many in each input")
    trained = module.training
    try:
        module.train()
        content = slimmed(_exported(module, inputs))
        _check_same(module.eval(), inputs, content)
    finally:
        module.train(trained)
    return _laid(Path(path), content)


def _laid(path: Path, content: bytes) -> Path:
    """The whole file, or what was there before."""
    try:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    except ValueError:
        raise ConfigurationError(f"{path} cannot be written: it names no file") from None
    try:
        write_synced(draft, content, READABLE, new=True)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _exported(module: "nn.Module", inputs: tuple["Tensor", ...]) -> bytes:
    """What torch itself writes."""
    import torch

    rows = torch.export.Dim("rows", min=1)
    written = io.BytesIO()
    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # of torch's own layers; what is exported is held against the module
            program = torch.export.export(module, inputs, dynamic_shapes=_sides(module, [{0: rows} for _ in inputs]))
            torch.export.save(program, written)
    except Exception as error:  # of many kinds, none of them ours
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise StudyError(f"export_model: torch.export cannot export this module: {first[0][:300]}") from error
    return written.getvalue()


def _sides(module: "nn.Module", each: list[Any]) -> tuple[Any, ...]:
    """What is said of each input's sides, in the form of what `forward` takes: those of `*inputs` are one."""
    takes = list(inspect.signature(module.forward).parameters.values())
    named = next((at for at, one in enumerate(takes) if one.kind is one.VAR_POSITIONAL), len(each))
    return (*each[:named], tuple(each[named:])) if named < len(each) else tuple(each)


def slimmed(written: bytes) -> bytes:
    """The one form of a file that `torch.export.save` wrote. Nothing in it is unpickled.

    Raises:
        StudyError: it holds what the one form has no place for.
    """
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        members = {name.partition("/")[2]: name for name in archive.namelist()}

        def read(name: str) -> bytes:
            return archive.read(members[name])

        model = json.loads(read("models/model.json"))
        config = json.loads(read("data/weights/model_weights_config.json"))["config"]
        constants = json.loads(read("data/constants/model_constants_config.json"))["config"]
        plain = {**config, **constants}
        if packed := sorted(name for name, entry in plain.items() if entry["use_pickle"] or "tensor_meta" not in entry):
            raise StudyError(f"export_model: {packed[0]} is no plain tensor")
        where = {name: f"data/weights/{entry['path_name']}" for name, entry in config.items()}
        where |= {name: f"data/constants/{entry['path_name']}" for name, entry in constants.items()}
        contents = {name: read(place) for name, place in where.items()}
    _simplify(model["graph_module"])
    for spec in model["graph_module"]["signature"]["input_specs"]:
        _as_buffer(spec)
    used = {about.get("parameter_name", about.get("buffer_name")) for spec in model["graph_module"]["signature"]["input_specs"]
            for about in spec.values() if "user_input" not in spec}  # fmt: skip
    names = sorted(used)
    entries = {name: {**plain[name], "path_name": f"weight_{number}"} for number, name in enumerate(names)}
    found = {MODEL: _written(model), TENSORS: _written({"config": entries}), **PLAIN}
    return write_members(found | {weight_member(number): contents[name] for number, name in enumerate(names)})


def _as_buffer(spec: Json) -> None:
    """A constant that torch lifted out of `forward` is a tensor like another."""
    if constant := spec.pop("tensor_constant", None):
        spec["buffer"] = {"arg": constant["arg"], "buffer_name": constant["tensor_constant_name"], "persistent": False}


def _simplify(module: Json) -> None:
    """Without counters, asserts, and what nobody asks for; nothing is written in place; no word of the researcher's files."""
    graph, renamed = module["graph"], dict[str, str]()
    counters = {
        spec["buffer"]["arg"]["name"]
        for spec in module["signature"]["input_specs"]
        if "buffer" in spec and spec["buffer"]["buffer_name"].endswith(_COUNTER)
    }
    nodes = []
    for node in graph["nodes"]:
        node["metadata"] = {}
        node["inputs"] = _renamed(node["inputs"], renamed)
        target = node["target"].removeprefix("torch.ops.")
        operator, _, overload = target.removeprefix("aten.").partition(".")
        first = next((each["arg"].get("as_tensor", {}).get("name") for each in node["inputs"]), None)
        if target.startswith(_ASSERTS) or (operator == "add_" and first in counters):
            continue
        if target.startswith("aten.") and operator.endswith("_") and not operator.startswith("_"):
            node["target"] = f"torch.ops.aten.{operator[:-1]}.{overload}"
            renamed[str(first)] = node["outputs"][0]["as_tensor"]["name"]
        nodes.append(node)
    graph["outputs"] = _renamed(graph["outputs"], renamed)
    module["signature"]["output_specs"] = _renamed(module["signature"]["output_specs"], renamed)
    graph["nodes"] = _asked_for(nodes, set(_names(graph["outputs"])))
    taken = {name for spec in module["signature"]["input_specs"] if "user_input" in spec for name in _names(spec)}
    graph["tensor_values"] = {name: meta for name, meta in graph["tensor_values"].items() if name in taken}
    module["module_call_graph"] = []


def _asked_for(nodes: list[Json], wanted: set[str]) -> list[Json]:
    """The nodes that the result depends on. A batch norm that moves its figures does so for a result of its own."""
    kept = []
    for node in reversed(nodes):
        if wanted & set(_names(node["outputs"])):
            kept.append(node)
            wanted |= set(_names(node["inputs"]))
    return kept[::-1]


def _names(value: Any) -> list[str]:
    """Every name of a value, however deep."""
    if isinstance(value, dict):
        own = [value[key] for key in ("name", "as_name") if isinstance(value.get(key), str)]
        return own + [name for item in value.values() for name in _names(item)]
    return [name for item in value for name in _names(item)] if isinstance(value, list) else []


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The same, where a value written in place goes by its newest name."""
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"name"} and value["name"] in names:
        return _renamed({"name": names[value["name"]]}, names)
    return {key: _renamed(item, names) for key, item in value.items()}


def _written(value: Json) -> bytes:
    content = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    if len(content) > MAX_JSON_BYTES:
        raise StudyError("export_model: the graph is larger than any that is read")
    return content


def _check_same(module: "nn.Module", inputs: tuple["Tensor", ...], content: bytes) -> None:
    """The file, read and run as a sandbox does it, gives what the module gives."""
    import torch

    from rapha.graph.reading import read_graph
    from rapha.training.architectures.exported import Interpreter

    try:
        with torch.no_grad():
            found = Interpreter(0, (), read_graph(content)).eval().run(inputs)
            wanted = module(*inputs)
    except TrainingFailed as error:
        raise StudyError(f"export_model: {error}") from None
    if not isinstance(wanted, torch.Tensor) or wanted.numel() != len(inputs[0]):
        raise StudyError("export_model: the module gives one number a row: a logit, or a log hazard")
    if not torch.allclose(found, wanted.reshape(-1).float(), rtol=1e-4, atol=1e-5):
        raise StudyError(
            "export_model: the graph does not compute what the module computes; a value that is written in place and read under "
            "another name is the usual cause"
        )
