"""An ontology's own file as the site's vocabulary: both forms say the same, and what cannot be meant is refused."""

import json
from pathlib import Path

import pytest

from rapha.errors import SourceError
from rapha.sources.ontology import ingest
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

SECRET = b"a secret of this site: 32 bytes."
OBO = """\
format-version: 1.2
ontology: hp

[Term]
id: HP:0000118
name: Phenotypic abnormality

[Term]
id: HP:0000707
name: Abnormality of the nervous system
is_a: HP:0000118 ! Phenotypic abnormality

[Term]
id: HP:0001250
name: Seizure
alt_id: HP:0002279
is_a: HP:0000707 {source="x"} ! Abnormality of the nervous system
is_a: HP:0012638 ! Abnormal nervous system physiology
relationship: part_of HP:0009999 ! not a kind of it

[Term]
id: HP:0012638
name: Abnormal nervous system physiology
is_a: HP:0000707

[Term]
id: HP:0001303
name: obsolete Seizures
is_obsolete: true
replaced_by: HP:0001250

[Term]
id: HP:0000057
is_obsolete: true

[Term]
id: UBERON:0000955
name: brain

[Typedef]
id: part_of
name: part of
"""
PURL = "http://purl.obolibrary.org/obo/"
ABOVE = {("HP:0001250", above) for above in ("HP:0001250", "HP:0012638", "HP:0000707", "HP:0000118")}


def as_graphs() -> str:
    def node(number: str, label: str | None = None, **meta: object) -> dict[str, object]:
        return {"id": f"{PURL}HP_{number}", "lbl": label, "type": "CLASS", "meta": meta}

    def edge(sub: str, obj: str, pred: str = "is_a") -> dict[str, str]:
        return {"sub": f"{PURL}HP_{sub}", "pred": pred, "obj": f"{PURL}HP_{obj}"}

    alternative = {"pred": "http://www.geneontology.org/formats/oboInOwl#hasAlternativeId", "val": "HP:0002279"}
    replaced = {"pred": f"{PURL}IAO_0100001", "val": f"{PURL}HP_0001250"}
    nodes = [
        node("0000118", "Phenotypic abnormality"), node("0000707", "Abnormality of the nervous system"),
        node("0001250", "Seizure", basicPropertyValues=[alternative]), node("0012638", "Abnormal nervous system physiology"),
        node("0001303", "obsolete Seizures", deprecated=True, basicPropertyValues=[replaced]), node("0000057", deprecated=True),
        {"id": f"{PURL}BFO_0000050", "lbl": "part of", "type": "PROPERTY"},
    ]  # fmt: skip
    edges = [edge("0000707", "0000118"), edge("0001250", "0000707"), edge("0001250", "0012638"), edge("0012638", "0000707"),
             edge("0001250", "0009999", f"{PURL}BFO_0000050")]  # fmt: skip
    return json.dumps({"graphs": [{"nodes": nodes, "edges": edges}]})


def load(folder: Path, text: str, file: str = "hp.obo") -> IngestReport:
    (folder / file).write_text(text)
    mapping = folder / "m.yaml"
    mapping.write_text(f"source: hpo\nformat: ontology\nfile: {file}\nprefix: HP\nsystem: HP\n")
    return ingest(mapping, folder, folder / "timeline", SECRET)


def read(folder: Path, text: str, file: str = "hp.obo") -> Path:
    report = load(folder, text, file)
    assert report.files[0].set_aside == {"is obsolete, and nothing is said to stand for it": 1}
    return folder / "timeline"


