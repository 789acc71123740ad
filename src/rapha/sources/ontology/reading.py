"""Terms of an ontology out of its file: OBO 1.4 (`.obo`), or OBO Graphs (`.json`). Of its relations `is_a` alone is read: what is part of
a thing is no kind of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rapha.errors import SourceError
from rapha.strict_json import NotStrict, strict_json

LARGEST_BYTES = 1 << 28
MOST_TERMS = 1_000_000
_PURL = "http://purl.obolibrary.org/obo/"
_REPLACED_BY = f"{_PURL}IAO_0100001"
_ALTERNATIVE = "http://www.geneontology.org/formats/oboInOwl#hasAlternativeId"
_CONSIDER = "http://www.geneontology.org/formats/oboInOwl#consider"


class Term(NamedTuple):
    """One term. `replaced_by`: what an obsolete term was replaced by. `others`: further identifiers of the same. `consider`: what may be
    meant by an obsolete one."""

    code: str
    name: str | None
    parents: tuple[str, ...]
    obsolete: bool = False
    replaced_by: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    consider: tuple[str, ...] = ()


def read_terms(path: Path) -> list[Term]:
    """Raises SourceError: it cannot be read as an ontology."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise SourceError(f"{path.name} is larger than 256 MiB")
        found = _of_graphs(path) if path.suffix == ".json" else _of_obo(path)
        terms = list(found)
    except (OSError, UnicodeDecodeError, NotStrict, AttributeError, KeyError, TypeError):
        raise SourceError(f"{path.name}: cannot be read as an ontology (.obo, or OBO Graphs in .json)") from None
    if not 0 < len(terms) <= MOST_TERMS:
        raise SourceError(f"{path.name}: holds no terms, or more than {MOST_TERMS:,}")
    return terms


def _of_obo(path: Path) -> Iterator[Term]:
    stanza, lines = "", list[tuple[str, str]]()
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("["):
                if stanza == "[Term]":
                    yield _stanza(lines)
                stanza, lines = line.strip(), []
            else:
                key, _, value = line.strip().partition(": ")
                lines.append((key, value))
    if stanza == "[Term]":
        yield _stanza(lines)


def _stanza(lines: list[tuple[str, str]]) -> Term:
    said: dict[str, list[str]] = {}
    for key, value in lines:
        said.setdefault(key, []).append(value)

    def plain(key: str) -> tuple[str, ...]:
        """Without a comment, or what is said of the line."""
        return tuple(value.partition(" ! ")[0].partition(" {")[0].strip() for value in said.get(key, []))

    return Term(
        said["id"][0].strip(), said.get("name", [None])[0], plain("is_a"), "true" in plain("is_obsolete"), plain("replaced_by"),
        plain("alt_id"), plain("consider"),
    )  # fmt: skip


def _of_graphs(path: Path) -> Iterator[Term]:
    graphs = strict_json(path.read_bytes())["graphs"]
    parents: dict[str, list[str]] = {}
    for graph in graphs:
        for edge in graph.get("edges", []):
            if edge["pred"] == "is_a":
                parents.setdefault(edge["sub"], []).append(_code(edge["obj"]))
    for graph in graphs:
        for node in graph.get("nodes", []):
            if node.get("type", "CLASS") == "CLASS" and node["id"].startswith(_PURL):
                yield _node(node, tuple(parents.get(node["id"], [])))


def _node(node: dict[str, Any], parents: tuple[str, ...]) -> Term:
    meta = node.get("meta", {})
    values = [(each.get("pred"), each.get("val")) for each in meta.get("basicPropertyValues", [])]
    replaced, others, consider = (
        tuple(_code(value) for pred, value in values if pred == wanted)
        for wanted in (_REPLACED_BY, _ALTERNATIVE, _CONSIDER)
    )
    return Term(_code(node["id"]), node.get("lbl"), parents, meta.get("deprecated") is True, replaced, others, consider)


def _code(identifier: str) -> str:
    """HP:0001250 of http://purl.obolibrary.org/obo/HP_0001250."""
    return identifier.removeprefix(_PURL).replace("_", ":", 1) if identifier.startswith(_PURL) else identifier
