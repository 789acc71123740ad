"""`rapha.export_model`: what becomes of a module on the researcher's own machine, and what is said of one that cannot be."""

import os
import resource
import runpy
import zipfile
from pathlib import Path

import pytest
import torch
from own_model import Own
from torch import nn

import rapha
from rapha.canonical import digest
from rapha.errors import ConfigurationError, StudyError
from rapha.graph.reading import read_graph
from rapha.sdk.study_file import read_study, read_study_and_graph


def test_the_same_module_gives_the_same_bytes_and_stays_as_it_was(tmp_path: Path) -> None:
    module = Own().eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    one = rapha.export_model(module, torch.randn(3, 6), tmp_path / "one.pt2").read_bytes()
    two = rapha.export_model(module, torch.randn(3, 6), tmp_path / "two.pt2").read_bytes()
    assert one == two and not module.training
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


def test_no_word_of_the_researchers_machine_and_no_pickle_travels(tmp_path: Path) -> None:
    torch.manual_seed(5)  # of other weights one in some sixty begins as a pickle does
    path = rapha.export_model(Own(), torch.randn(3, 6), tmp_path / "model.pt2")
    content = path.read_bytes()
    for word in (str(tmp_path), "own_model", "site-packages", "stack_trace", ".py"):
        assert word.encode() not in content, word
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert not any(archive.read(name).startswith((b"\x80", b"PK")) for name in archive.namelist())


def test_what_is_written_in_place_is_read_by_its_newest_name(tmp_path: Path) -> None:
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 4)

        def forward(self, features):
            state = self.linear(features)
            state += 1
            state *= 2
            return state.sum(1)

    graph = read_graph(rapha.export_model(InPlace(), torch.randn(3, 6), tmp_path / "model.pt2").read_bytes())
    assert [node.operator for node in graph.nodes] == [
        "aten.linear.default", "aten.add.Tensor", "aten.mul.Tensor", "aten.sum.dim_IntList",
    ]  # fmt: skip


def test_a_constant_of_forward_travels_and_is_no_part_of_the_state(tmp_path: Path) -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 1)
            self.register_buffer("scale", torch.tensor([2.0]), persistent=False)

        def forward(self, features):
            return self.linear(features) * self.scale

    graph = read_graph(rapha.export_model(Constant(), torch.randn(3, 6), tmp_path / "model.pt2").read_bytes())
    assert graph.shapes("constant") == {"scale": (1,)} and not graph.shapes("fixed")


class Sorts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)

    def forward(self, features):
        return self.linear(features.sort(dim=1).values)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)

    def forward(self, features):
        return self.linear(features) if features.sum() > 0 else self.linear(-features)


class Views(nn.Module):
    """Writes through one name and reads through another: not what a graph without memory computes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, features):
        state = self.linear(features)
        state[:, 0].mul_(100)
        return state.sum(1)


@pytest.mark.parametrize(
    ("module", "example", "said"),
    [
        (Sorts(), torch.randn(3, 6), "aten.sort.default is not on the list"),
        (Branches(), torch.randn(3, 6), "torch.export cannot export"),
        (Views(), torch.randn(3, 6), "does not compute what the module computes"),
        (nn.Linear(6, 2), torch.randn(3, 6), "one number a row"),
        (nn.Linear(6, 1), torch.randn(1, 6), "two rows or more"),
        (nn.Identity(), torch.randn(3), "it has 0 nodes"),
        (nn.ReLU(), torch.randn(3), "no parameter to learn"),
    ],
    ids=["operator", "branch", "alias", "two-numbers", "one-row", "identity", "nothing-to-learn"],
)
def test_a_module_that_no_hospital_could_train_is_refused_at_home(module, example, said, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=said):
        rapha.export_model(module, example, tmp_path / "model.pt2")
    assert not (tmp_path / "model.pt2").exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        rapha.export_model(Own(), torch.randn(3, 6), tmp_path / "no" / "model.pt2")


@pytest.mark.parametrize("path", [".", "/", ""])
def test_a_path_that_names_no_file_is_said(path: str) -> None:
    with pytest.raises(ConfigurationError, match="names no file"):
        rapha.export_model(Own(), torch.randn(3, 6), path)


def test_what_one_that_was_killed_has_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """In a container, where the next process has the same number."""
    left = tmp_path / f".model.pt2.{os.getpid()}.part"
    left.write_bytes(b"half a graph")
    assert read_graph(rapha.export_model(Own(), torch.randn(3, 6), tmp_path / "model.pt2").read_bytes()).nodes
    assert left.read_bytes() == b"half a graph"


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "model.pt2").write_bytes(b"the graph of before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # no file may grow beyond
    try:
        with pytest.raises(ConfigurationError, match="cannot be written"):
            rapha.export_model(Own(), torch.randn(3, 6), tmp_path / "model.pt2")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the graph of before"]


def test_the_examples_file_is_what_its_module_writes(checkout: Path, tmp_path: Path) -> None:
    folder = checkout / "examples" / "mortality-own-model"
    names = runpy.run_path(str(folder / "model.py"))
    again = rapha.export_model(names["Mortality"](), torch.randn(2, 2 * names["FEATURES"]), tmp_path / "model.pt2")
    graph, expected = read_graph(again.read_bytes()), read_graph((folder / "model.pt2").read_bytes())
    assert (graph.nodes, graph.inputs, graph.named) == (expected.nodes, expected.inputs, expected.named)
    study, content = read_study_and_graph(folder / "study.yaml")
    assert content is not None and study.model.graph == digest(content)


def test_a_study_file_says_what_is_wrong_with_the_graph_it_names(checkout: Path, tmp_path: Path) -> None:
    text = (checkout / "examples" / "mortality-own-model" / "study.yaml").read_text()
    study = tmp_path / "study.yaml"
    study.write_text(text)
    with pytest.raises(StudyError, match=r"study.yaml:\d+: model.graph: .*model.pt2 cannot be read"):
        read_study(study)
    rapha.export_model(Own(9), torch.randn(3, 18), tmp_path / "model.pt2")
    assert read_study(study).model.running
    study.write_text(text.replace("  - {demographic: sex}\n", ""))
    with pytest.raises(
        StudyError, match=r"model.graph: the model's graph takes F32 \[rows, 18\]; this study gives F32 \[rows, 16\]"
    ):
        read_study(study)
    (tmp_path / "model.pt2").write_bytes(b"PK")
    with pytest.raises(StudyError, match="the file has 2 bytes"):
        read_study(study)
    study.write_text(text.replace("graph: model.pt2", "graph: 'sha256:0'"))
    with pytest.raises(StudyError, match="is not the name of a file beside the study, or a digest"):
        read_study(study)
