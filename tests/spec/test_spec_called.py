"""Carrier, not a carrier, or nobody knows: rules over variants that ask where a sample was called well."""

from pathlib import Path

import oracle
import pytest
from asking import hold, nobody, of, rule, sees, somebody, study_of
from little_timeline import Event, Fact, Person, write_timeline
from test_spec_engines_agree import same

from rapha.cohort.engine import count, freeze
from rapha.errors import CohortRefused
from rapha.records.study import Study

KEY = b"a secret of the site, 32 bytes.."
CODED = {name: {"system": "local", "codes": [name]} for name in ("a", "b", "c", "sick")}
GENOMICS = {"data": {"modalities": ["ehr", "genomics"]}}
BEFORE = {"until": "index"}
INDEX = Event("a", "2010-06-01")
STOP = Fact("BRCA1", ("stop_gained",))
GENE = {"genes": ["BRCA1"]}
"""It lies at 17:100-149 and 17:140-199: a hundred bases, ten of them written twice."""
uncalled = sees(fate="uncalled")
control = sees(fate="kept", label=0)


def read(*stretches: tuple[int, int], place: str = "17", **more: object) -> Event:
    """A sample that was called well there."""
    said = {"system": "called", "known": "2010-02-01", "called": tuple((place, *each) for each in stretches)} | more
    return Event(said.pop("code", "GRCh38"), "2010-01-01", **said)


def has(genotype: str = "heterozygous", code: str = "17-120-A-G", fact: Fact = STOP, **more: object) -> Event:
    copies = {"reference": 0.0, "homozygous": 2.0}.get(genotype, 1.0)
    said = {"system": "dosage:GRCh38", "known": "2010-02-01"} | more
    return Event(code, "2010-01-01", copies, genotype=genotype, facts=(fact,), **said)


def asked(share: float = 0.95, unknown: str = "exclude", **said: object) -> dict[str, object]:
    """Parts of a study that counts such variants, of whoever can be told of."""
    called = {"at_least": share} | ({"unknown": unknown} if unknown != "exclude" else {})
    return {
        "concepts": CODED | {"carried": {"variant": {"build": "GRCh38", "called": called} | (said or GENE)}},
        "features": [{"count": "carried", "during": BEFORE}],
        **GENOMICS,
    }


def who(match: str, *genotype: str, **more: object) -> dict[str, object]:
    """The same of a cohort of whom a criterion holds."""
    parts = asked(**more, **GENE, **({"genotype": list(genotype)} if genotype else {}))
    return parts | {"cohort": {"index": {"first": ["a"]}, "include": [{match: ["carried"], "during": BEFORE}]}}


def since_free() -> dict[str, object]:
    """Of a cohort of whom b was known after they were free of it for the last time."""
    parts = asked(unknown="keep", **GENE, genotype=["reference"])
    known = {"any_of": ["b"], "during": {"from": "last carried", "until": "index"}}
    return parts | {"cohort": {"index": {"first": ["a"]}, "include": [known]}}


