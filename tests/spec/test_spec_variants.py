"""Who carries what, as events: by name, region, gene, consequence, how common it is, and how many copies there are."""

from pathlib import Path

import pytest
from asking import hold, nobody, of, rule, sees, somebody, study_of
from little_timeline import Event, Fact, Person, write_timeline

from rapha.cohort.engine import count, freeze
from rapha.errors import CohortRefused
from rapha.records.study import Study
from rapha.timeline.reader import Timeline

KEY = b"a secret of the site, 32 bytes.."
CODED = {name: {"system": "local", "codes": [name]} for name in ("a", "b", "c", "sick")}
GENOMICS = {"data": {"modalities": ["ehr", "genomics"]}}
BEFORE = {"until": "index"}
INDEX = Event("a", "2010-06-01")
FILE = "sha256:" + "ab" * 32
STOP = Fact("BRCA1", ("stop_gained",), "gnomad", None, "ENSG00000012048")
MISSENSE = Fact("BRCA1", ("missense_variant", "splice_region_variant"), "gnomad", 0.01)
LOF = {"genes": ["BRCA1"], "consequences": ["stop_gained", "frameshift_variant", "splice_site_variant"]}


def who_has(match: str = "any_of", more: dict[str, object] | None = None, **said: object) -> dict[str, object]:
    """Parts of a study of those who have such a variant, known before the index."""
    return {
        "concepts": CODED | {"carried": {"variant": {"build": "GRCh38"} | said}},
        "cohort": {"index": {"first": ["a"]}, "include": [{match: ["carried"], "during": BEFORE, **(more or {})}]},
        "features": [{"count": "carried", "during": BEFORE}, {"sum": "carried", "during": BEFORE}],
        **GENOMICS,
    }


def has(code: str = "17-100-A-G", genotype: str = "heterozygous", *facts: Fact, **more: object) -> Event:
    copies = {"reference": 0.0, "homozygous": 2.0}.get(genotype, 1.0)
    said = {"system": "dosage:GRCh38", "known": "2010-02-01"} | more
    return Event(code, "2010-01-01", copies, genotype=genotype, facts=facts or (Fact(),), **said)


