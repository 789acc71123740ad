"""An ontology's own file as the site's vocabulary: both forms say the same, and what cannot be meant is refused."""

import json
from pathlib import Path

import pytest

from rapha.errors import SourceError
from rapha.sources.ontology import ingest
from rapha.timeline.reader import open_timeline

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


def read(folder: Path, text: str, file: str = "hp.obo") -> Path:
    (folder / file).write_text(text)
    mapping = folder / "m.yaml"
    mapping.write_text(f"source: hpo\nformat: ontology\nfile: {file}\nprefix: HP\nsystem: HP\n")
    report = ingest(mapping, folder, folder / "timeline", SECRET)
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
