"""A researcher's own model for the made-up studies of tests, and ways to spoil its file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rapha.graph.archive import MODEL, TENSORS, read_members, write_members
from rapha.records.study import Study
from rapha.sdk.export import export_model
from rapha.sdk.graph_file import NamedGraph

Json = dict[str, Any]


class Own(nn.Module):
    """Batch norm, dropout, a constant, a value written in place: what a plain module of a researcher has."""

    def __init__(self, features: int = 3, norm: bool = True) -> None:
        super().__init__()
        self.enter = nn.Linear(2 * features, 8)
        self.norm = nn.BatchNorm1d(8) if norm else nn.LayerNorm(8)
        self.bend = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.2)
        self.register_buffer("weighing", torch.linspace(0.5, 1.5, 8))
        self.leave = nn.Linear(8, 1)

    def forward(self, features: Tensor) -> Tensor:
        state = self.drop(self.bend(self.norm(self.enter(features)))) * self.weighing
        return self.leave(state).squeeze(1)


def exported(path: Path, module: nn.Module, *shapes: tuple[int, ...]) -> bytes:
    """The file of a module that takes float32 of these shapes, without the rows."""
    return export_model(module, [torch.randn(3, *shape) for shape in shapes], path).read_bytes()


def with_graph(study: Study, path: Path) -> Study:
    """The study with the model of this file."""
    return Study.model_validate({**study.as_json(), "model": NamedGraph(path).stated})


def stating(study: Study, content: bytes, honest: Path) -> Study:
    """As `with_graph`, with the tensors of an honest file and the digest of another: what a researcher could send who does not
    use our SDK."""
    from rapha.canonical import digest

    model = NamedGraph(honest).stated | {"graph": digest(content), "size_bytes": len(content)}
    return Study.model_validate({**study.as_json(), "model": model})


def respelt(content: bytes, change: Callable[[Json, Json], None]) -> bytes:
    """The file with its JSON changed: of the graph, and of the tensors."""
    members = {name: bytes(data) for name, data in read_members(content).items()}
    model, tensors = json.loads(members[MODEL]), json.loads(members[TENSORS])
    change(model, tensors["config"])
    return write_members({**members, MODEL: json.dumps(model).encode(), TENSORS: json.dumps(tensors).encode()})