RARE = {"genes": ["BRCA1"], "frequency": {"of": "gnomad", "at_most": 0.01}}
RULES = [
    rule("who was read all over the gene and has nothing there is no carrier", [INDEX, read((1, 300))],
         sees(fate="kept", count_carried_until_ever=0.0), **asked()),
    rule("who was never sequenced is set apart", [INDEX], uncalled, **asked()),
    rule("who was read elsewhere is set apart", [INDEX, read((1, 99), (200, 900))], uncalled, **asked()),
    rule("as many bases as the share are enough", [INDEX, read((100, 194))], control, **asked()),
    rule("a base fewer is not", [INDEX, read((100, 193))], uncalled, **asked()),
    rule("gaps count wherever they lie", [INDEX, read((100, 120), (124, 199))], control, **asked()),
    rule("a base of two parts of the gene counts once", [INDEX, read((100, 149))], uncalled, **asked(0.55)),
    rule("who carries one is known to, however little was read", [INDEX, has()],
         sees(fate="kept", count_carried_until_ever=1.0), **asked()),
    rule("who carries another is not known to carry none", [INDEX, has(fact=Fact("BRCA1", ("synonymous_variant",)))], uncalled,
         **asked(genes=["BRCA1"], consequences=["stop_gained"])),
    rule("the reference at one place says nothing of the gene", [INDEX, has("reference")], uncalled, **asked()),
    rule("a sample of which nothing is known yet", [INDEX, read((1, 300), known="2010-07-01")], uncalled, **asked()),
    rule("a carrier of whom it is not known yet", [INDEX, has(known="2010-07-01")], uncalled, **asked()),
    rule("two samples are not put together", [INDEX, read((100, 150)), read((151, 199))], uncalled, **asked()),
    rule("a sample that was withdrawn counts for nothing", [INDEX, read((1, 300), status="entered-in-error")], uncalled, **asked()),
    rule("what was called against another build is elsewhere", [INDEX, read((1, 300), code="GRCh37")], uncalled, **asked()),
    rule("another chromosome is elsewhere", [INDEX, read((1, 300), place="7")], uncalled, **asked()),
    rule("a region of the study's own", [INDEX, read((100, 150))], control, **asked(regions=["17:100-125", "17:120-150"])),
    rule("all of the regions are asked", [INDEX, read((100, 150))], uncalled, **asked(regions=["17:100-150", "17:400-450"])),
    rule("a gene that lies nowhere here was read in nobody", [INDEX, read((1, 300))], uncalled, **asked(genes=["BRCA1", "TP53"])),
    rule("a gene by its identifier", [INDEX, read((1, 300))], control, **asked(genes=["ENSG1"])),
    rule("where it lies by the file of the study", [INDEX, read((1, 300))], control,
         **asked(genes=["BRCA1"], coordinates="sha256:" + "ab" * 32)),
    rule("by another file it lies nowhere here", [INDEX, read((1, 300))], uncalled,
         **asked(genes=["BRCA1"], coordinates="sha256:" + "cd" * 32)),
    rule("one copy is not two, where two are asked", [INDEX, has()], uncalled, **asked(genes=["BRCA1"], genotype=["homozygous"])),
    rule("none of them, and known to be", [INDEX, read((1, 300))], control, **who("none_of")),
    rule("none of them, and nobody knows", [INDEX], uncalled, **who("none_of")),
    rule("free of it is who was read", [INDEX, read((1, 300))], sees(fate="kept", count_carried_until_ever=1.0),
         **who("any_of", "reference")),
    rule("free of it is not who was not read", [INDEX, read((100, 120))], nobody, **who("any_of", "reference")),
    rule("free of it is not who has the reference at one place of it", [INDEX, has("reference")], nobody, **who("any_of", "reference")),
    rule("free of it is not who carries one", [INDEX, read((1, 300)), has()], nobody, **who("any_of", "reference")),
    rule("nor who is known to carry one by the index, and was not when read", [INDEX, read((1, 300)), has(known="2010-05-01")], nobody,
         **who("any_of", "reference")),
    rule("what is known after the index changes nothing", [INDEX, read((1, 300)), has(known="2010-07-01")], somebody,
         **who("any_of", "reference")),
    rule("and free of it is then nobody's last moment", [INDEX, read((1, 300)), has(known="2010-05-01"), Event("b", "2010-04-01")],
         nobody, **since_free()),
    rule("who has a variant there that was never annotated is not known to be free", [INDEX, read((1, 300)), has(fact=Fact())], uncalled,
         **asked()),
    rule("nor by the consequences in a region", [INDEX, read((1, 300)), has(fact=Fact())], uncalled,
         **asked(regions=["17:100-199"], consequences=["stop_gained"])),
    rule("nor is it free of it", [INDEX, read((1, 300)), has(fact=Fact())], nobody, **who("any_of", "reference")),
    rule("from when that variant was known", [INDEX, read((1, 300)), has(fact=Fact(), known="2010-07-01")], control, **asked()),
    rule("one elsewhere says nothing of the gene", [INDEX, read((1, 300)), has(fact=Fact(), code="17-200-A-G")], control, **asked()),
    rule("nor does one had as is not asked", [INDEX, read((1, 300)), has(fact=Fact())], control,
         **asked(genes=["BRCA1"], genotype=["homozygous"])),
    rule("nor the reference of it", [INDEX, read((1, 300)), has("reference", fact=Fact())], control, **asked()),
    rule("nor one that is of another gene by its annotation", [INDEX, read((1, 300)), has(fact=Fact("NBR2", ("stop_gained",)))], control,
         **asked()),
    rule("a gene without consequences does not tell them", [INDEX, read((1, 300)), has(fact=Fact("BRCA1"))], uncalled,
         **asked(genes=["BRCA1"], consequences=["stop_gained"])),
    rule("other consequences do", [INDEX, read((1, 300)), has(fact=Fact("BRCA1", ("synonymous_variant",)))], control,
         **asked(genes=["BRCA1"], consequences=["stop_gained"])),
    rule("who has one that was never looked up is not known to be free", [INDEX, read((1, 300)), has()], uncalled, **asked(**RARE)),
    rule("one that is common is no carrier's", [INDEX, read((1, 300)), has(fact=Fact("BRCA1", ("stop_gained",), "gnomad", 0.2))], control,
         **asked(**RARE)),
    rule("where a gene lies by a file, nobody need say that a variant is in it", [INDEX, read((1, 300)), has(fact=Fact())], uncalled,
         **asked(genes=["BRCA1"], coordinates="sha256:" + "ab" * 32)),
    rule("who carries one stays in where nobody asks for more", [INDEX, has()], control, **asked(genes=["BRCA1"], genotype=["reference"])),
    rule("nobody knows, and the study keeps them", [INDEX], sees(fate="kept", count_carried_until_ever=0.0),
         **asked(unknown="keep", genes=["BRCA1"], genotype=["reference"])),
]  # fmt: skip


