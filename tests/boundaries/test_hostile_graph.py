"""Files in the place of a researcher's graph, each wrong in one way: none is run, and none is even unpickled."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable

import pytest
from own_model import Own, exported, respelt

from rapha.errors import TrainingFailed
from rapha.graph import archive, reading
from rapha.graph.archive import MODEL, TENSORS, read_members, weight_member, write_members
from rapha.graph.reading import read_graph

MiB = 1 << 20


class Bomb:
    """Whoever unpickles it fails the test."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return exported(tmp_path_factory.mktemp("own") / "model.pt2", Own(), (6,))


def zipped(content: bytes, change: Callable[[dict[str, bytes]], None], method: int = zipfile.ZIP_STORED) -> bytes:
    """The members again, as Python's own zipfile writes them."""
    members = {name: bytes(data) for name, data in read_members(content).items()}
    change(members)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return file.getvalue()


def put(name: str, data: bytes):
    return lambda content: zipped(content, lambda members: members.__setitem__(name, data))


def drop(name: str):
    return lambda content: zipped(content, lambda members: members.pop(name))


def twice(content: bytes) -> bytes:
    """The same member two times: one reader takes the first, another the last."""
    file = io.BytesIO(content)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(file, "a") as made:
        made.writestr("model/byteorder", b"little")
    return file.getvalue()


def other_before(content: bytes) -> bytes:
    """The list says one name, and what stands before the bytes another."""
    return content.replace(b"model/byteorder", b"model/byteorde!", 1)


def packed_before(content: bytes) -> bytes:
    """The list says that a member is stored, and what stands before its bytes that it is packed."""
    at = content.index(b"model/byteorder") - 30 + 8
    return content[:at] + zipfile.ZIP_DEFLATED.to_bytes(2, "little") + content[at + 2 :]


def listed_as(flags: int, method: int):
    """The list says that a member is encrypted or packed, and what stands before its bytes that it is plain."""

    def change(content: bytes) -> bytes:
        at = int.from_bytes(content[-6:-2], "little") + 8
        return content[:at] + flags.to_bytes(2, "little") + method.to_bytes(2, "little") + content[at + 4 :]

    return change


def flipped(content: bytes) -> bytes:
    name = weight_member(0).encode()
    at = content.index(name) + len(name)
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def behind_a_script(content: bytes) -> bytes:
    """A file that is two things at once: its first bytes are a script, and every offset is right."""
    members = {name: bytes(data) for name, data in read_members(content).items()}
    file = io.BytesIO(b"#!/bin/sh\n")
    with zipfile.ZipFile(file, "a") as made:
        for name, data in members.items():
            made.writestr(name, data)
    return file.getvalue()


def before_the_list(content: bytes) -> bytes:
    """Bytes that no member has, between the members and their list."""
    start = int.from_bytes(content[-6:-2], "little")
    return content[:start] + b"rows" + content[start:-6] + (start + 4).to_bytes(4, "little") + content[-2:]


ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "not-a-zip": lambda content: b"x" * 4096,
    "pickle-alone": lambda content: pickle.dumps(Bomb()),
    "cut-off": lambda content: content[:-7],
    "something-behind": lambda content: content + b"\0",
    "something-before": lambda content: b"#!/bin/sh\n" + content,
    "packed": lambda content: zipped(content, lambda members: None, zipfile.ZIP_DEFLATED),
    "packed-in-the-list": listed_as(0, zipfile.ZIP_DEFLATED),
    "encrypted-in-the-list": listed_as(1, zipfile.ZIP_STORED),
    "zip-bomb": lambda content: zipped(
        content, lambda members: members.__setitem__(MODEL, b" " * (64 * MiB)), zipfile.ZIP_DEFLATED
    ),
    "sample-inputs-pickled": put("model/data/sample_inputs/model.pt", pickle.dumps(Bomb())),
    "pickled-constant": put("model/data/constants/custom_obj_0", pickle.dumps(Bomb())),
    "path-upwards": put("model/../../etc/passwd", b"x"),
    "path-from-the-root": put("/model/byteorder", b"little"),
    "a-folder-more": put("model/extra/__init__.py", b"import os"),
    "weight-number-spelt-otherwise": put("model/data/weights/weight_00", b"x"),
    "too-many-members": lambda content: zipped(
        content, lambda members: members.update({weight_member(n): b"" for n in range(archive.MAX_MEMBERS)})
    ),
    "no-graph": drop(MODEL),
    "no-tensors": drop(TENSORS),
    "other-byte-order": put("model/byteorder", b"big"),
    "twice": twice,
    "two-names": other_before,
    "two-methods": packed_before,
    "two-things-at-once": behind_a_script,
    "bytes-of-no-member": before_the_list,
    "other-bytes": flipped,
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_not_of_the_one_form_is_not_read(name: str, honest: bytes) -> None:
    with pytest.raises(TrainingFailed) as refused:
        read_graph(ARCHIVES[name](honest))
    assert refused.value.reason == "graph-refused"


