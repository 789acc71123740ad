"""The process of a researcher's script: `python -m rapha.training.script_worker`, in a sandbox that is used for one call and ended.

    /in/study.json, /in/rows.arrow, /in/train.py    what it works on: the rows of this call, and no others
    /weights/<hex>.safetensors                      what it starts from
    /out/weights.safetensors                        what it leaves: the declared tensors, or `scores`
    standard input, standard output                 as of `rapha.training.worker`, for one command

What the script may do with this process is anything: nothing that comes out of here is believed. The node opens one file of a fixed
name, and of the reply it reads whether it says `script-not-loaded`. What the script prints goes to standard error, for the steward.
"""

import argparse
import ast
import platform
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from rapha.records.outputs import SCRIPT, WEIGHTS, Command, Reply
from rapha.records.release import Numerics
from rapha.records.study import Study
from rapha.records.tensors import declared_start, feature_names
from rapha.training.dataset import Rows, read_dataset
from rapha.training.profile import THREADS
from rapha.training.replies import LINE_BYTES, claim_output, send

Arrays = dict[str, Any]


class NotLoaded(Exception):
    """The script does not compile, fails as it is imported, or lacks the function."""


def main(arguments: Sequence[str]) -> int:
    """Serve one command. Returns 0, or 1 where it could not start."""
    parser = argparse.ArgumentParser(prog="rapha.training.script_worker")
    for name, default in (("input", "/in"), ("weights", "/weights"), ("output", "/out")):
        parser.add_argument(f"--{name}", type=Path, default=Path(default))
    folders = parser.parse_args(arguments)
    replies = claim_output()
    try:
        study = Study.from_bytes((folders.input / "study.json").read_bytes())
        source = (folders.input / SCRIPT).read_bytes()
        rows = read_dataset(study, folders.input / "rows.arrow").train
        numerics = _ready(source)
    except Exception:
        traceback.print_exc()
        send(replies, Reply(ok=False, reason="internal"))
        return 1
    send(replies, Reply(ok=True, numerics=numerics))
    command = Command.from_bytes(sys.stdin.buffer.readline(LINE_BYTES))
    try:
        called(study, source, rows, folders.weights, folders.output, command)
        reply = Reply(ok=True)
    except BaseException as failed:
        traceback.print_exc()
        reply = Reply(ok=False, reason="script-not-loaded" if isinstance(failed, NotLoaded) else "script-failed")
    sys.stdout.flush()
    sys.stderr.flush()
    send(replies, reply)
    return 0


def called(study: Study, source: bytes, rows: Rows, weights: Path, output: Path, command: Command) -> None:
    """Call the script as the command says, and write what it gives.

    Raises:
        NotLoaded: it cannot be called. Whatever else it raises goes through.
    """
    start = weights_for(study, weights, command)
    settings = settings_for(study, command.round)
    if command.do == "evaluate":
        scores = function_of(source, "predict")(data_for(study, rows, outcome=False), start, settings)
        found = {"scores": _array(scores, np.float64)}
    else:
        given = function_of(source, "train")(data_for(study, rows, outcome=True), start, settings)
        found = {str(name): _array(values, np.float32) for name, values in dict(given).items()}
    from safetensors.numpy import save

    (output / WEIGHTS).write_bytes(save(found))


def function_of(source: bytes, name: str) -> Callable[..., Any]:
    """The script's function of that name, once it is run as a module called `train`."""
    module = ModuleType("train")
    try:
        exec(compile(source, SCRIPT, "exec"), module.__dict__)  # noqa: S102
        return getattr(module, name)  # type: ignore[no-any-return]
    except Exception as error:
        raise NotLoaded from error


def data_for(study: Study, rows: Rows, *, outcome: bool) -> Arrays:
    """What `data` is: see docs/scripts.md."""
    data: Arrays = {"features": rows.features.copy(), "names": list(feature_names(study))}
    if not outcome:
        return data
    match study.outcome.kind:
        case "time-to-event":
            data |= {"event": rows.event.copy(), "time": None if rows.time is None else rows.time.copy()}
        case "numeric":
            data |= {"value": None if rows.value is None else rows.value.copy()}
        case _:
            data |= {"label": rows.event.copy()}
    return data


def settings_for(study: Study, number: int) -> dict[str, Any]:
    """What `settings` is: the study's own words, and which round it is. Nothing of it is of a patient."""
    training = study.training
    return {
        "round": number,
        "rounds": training.rounds,
        "local_epochs": training.local_epochs,
        "batch_size": training.batch_size,
        "learning_rate": training.learning_rate,
        "weight_decay": training.weight_decay,
        "seed": training.seed,
        "outcome": study.outcome.kind,
        "shapes": {name: tuple(shape) for name, shape in shapes_of(study).items()},
    }


def shapes_of(study: Study) -> Mapping[str, tuple[int, ...]]:
    """The declared tensors of a script."""
    assert study.model.architecture == "script"
    return study.model.tensors


def weights_for(study: Study, folder: Path, command: Command) -> Arrays:
    """The weights a call starts from, and the standards beside them; zeros where there are none yet, in round 1."""
    from safetensors.numpy import load

    zeros = {name: np.zeros(shape, np.float32) for name, shape in shapes_of(study).items()}
    found = load((folder / command.weights).read_bytes()) if command.weights else {}
    known = set(zeros) | set(declared_start(study))
    return {**zeros, **{name: values for name, values in found.items() if name in known}}


def _array(values: Any, dtype: type) -> "np.ndarray[Any, Any]":
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.ascontiguousarray(values, dtype=dtype)


def _ready(source: bytes) -> Numerics:
    """Import torch where the script names it, so that its own time is not spent on it. Looks at the text, and runs none of it."""
    if _names_torch(source):
        from rapha.training.numerics import pin

        return pin()
    return Numerics(
        torch=version("torch"),
        python=platform.python_version(),
        threads=THREADS,
        cpu_capability="",
        deterministic=False,
    )


def _names_torch(source: bytes) -> bool:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in imports for alias in node.names]
    names += [node.module or "" for node in imports if isinstance(node, ast.ImportFrom)]
    return any(name.partition(".")[0] == "torch" for name in names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
