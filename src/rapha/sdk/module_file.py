"""`module.safetensors`: what a researcher's own module takes back, under its own names and nothing else.

`module.load_state_dict(safetensors.torch.load_file("module.safetensors"))` takes it as it is. Made of the delivered weights, which
are signed, and of what the graph holds that is never learnt. Bytes alone are moved, so that it needs neither torch nor numpy.
"""

import json
from pathlib import Path
from typing import Any

from rapha.errors import TrainingFailed, Unproven
from rapha.graph.forms import Graph
from rapha.graph.reading import read_graph
from rapha.proof.claim import GRAPH_FILE, WEIGHTS_FILE
from rapha.records.learning import Exported
from rapha.records.study import Study
from rapha.sdk.graph_file import read_graph_of

MODULE_FILE = "module.safetensors"
_HEADER_BYTES = 1 << 20


def write_module(folder: Path, study: Study) -> None:
    """Write it into a folder that holds the delivered files; nothing, where the model is none of the researcher's own, or the
    weights were not asked back.

    Raises:
        Unproven: weights or graph are not those of the model.
    """
    if not isinstance(study.model, Exported) or not (folder / WEIGHTS_FILE).is_file():
        return
    try:
        graph = read_graph(read_graph_of(folder, study) or b"")
    except TrainingFailed as error:
        raise Unproven(f"{folder / GRAPH_FILE}: {error}") from None
    learnt = _tensors((folder / WEIGHTS_FILE).read_bytes())
    if missing := sorted({*study.model.parameters, *study.model.running} - set(learnt)):
        raise Unproven(f"{folder / WEIGHTS_FILE} has no tensor {missing[0]}; fetch the folder again")
    (folder / MODULE_FILE).write_bytes(_written(graph, learnt))


def _tensors(data: bytes) -> dict[str, bytes]:
    """The bytes of each tensor of a safetensors file, which the gates of hub and hospitals wrote."""
    length = int.from_bytes(data[:8], "little")
    try:
        header: dict[str, Any] = json.loads(data[8 : 8 + min(length, _HEADER_BYTES)])
        spans = {name: entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"}
        return {name: data[8 + length + begin : 8 + length + end] for name, (begin, end) in spans.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unproven(f"{WEIGHTS_FILE} is not a readable safetensors file; fetch the folder again") from None


def _written(graph: Graph, learnt: dict[str, bytes]) -> bytes:
    header: dict[str, Any] = {}
    body = bytearray()
    for name in sorted(graph.tensors, key=lambda each: (-len(graph.tensors[each].content), each)):
        form = graph.tensors[name]
        if form.role == "constant":
            continue
        content = form.content if form.role == "fixed" else learnt[name]
        header[name] = {
            "dtype": form.element,
            "shape": list(form.shape),
            "data_offsets": [len(body), len(body) + len(content)],
        }
        body += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(body)
