"""The graph that a study file names: `model: {architecture: exported, graph: model.pt2}`, beside the study file."""

from pathlib import Path
from typing import Any

from rapha.canonical import digest
from rapha.errors import StudyError, TrainingFailed, Unproven
from rapha.graph.fit import check_fits
from rapha.graph.forms import Graph
from rapha.graph.reading import read_graph
from rapha.proof.claim import BASE_FILE, GRAPH_FILE
from rapha.records.language import CausalLora
from rapha.records.learning import LARGEST_GRAPH_BYTES, Exported, file_beside
from rapha.records.study import Study
from rapha.sdk.marked_yaml import Fault, Marked

PLACE = ("model", "graph")
STAND_IN = {"graph": digest(b""), "size_bytes": 1, "parameters": {"unread": [1]}}
"""For a graph that cannot be read, so that the rest of the study is."""


class NamedGraph:
    """The file that a study file names, read."""

    def __init__(self, path: Path) -> None:
        """Raises StudyError: it cannot be read, or is no graph that a hospital would read."""
        if path.suffix == ".onnx":
            raise StudyError(f"a study names a graph; write that of {path}: rapha study graph {path}")
        try:
            with path.open("rb") as file:
                self.content = file.read(LARGEST_GRAPH_BYTES + 1)
        except OSError as error:
            raise StudyError(f"{path} cannot be read ({error.strerror}); rapha.export_model writes it") from None
        try:
            self._graph: Graph = read_graph(self.content)
        except TrainingFailed as error:
            raise StudyError(str(error)) from None

    @property
    def stated(self) -> dict[str, Any]:
        """The model as a study states it."""
        return {
            "architecture": "exported",
            "graph": digest(self.content),
            "size_bytes": len(self.content),
            "parameters": self._graph.shapes("parameter"),
            "running": self._graph.shapes("running"),
        }

    def fault(self, study: Study, tree: Marked) -> Fault | None:
        """What does not fit, or None."""
        try:
            check_fits(study, self._graph)
        except TrainingFailed as error:
            node = tree.at(*PLACE)
            return Fault(node.line if node else tree.line, PLACE, str(error))
        return None


def named_in(tree: Marked) -> str | None:
    """The file that the study names, where it names one: a graph by its digest is none."""
    architecture, graph = tree.at("model", "architecture"), tree.at(*PLACE)
    if architecture is None or architecture.value != "exported" or graph is None or not isinstance(graph.value, str):
        return None
    return None if graph.value.startswith("sha256:") else graph.value


def graph_of(study: Study, content: bytes | None) -> bytes | None:
    """The bytes of the study's graph, script or base; None where its model is none of the researcher's own.

    Raises:
        StudyError: they are not here, or are not those that the study names.
    """
    if (beside := file_beside(study.model)) is None:
        return None
    if content is None or digest(content) != beside[0]:
        raise StudyError(f"{study.study}: its graph, script or base {beside[0]} has to be given with it")
    return content


def read_graph_of(folder: Path, study: Study) -> bytes | None:
    """The graph of a folder's model, if it is one of the researcher's own, or the base of its adapter.

    Raises:
        Unproven: it is not the one that was signed.
    """
    if not isinstance(study.model, Exported | CausalLora):
        return None
    named, name = file_beside(study.model), GRAPH_FILE if isinstance(study.model, Exported) else BASE_FILE
    assert named is not None
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise Unproven(f"{folder / name} cannot be read: {error.strerror}; fetch the folder again") from None
    if digest(content) != named[0]:
        raise Unproven(f"{folder / name} is not the file that the study names; fetch the folder again")
    return content