@pytest.mark.parametrize(("file", "text"), [("hp.obo", OBO), ("hp.json", as_graphs())])
def test_terms_and_what_lies_below_which(tmp_path: Path, file: str, text: str) -> None:
    with open_timeline(read(tmp_path, text, file)).connect() as connection:
        concepts = connection.execute("SELECT code, standard, maps_to FROM concepts").fetchall()
        pairs = connection.execute("SELECT descendant, ancestor FROM concept_ancestors").fetchall()
    assert {(code, standard, tuple(maps or ())) for code, standard, maps in concepts} == {
        ("HP:0000118", True, ()), ("HP:0000707", True, ()), ("HP:0001250", True, ()), ("HP:0012638", True, ()),
        ("HP:0002279", False, ("HP:0001250",)), ("HP:0001303", False, ("HP:0001250",)),
    }  # fmt: skip
    assert {pair for pair in pairs if pair[0] == "HP:0001250"} == ABOVE
    assert not {pair for pair in pairs if "HP:0009999" in pair}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("hp.obo", OBO.replace("HP:0000118\nname", "HP:0000118\nis_a: HP:0001250\nname"), "goes round"),
        ("hp.obo", "[Term]\nname: nothing\n", "cannot be read as an ontology"),
        ("hp.obo", "no ontology at all\n", "holds no terms"),
        ("hp.json", "[1]", "cannot be read as an ontology"),
        ("hp.json", '{"graphs": [', "cannot be read as an ontology"),
        ("hp.obo", OBO.replace("HP:", "MP:"), "no term that begins with HP"),
    ],
)  # fmt: skip
def test_what_is_no_ontology_is_refused(tmp_path: Path, file: str, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(tmp_path, text, file)


CHAINS = [
    pytest.param("replaced_by: HP:0000707", {"HP:0000001": ("HP:0000707",)}, {}, id="replaced once"),
    pytest.param("replaced_by: HP:0001303", {"HP:0000001": ("HP:0001250",)}, {}, id="replaced by one that was replaced"),
    pytest.param("replaced_by: HP:0001303 {source=\"x\"} ! obsolete Seizures", {"HP:0000001": ("HP:0001250",)}, {},
                 id="with a comment behind it"),
    pytest.param("replaced_by: HP:0002279", {"HP:0000001": ("HP:0001250",)}, {}, id="replaced by a further identifier of another"),
    pytest.param("replaced_by: HP:0001303\nreplaced_by: HP:0000707", {"HP:0000001": ("HP:0000707", "HP:0001250")}, {},
                 id="replaced by two"),
    pytest.param("alt_id: HP:0000002\nreplaced_by: HP:0001303", {"HP:0000001": ("HP:0001250",), "HP:0000002": ("HP:0001250",)}, {},
                 id="a further identifier of an obsolete one"),
    pytest.param("alt_id: HP:0000707\nreplaced_by: HP:0001250", {"HP:0000001": ("HP:0001250",)}, {},
                 id="a term that there is stands for itself alone"),
    pytest.param("replaced_by: HP:0000057", {}, {"is not in the file, or is gone itself": 1}, id="replaced by one that is gone"),
    pytest.param("replaced_by: MONDO:1", {}, {"is not in the file, or is gone itself": 1}, id="replaced by one of elsewhere"),
    pytest.param("replaced_by: HP:0001250\nreplaced_by: MONDO:1", {}, {"is not in the file, or is gone itself": 1},
                 id="half of what it was split into is not all of it"),
    pytest.param("consider: HP:0001250", {}, {"terms to consider": 1}, id="what may be meant is not taken to be"),
    pytest.param("consider: HP:0000707\nreplaced_by: HP:0001250", {"HP:0000001": ("HP:0001250",)}, {}, id="what is meant is said beside"),
]  # fmt: skip
MEANT = {"HP:0001303": ("HP:0001250",), "HP:0002279": ("HP:0001250",)}


def as_graph_of(obo: str) -> str:
    """The same terms as OBO Graphs."""
    predicates = {"alt_id": "http://www.geneontology.org/formats/oboInOwl#hasAlternativeId", "replaced_by": f"{PURL}IAO_0100001",
                  "consider": "http://www.geneontology.org/formats/oboInOwl#consider"}  # fmt: skip
    nodes = []
    for stanza in obo.split("[Term]\n")[1:]:
        lines = [line.partition(": ") for line in stanza.partition("[")[0].splitlines() if line]
        said = [(key, value.partition(" ")[0] if key in predicates else value) for key, _, value in lines]
        values = [{"pred": predicates[key], "val": value} for key, value in said if key in predicates]
        code = next(value for key, value in said if key == "id")
        meta = {"basicPropertyValues": values, "deprecated": ("is_obsolete", "true") in said}
        nodes.append({"id": PURL + code.replace(":", "_"), "type": "CLASS", "meta": meta})
    return json.dumps({"graphs": [{"nodes": nodes, "edges": []}]})


@pytest.mark.parametrize("file", ["hp.obo", "hp.json"])
@pytest.mark.parametrize(("said", "meant", "aside"), CHAINS)
def test_what_a_term_that_is_no_more_stands_for(
    tmp_path: Path, file: str, said: str, meant: dict[str, tuple[str, ...]], aside: dict[str, int]
) -> None:
    text = OBO.replace("[Typedef]", f"[Term]\nid: HP:0000001\nis_obsolete: true\n{said}\n\n[Typedef]")
    report = load(tmp_path, as_graph_of(text) if file == "hp.json" else text, file)
    with open_timeline(tmp_path / "timeline").connect() as connection:
        rows = connection.execute("SELECT code, maps_to FROM concepts WHERE NOT standard").fetchall()
    assert {code: tuple(maps) for code, maps in rows} == MEANT | meant
    others = {reason: number for reason, number in report.files[0].set_aside.items() if "nothing is said" not in reason}
    assert {words: number for words in aside for reason, number in others.items() if words in reason} == aside
    assert len(others) == len(aside)


@pytest.mark.parametrize("file", ["hp.obo", "hp.json"])
def test_terms_that_were_replaced_by_one_another_are_refused(tmp_path: Path, file: str) -> None:
    circle = OBO.replace("is_obsolete: true\n\n", "is_obsolete: true\nreplaced_by: HP:0000009\n\n[Term]\nid: HP:0000009\n"
                         "is_obsolete: true\nreplaced_by: HP:0000057\n\n")  # fmt: skip
    with pytest.raises(SourceError, match=r"HP:00000(57|09) was replaced by a term that was replaced by it"):
        load(tmp_path, as_graph_of(circle) if file == "hp.json" else circle, file)


def test_a_chain_of_a_hundred_thousand_is_followed(tmp_path: Path) -> None:
    chain = "".join(
        f"[Term]\nid: HP:1{at:06}\nis_obsolete: true\nreplaced_by: HP:1{at + 1:06}\n" for at in range(100_000)
    )
    load(tmp_path, f"{OBO}\n{chain}[Term]\nid: HP:1100000\nname: the last\n")
    with open_timeline(tmp_path / "timeline").connect() as connection:
        assert connection.execute("SELECT maps_to FROM concepts WHERE code = 'HP:1000000'").fetchall() == [
            (["HP:1100000"],)
        ]