RULES = [
    rule("a variant in the region is carried", [INDEX, has()], somebody, **who_has(regions=["17:100-200"])),
    rule("a region ends where it says", [INDEX, has("17-201-A-G")], nobody, **who_has(regions=["17:100-200"])),
    rule("a region is of its chromosome", [INDEX, has("7-100-A-G")], nobody, **who_has(regions=["17:100-200"])),
    rule("a deletion that reaches into the region is in it", [INDEX, has("17-98-ACG-T")], somebody,
         **who_has(regions=["17:100-200"])),
    rule("a position of another build is another place", [INDEX, has(system="dosage:GRCh37")], nobody,
         **who_has(regions=["17:100-200"])),
    rule("what is known of a position is of its build", [INDEX, has("17-100-A-G", "heterozygous", STOP, system="dosage:GRCh37"), has()],
         nobody, **who_has(**LOF)),
    rule("who has the reference carries nothing", [INDEX, has(genotype="reference")], nobody, **who_has(regions=["17:1-200"])),
    rule("without a call nothing is known: not a carrier", [INDEX], nobody, **who_has(variants=["17-100-A-G"])),
    rule("without a call nothing is known: not free of it either", [INDEX], nobody,
         **who_has(variants=["17-100-A-G"], genotype=["reference"])),
    rule("free of a variant is who was looked at and has the reference", [INDEX, has(genotype="reference")], somebody,
         **who_has(variants=["17-100-A-G"], genotype=["reference"])),
    rule("none of them is also who was never looked at", [INDEX], somebody, **who_has("none_of", variants=["17-100-A-G"])),
    rule("one copy is not two", [INDEX, has()], nobody, **who_has(regions=["17:1-200"], genotype=["homozygous"])),
    rule("the only copy is hemizygous", [INDEX, has("X-100-A-G", "hemizygous")], somebody,
         **who_has(regions=["X:1-200"], genotype=["hemizygous"])),
    rule("a stop in the gene is one of its losses of function", [INDEX, has("17-100-A-G", "heterozygous", STOP)], somebody,
         **who_has(**LOF)),
    rule("a missense variant is no loss of function", [INDEX, has("17-100-A-G", "heterozygous", MISSENSE)], nobody, **who_has(**LOF)),
    rule("what lies below a consequence is one", [INDEX, has("17-100-A-G", "heterozygous", Fact("BRCA1", ("splice_donor_variant",)))],
         somebody, **who_has(**LOF)),
    rule("gene and consequence are of one transcript", [INDEX, has("17-100-A-G", "heterozygous",
         Fact("BRCA1", ("upstream_gene_variant",)), Fact("NBR2", ("stop_gained",)))], nobody, **who_has(**LOF)),
    rule("as severe or more severe", [INDEX, has("17-100-A-G", "heterozygous", STOP)], somebody,
         **who_has(genes=["BRCA1"], as_severe_as="missense_variant")),
    rule("less severe is not enough", [INDEX, has("17-100-A-G", "heterozygous", Fact("BRCA1", ("synonymous_variant",)))], nobody,
         **who_has(genes=["BRCA1"], as_severe_as="missense_variant")),
    rule("a gene by its identifier", [INDEX, has("17-100-A-G", "heterozygous", STOP)], somebody, **who_has(genes=["ENSG00000012048"])),
    rule("a gene is spelt as the annotation spells it", [INDEX, has("17-100-A-G", "heterozygous", STOP)], nobody, **who_has(genes=["brca1"])),
    rule("not in gnomAD is not seen there", [INDEX, has("17-100-A-G", "heterozygous", STOP)], somebody,
         **who_has(**LOF, frequency={"of": "gnomad", "at_most": 0})),
    rule("seen in gnomAD is not absent from it", [INDEX, has("17-100-A-G", "heterozygous", MISSENSE)], nobody,
         **who_has(genes=["BRCA1"], frequency={"of": "gnomad", "at_most": 0})),
    rule("never looked up is not absent", [INDEX, has("17-100-A-G", "heterozygous", Fact("BRCA1", ("stop_gained",)))], nobody,
         **who_has(**LOF, frequency={"of": "gnomad", "at_most": 0.1})),
    rule("by a file of genes only what that file says", [INDEX, has("17-100-A-G", "heterozygous", Fact("BRCA1", coordinates=FILE))],
         somebody, **who_has(genes=["BRCA1"], coordinates=FILE)),
    rule("by another file of genes nothing", [INDEX, has("17-100-A-G", "heterozygous", Fact("BRCA1", coordinates=FILE))], nobody,
         **who_has(genes=["BRCA1"], coordinates="sha256:" + "cd" * 32)),
    rule("without a file the annotation says which gene", [INDEX, has("17-100-A-G", "heterozygous", Fact("BRCA1", coordinates=FILE))],
         nobody, **who_has(genes=["BRCA1"])),
    rule("two hits are two variants of the gene", [INDEX, has("17-100-A-G", "heterozygous", STOP), has("17-150-C-T", "heterozygous", STOP)],
         sees(count_carried_until_ever=2.0, sum_carried_until_ever=2.0), **who_has(more={"at_least": 2}, **LOF)),
    rule("one hit is not two", [INDEX, has("17-100-A-G", "heterozygous", STOP)], nobody, **who_has(more={"at_least": 2}, **LOF)),
    rule("a burden counts variants and sums copies", [INDEX, has("17-100-A-G", "homozygous", STOP), has("17-150-C-T", "heterozygous", STOP)],
         sees(count_carried_until_ever=2.0, sum_carried_until_ever=3.0), **who_has(**LOF)),
    rule("a variant at two transcripts is one event", [INDEX, has("17-100-A-G", "heterozygous", STOP, MISSENSE)],
         sees(count_carried_until_ever=1.0), **who_has(genes=["BRCA1"])),
    rule("a result that comes after the index is not known yet", [INDEX, has(known="2010-07-01")], nobody, **who_has(regions=["17:1-200"])),
]  # fmt: skip


