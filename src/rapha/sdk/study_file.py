"""A study file: read with every fault named by line, key and nearest word; written as a template to start from."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rapha.errors import Conflict, NotYetPossible, StudyError
from rapha.records.study import Study
from rapha.sdk import graph_file, lora_files, script_file
from rapha.sdk.graph_file import NamedGraph, named_in
from rapha.sdk.lora_files import NamedBase, named_base
from rapha.sdk.marked_yaml import Fault, Marked, Unreadable, read_marked
from rapha.sdk.script_file import NamedScript, named_script
from rapha.sdk.study_faults import faults_of, undeclared

LIMIT_BYTES = 1 << 20
_TEMPLATE = Path(__file__).with_name("template.yaml")
_STAND_IN = {"system": "undeclared", "codes": ["undeclared"]}


def read_study(path: Path | str) -> Study:
    """The study of a YAML file. Raises as `read_study_and_graph`."""
    return read_study_and_graph(path)[0]


def read_study_and_graph(path: Path | str) -> tuple[Study, bytes | None]:
    """The study of a YAML file, and the graph, base or script that it names, if it does: a file beside it.

    Raises:
        NotYetPossible: it asks for something this version cannot do; the message names it.
        StudyError: it cannot be read or is wrong; one line for every fault.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except IsADirectoryError:
        raise StudyError(f"{path} is a folder; name the study file in it, e.g. {path / 'study.yaml'}") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}; `rapha study new` writes a study file") from None
    if len(data) > LIMIT_BYTES:
        raise StudyError(f"{path} is larger than 1 MiB; a study file is a page or two of text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise StudyError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from None
    return _parsed(text, str(path), path.parent)


def parse_study(text: str, name: str = "study.yaml") -> Study:
    """The study of a YAML text; `name` stands for the file in messages. Raises as `read_study`."""
    return _parsed(text, name, Path())[0]


def _parsed(text: str, name: str, beside: Path) -> tuple[Study, bytes | None]:
    try:
        tree, faults = read_marked(text)
    except Unreadable as unreadable:
        raise _refusal(list(unreadable.faults), name) from None
    if not isinstance(tree.value, dict):
        raise _refusal([Fault(tree.line, (), "expected keys such as `study:` and `cohort:` at the top")], name)
    missing = dict(undeclared(tree))
    faults += [fault for _, fault in undeclared(tree)]
    graph, wrong = _graph(tree, beside)
    study, found = _validated(tree, missing, graph.stated if graph else _stand_in(tree) if wrong else None)
    if study is not None and graph is not None and (unfit := graph.fault(study, tree)):
        wrong.append(unfit)
    faults += wrong
    later = [fault.place for fault in found if fault.not_yet]
    faults = [fault for fault in faults if not any(fault.place[: len(place)] == place for place in later)]
    places = {fault.place for fault in faults}
    faults += [fault for fault in found if fault.place not in places]
    if faults or study is None:
        raise _refusal(faults, name)
    return study, graph.content if graph else None


def _graph(tree: Marked, beside: Path) -> tuple[NamedGraph | NamedBase | NamedScript | None, list[Fault]]:
    """The graph, the base or the script that the study names by its file, or what is wrong with it."""
    place = graph_file.PLACE
    try:
        if (file := named_in(tree)) is not None:
            return NamedGraph(beside / file), []
        place = lora_files.PLACE
        if (file := named_base(tree)) is not None:
            return NamedBase(beside / file), []
        place = script_file.PLACE
        if (file := named_script(tree)) is not None:
            return NamedScript(beside / file), []
    except StudyError as error:
        node = tree.at(*place)
        return None, [Fault(node.line if node else tree.line, place, str(error))]
    return None, []


def _stand_in(tree: Marked) -> dict[str, Any]:
    if named_base(tree) is not None:
        return lora_files.STAND_IN
    return graph_file.STAND_IN if named_in(tree) is not None else script_file.STAND_IN


def _validated(tree: Marked, missing: dict[str, Any], model: dict[str, Any] | None) -> tuple[Study | None, list[Fault]]:
    """Undeclared concepts are declared for the while, so that they do not hide what else is wrong; so is a graph that cannot be
    read. `model`: as the study states what it names by a file."""
    document = dict(tree.value)
    if model is not None:
        document["model"] = {**document["model"], **model}
    if missing:
        document["concepts"] = {**document["concepts"], **dict.fromkeys(missing, _STAND_IN)}
    try:
        return Study.model_validate(document), []
    except ValidationError as error:
        return None, faults_of(error.errors(include_url=False, include_input=False), tree)


def _refusal(faults: list[Fault], name: str) -> StudyError:
    lines = dict.fromkeys(f.sentence(name) for f in sorted(faults, key=lambda fault: fault.line))
    kind = NotYetPossible if any(fault.not_yet for fault in faults) else StudyError
    return kind("\n".join(lines))


def write_template(path: Path, name: str) -> None:
    """A commented study named `name` that passes `read_study`, to be edited.

    Raises:
        Conflict: the file is already there.
        StudyError: `name` cannot name a study, or the folder cannot be written.
    """
    text = _TEMPLATE.read_text(encoding="utf-8").replace("my-study", name, 1)
    parse_study(text, str(path))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Conflict(f"{path} is already there; choose another name or move it away") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be written: {error.strerror}") from None