@of(*RULES)
def test_who_is_a_carrier_who_is_not_and_of_whom_nobody_knows(
    tmp_path: Path, events: list[Event], check: object, person: Person, study: Study
) -> None:
    rows = hold(tmp_path, events, check, person, study)
    assert same(rows, oracle.answer([person], events, study, KEY))


def town(carriers: int, free: int, patients: int = 200) -> tuple[list[Person], list[Event]]:
    """So many carry it, so many are known not to; the others were not read. Every third is sick later."""
    people, events = [Person(key) for key in range(1, patients + 1)], []
    for person in people:
        events.append(Event("a", "2010-06-01", patient=person.key))
        if person.key <= carriers:
            events.append(has(patient=person.key))
        events.append(read(*([(1, 300)] if person.key <= carriers + free else [(1, 120)]), patient=person.key))
        if person.key % 3 == 0:
            events.append(Event("sick", "2011-01-01", patient=person.key))
    return people, events


def test_of_whom_nobody_knows_is_counted_and_never_trained_on(tmp_path: Path) -> None:
    study = study_of(privacy={"min_cohort": 25}, **asked())
    frozen = freeze(write_timeline(tmp_path, *town(40, 100)), study, KEY, tmp_path)
    assert (frozen.patients, frozen.set_apart) == (140, {"competing": 0, "unobserved": 0, "uncalled": 60})


@pytest.mark.parametrize(
    ("carriers", "free", "answered"), [(24, 150, False), (25, 150, True), (150, 25, True), (150, 24, False)]
)
@pytest.mark.parametrize("genotype", [{}, {"genotype": ["reference"]}])
def test_few_carriers_or_few_who_are_free_of_it_find_nobody(
    tmp_path: Path, carriers: int, free: int, answered: bool, genotype: dict[str, object]
) -> None:
    study = study_of(privacy={"min_cohort": 25}, **asked(**GENE, **genotype))
    timeline = write_timeline(tmp_path, *town(carriers, free))
    if answered:
        assert count(timeline, study, KEY) == carriers + free
        return
    with pytest.raises(CohortRefused) as refused:
        count(timeline, study, KEY)
    assert refused.value.reason == "unknown-concept"


@pytest.mark.parametrize(("free", "answered"), [(25, True), (2, False)])
def test_few_who_are_free_of_it_find_nobody_where_carriers_of_one_copy_are_asked_too(
    tmp_path: Path, free: int, answered: bool
) -> None:
    mixed = asked(unknown="keep", **GENE, genotype=["reference", "heterozygous"])
    without = {"any_of": ["carried"], "during": BEFORE, "value": {"at_most": 0, "unit": "any"}}
    study = study_of(
        privacy={"min_cohort": 25}, **mixed | {"cohort": {"index": {"first": ["a"]}, "include": [without]}}
    )
    timeline = write_timeline(tmp_path, *town(150, free))
    with pytest.raises(CohortRefused) as refused:
        count(timeline, study, KEY)
    assert refused.value.reason == ("cohort-too-small" if answered else "unknown-concept")
