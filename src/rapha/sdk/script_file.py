"""The script that a study file names: `model: {architecture: script, script: train.py, ...}`, beside the study file.

It is read here and not run: `rapha study rehearse` runs it.
"""

import ast
import sys
from pathlib import Path
from typing import Any

from rapha.canonical import digest
from rapha.errors import StudyError
from rapha.records.script import LARGEST_SCRIPT_BYTES
from rapha.records.study import Study
from rapha.sdk.marked_yaml import Fault, Marked

PLACE = ("model", "script")
STAND_IN = {"script": digest(b""), "size_bytes": 1, "predicts": False}
"""For a script that cannot be read, so that the rest of the study is."""
TAKES = 3
THERE = ("numpy", "torch")
"""What a hospital's sandbox has beside the standard library."""


class NamedScript:
    """The file that a study file names, read."""

    def __init__(self, path: Path) -> None:
        """Raises StudyError: it cannot be read, or cannot be what a hospital calls."""
        try:
            with path.open("rb") as file:
                self.content = file.read(LARGEST_SCRIPT_BYTES + 1)
        except OSError as error:
            raise StudyError(
                f"{path} cannot be read ({error.strerror}); docs/scripts.md has one to begin with"
            ) from None
        if len(self.content) > LARGEST_SCRIPT_BYTES:
            raise StudyError(
                f"{path} is larger than {LARGEST_SCRIPT_BYTES >> 10} KiB: a script is one file, which a steward reads"
            )
        self._functions = _checked(self.content, path)

    @property
    def stated(self) -> dict[str, Any]:
        """What a study states of it."""
        return {
            "script": digest(self.content),
            "size_bytes": len(self.content),
            "predicts": "predict" in self._functions,
        }

    def fault(self, study: Study, tree: Marked) -> Fault | None:
        """What does not fit, or None: whatever it takes and gives, only a run can tell."""
        return None


def named_script(tree: Marked) -> str | None:
    """The file that the study names, where it names one: a script by its digest is none."""
    architecture, script = tree.at("model", "architecture"), tree.at(*PLACE)
    if architecture is None or architecture.value != "script" or script is None or not isinstance(script.value, str):
        return None
    return None if script.value.startswith("sha256:") else script.value


def _checked(content: bytes, path: Path) -> dict[str, ast.FunctionDef]:
    """Its functions, by name. Raises StudyError with the line."""
    try:
        tree = ast.parse(content, str(path))
    except SyntaxError as error:
        raise StudyError(f"{path.name}:{error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise StudyError(f"{path.name} is no Python that can be read") from None
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if "train" not in functions:
        raise StudyError(f"{path.name} has no `def train(data, weights, settings)`, which is what a hospital calls")
    for name in ("train", "predict"):
        if (found := functions.get(name)) and not _takes_three(found):
            raise StudyError(
                f"{path.name}:{found.lineno}: `{name}` is called with data, weights and settings, and nothing else"
            )
    for line, module in _imported(tree):
        if module not in sys.stdlib_module_names and module not in THERE:
            raise StudyError(
                f"{path.name}:{line}: hospitals have no `{module}` for scripts: numpy, torch and Python's own alone"
            )
    return functions


def _takes_three(found: ast.FunctionDef) -> bool:
    given = found.args
    takes = len(given.posonlyargs) + len(given.args)
    needed = [default for default in given.kw_defaults if default is None]
    return not needed and takes - len(given.defaults) <= TAKES and (takes >= TAKES or given.vararg is not None)


def _imported(tree: ast.Module) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name.partition(".")[0]) for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            found.append((node.lineno, (node.module or "").partition(".")[0]))
    return found