@pytest.mark.parametrize("name", ["packed", "zip-bomb"])
def test_nothing_is_ever_unpacked(name: str, honest: bytes) -> None:
    with pytest.raises(TrainingFailed, match="a member is packed"):
        read_members(ARCHIVES[name](honest))


def test_what_zipfile_writes_plainly_is_the_same_file(honest: bytes) -> None:
    """So that the table above fails for what it changes, and not for who wrote it."""
    assert read_graph(zipped(honest, lambda members: None)).nodes == read_graph(honest).nodes


def graph_of(model):
    return model["graph_module"]["graph"]


def node(model, operator: str):
    return next(each for each in graph_of(model)["nodes"] if each["target"].endswith(operator))


def argument(model, operator: str, name: str, value) -> None:
    next(each for each in node(model, operator)["inputs"] if each["name"] == name)["arg"] = value


def meta(tensors, name: str, **changes) -> None:
    tensors[name]["tensor_meta"] |= changes


def specs(model):
    return model["graph_module"]["signature"]["input_specs"]


def spec_of(model, tensor: str):
    return next(s for s in specs(model) if tensor in json.dumps(s))


def one_more_input(model, kind: str, **about) -> None:
    specs(model).insert(0, {kind: {"arg": {"name": "o"}, **about}})
    graph_of(model)["inputs"].insert(0, {"as_tensor": {"name": "o"}})


def returns_input(model, tensors) -> None:
    graph_of(model)["outputs"] = [{"as_tensor": {"name": "features"}}]
    model["graph_module"]["signature"]["output_specs"] = [{"user_output": {"arg": {"as_tensor": {"name": "features"}}}}]


def cycle(model, tensors) -> None:
    last = graph_of(model)["nodes"][-1]["outputs"][0]["as_tensor"]["name"]
    argument(model, "relu.default", "self", {"as_tensor": {"name": last}})


def renamed_output(model, tensors) -> None:
    """Whoever asks for the input later is given something else."""
    old = node(model, "relu.default")["outputs"][0]["as_tensor"]["name"]
    nodes = json.dumps(graph_of(model)["nodes"]).replace(f'"name": "{old}"', '"name": "features"')
    graph_of(model)["nodes"] = json.loads(nodes)


def same_tensor_twice(model, tensors) -> None:
    spec_of(model, "leave.bias")["parameter"]["parameter_name"] = "enter.bias"


def hidden_size(model, tensors) -> None:
    graph_of(model)["nodes"].insert(
        0,
        {
            "target": "torch.ops.aten.zeros.default", "metadata": {}, "name": "z",
            "inputs": [{"name": "size", "arg": {"as_ints": [1 << 20, 1 << 20]}, "kind": 1}],
            "outputs": [{"as_tensor": {"name": "z"}}],
        },
    )  # fmt: skip


def deep(model, tensors) -> None:
    value: dict = {"as_none": True}
    for _ in range(50):
        value = {"as_tensors": [value]}
    argument(model, "relu.default", "self", value)