@of(*RULES)
def test_who_carries_what(tmp_path: Path, events: list[Event], check: object, person: Person, study: Study) -> None:
    hold(tmp_path, events, check, person, study)


def town(carriers: int, patients: int = 200) -> tuple[list[Person], list[Event]]:
    """So many of them carry it; of the others it is known that they do not; every third is sick later."""
    people = [Person(key) for key in range(1, patients + 1)]
    events = []
    for person in people:
        events.append(Event("a", "2010-06-01", patient=person.key))
        genotype = "heterozygous" if person.key <= carriers else "reference"
        events.append(has("17-100-A-G", genotype, STOP, patient=person.key))
        if person.key % 3 == 0:
            events.append(Event("sick", "2011-01-01", patient=person.key))
    return people, events


CARRIED = {"variant": {"build": "GRCh38", **LOF}}
BY_COPIES = {"system": "dosage:GRCh38", "codes": ["17-100-A-G"]}
NAMED = {"build": "GRCh38", "variants": ["17-100-A-G"]}
FREE = {"variant": NAMED | {"genotype": ["reference"]}}
LOOKED_AT = {"variant": NAMED | {"genotype": ["heterozygous", "homozygous", "hemizygous", "reference"]}}


@pytest.fixture(scope="module")
def few_carry(tmp_path_factory: pytest.TempPathFactory) -> list[Timeline]:
    """Towns where nobody carries it, one does, and one fewer than are asked for."""
    return [write_timeline(tmp_path_factory.mktemp("town"), *town(number)) for number in (0, 1, 24)]


@pytest.mark.parametrize("concept", [CARRIED, BY_COPIES, FREE, LOOKED_AT])
@pytest.mark.parametrize("word", ["feature", "include", "exclude"])
def test_a_variant_that_few_carry_finds_nobody(
    tmp_path: Path, few_carry: list[Timeline], concept: dict[str, object], word: str
) -> None:
    """Whoever has a rare variant is known by it. Whether anybody has it is not told apart from whether a few have."""
    asked = {"any_of": ["carried"], "during": BEFORE}
    study = study_of(
        concepts=CODED | {"carried": concept},
        cohort={"index": {"first": ["a"]}} | ({word: [asked]} if word != "feature" else {}),
        features=[{"any" if word == "feature" else "count": "carried" if word == "feature" else "a", "during": BEFORE}],
        privacy={"min_cohort": 25},
        **GENOMICS,
    )
    said = set()
    for timeline in few_carry:
        for ask in (lambda t=timeline: freeze(t, study, KEY, tmp_path), lambda t=timeline: count(t, study, KEY)):
            with pytest.raises(CohortRefused) as refused:
                ask()
            said.add((refused.value.reason, str(refused.value)))
    assert len(said) == 1 and next(iter(said))[0] == "unknown-concept"


@pytest.mark.parametrize(("carriers", "answered"), [(24, False), (25, True), (175, True), (176, False)])
def test_who_is_free_of_a_variant_is_told_where_enough_are_and_enough_are_not(
    tmp_path: Path, carriers: int, answered: bool
) -> None:
    study = study_of(
        concepts=CODED | {"carried": FREE}, features=[{"any": "carried", "during": BEFORE}], privacy={"min_cohort": 25}, **GENOMICS
    )  # fmt: skip
    timeline = write_timeline(tmp_path, *town(carriers))
    if answered:
        assert freeze(timeline, study, KEY, tmp_path).rows == 200
        return
    with pytest.raises(CohortRefused) as refused:
        freeze(timeline, study, KEY, tmp_path)
    assert refused.value.reason == "unknown-concept"


def test_a_variant_that_enough_carry_is_a_feature(tmp_path: Path) -> None:
    study = study_of(
        concepts=CODED | {"carried": CARRIED}, features=[{"sum": "carried", "during": BEFORE}], privacy={"min_cohort": 25}, **GENOMICS
    )  # fmt: skip
    assert freeze(write_timeline(tmp_path, *town(25)), study, KEY, tmp_path).rows == 200