GRAPHS: dict[str, Callable] = {
    "another-schema": lambda model, tensors: model["schema_version"].update(major=9),
    "returns-its-input": returns_input,
    "cycle": cycle,
    "name-twice": renamed_output,
    "tensor-twice": same_tensor_twice,
    "two-results": lambda model, tensors: graph_of(model)["outputs"].append(graph_of(model)["outputs"][0]),
    "no-nodes": lambda model, tensors: graph_of(model).update(nodes=[]),
    "no-parameter-to-learn": lambda model, tensors: [meta(tensors, t, requires_grad=False) for t in tensors],
    "huge-tensor": lambda model, tensors: meta(tensors, "enter.weight", sizes=[{"as_int": 1 << 40}]),
    "negative-side": lambda model, tensors: meta(tensors, "enter.weight", sizes=[{"as_int": -8}]),
    "many-sides": lambda model, tensors: meta(tensors, "enter.weight", sizes=[{"as_int": 1}] * 9),
    "other-size-than-its-bytes": lambda model, tensors: meta(tensors, "enter.weight", sizes=[{"as_int": 7}]),
    "half-precision": lambda model, tensors: meta(tensors, "enter.weight", dtype=6),
    "complex": lambda model, tensors: meta(tensors, "weighing", dtype=10),
    "learns-whole-numbers": lambda model, tensors: meta(tensors, "enter.weight", dtype=4),
    "pickled-tensor": lambda model, tensors: tensors["enter.weight"].update(use_pickle=True),
    "tensor-of-another-member": lambda model, tensors: tensors["enter.weight"].update(path_name="../weight_0"),
    "tensor-not-of-the-graph": lambda model, tensors: tensors.update(rows=tensors["enter.weight"]),
    "tensor-with-a-path-for-a-name": lambda model, tensors: spec_of(model, "leave.bias")["parameter"].update(
        parameter_name="../../leave"
    ),
    "custom-object": lambda model, tensors: one_more_input(
        model, "custom_obj", class_fqn="os.system", custom_obj_name="o"
    ),
    "token": lambda model, tensors: one_more_input(model, "token"),
    "lifted-constant": lambda model, tensors: one_more_input(model, "tensor_constant", tensor_constant_name="o"),
    "subgraph": lambda model, tensors: argument(
        model, "relu.default", "self", {"as_graph": {"name": "g", "graph": {"nodes": []}}}
    ),
    "operator-as-argument": lambda model, tensors: argument(
        model, "relu.default", "self", {"as_operator": "torch.load"}
    ),
    "text-off-the-list": lambda model, tensors: argument(model, "relu.default", "self", {"as_string": "/etc/passwd"}),
    "number-beyond-int64": lambda model, tensors: argument(model, "mul.Tensor", "other", {"as_int": 1 << 70}),
    "two-forms-at-once": lambda model, tensors: argument(
        model, "relu.default", "self", {"as_none": True, "as_tensor": {"name": "features"}}
    ),
    "deeply-nested": deep,
    "zeros-without-end": hidden_size,
    "batch-norm-moves-a-parameter": lambda model, tensors: argument(
        model, "batch_norm.default", "running_mean", {"as_tensor": {"name": "p_enter_bias"}}
    ),
    "batch-norm-moves-what-it-made": lambda model, tensors: argument(
        model, "batch_norm.default", "running_mean", {"as_tensor": {"name": "linear"}}
    ),
    "another-operator-reads-what-a-batch-norm-moves": lambda model, tensors: argument(
        model, "mul.Tensor", "other", {"as_tensor": {"name": "b_norm_running_mean"}}
    ),
    "rows-of-a-fixed-number": lambda model, tensors: graph_of(model)["tensor_values"]["features"].update(
        sizes=[{"as_int": 3}, {"as_int": 6}]
    ),
}

OPERATORS = (
    "torch.ops.aten.add_.Tensor", "torch.ops.aten.copy_.default", "torch.ops.aten.set_.source_Storage",
    "torch.ops.aten.from_file.default", "torch.ops.aten.as_strided.default", "torch.ops.aten.rand.default",
    "torch.ops.aten._assert_async.default", "torch.ops.higher_order.cond", "torch.ops.quantized.linear.default",
    "torch.load", "os.system", "_operator.getitem", "builtins.eval", "torch.ops.aten.linear.default.__globals__",
    "torch.ops.aten.relu", "", "torch.ops.aten.relu.default\n",
)  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_that_is_not_as_it_should_be_is_not_run(name: str, honest: bytes) -> None:
    with pytest.raises(TrainingFailed) as refused:
        read_graph(respelt(honest, GRAPHS[name]))
    assert refused.value.reason == "graph-refused"


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_off_the_list_is_named_and_not_looked_up(operator: str, honest: bytes) -> None:
    with pytest.raises(TrainingFailed, match="is not on the list") as refused:
        read_graph(respelt(honest, lambda model, tensors: node(model, "relu.default").update(target=operator)))
    assert refused.value.reason == "operator-not-allowed"


@pytest.mark.parametrize(
    "text",
    [b"[]", b"{" * 100_000, b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b""],
    ids=["a-list", "deep", "nan", "key-twice", "not-utf8", "empty"],
)
@pytest.mark.parametrize("member", [MODEL, TENSORS])
def test_json_with_a_second_reading_is_not_read(member: str, text: bytes, honest: bytes) -> None:
    members = {name: bytes(data) for name, data in read_members(honest).items()} | {member: text}
    with pytest.raises(TrainingFailed) as refused:
        read_graph(write_members(members))
    assert refused.value.reason == "graph-refused"


def test_a_respelt_file_is_read_where_nothing_is_changed(honest: bytes) -> None:
    """So that the tables above fail for what they change."""
    graph = read_graph(respelt(honest, lambda model, tensors: None))
    assert graph == read_graph(honest)
    assert graph.shapes("running") == {"norm.running_mean": (8,), "norm.running_var": (8,)}
    assert reading.MAX_NODES > len(graph.nodes) > 5
