"""One patient's variant by two samples: counted once, and of two that differ neither; as the oracle says it too."""

from dataclasses import replace
from pathlib import Path

import oracle
import pytest
from asking import KEY, hold, nobody, of, rule, sees, somebody, study_of
from little_timeline import Event, Person, write_timeline
from test_spec_called import BEFORE, CODED, GENOMICS, INDEX, asked, has, read, uncalled, who
from test_spec_engines_agree import same

from rapha.cohort.engine import count
from rapha.errors import CohortRefused
from rapha.records.study import Study

CODE = "17-120-A-G"
LATER = {"known": "2010-07-01"}
FIRST = {"known": "2009-02-01"}
NAMED = {"build": "GRCh38", "variants": [CODE]}
ANY = {"variant": NAMED}


def counting(concept: dict[str, object], *features: str, **criterion: object) -> dict[str, object]:
    """Parts of a study of such a concept: features by these words; where a criterion is said, of whom it holds."""
    include = {"include": [{"any_of": ["carried"], "during": BEFORE} | criterion]} if criterion else {}
    return {
        "concepts": CODED | {"carried": concept},
        "cohort": {"index": {"first": ["a"]}} | include,
        "features": [{word: "carried", "during": BEFORE} for word in features or ("count", "sum")],
        **GENOMICS,
    }


def coded(system: str) -> dict[str, object]:
    return {"system": f"{system}:GRCh38", "codes": [CODE]}


def copies(number: int, genotype: str, system: str = "variant:GRCh38", **more: object) -> Event:
    """A call of `variant:`, which is negated where there are no copies."""
    polarity = "affirmed" if number else "negated"
    return Event(
        CODE, "2010-01-01", float(number), system=system, genotype=genotype, polarity=polarity, **({"known": "2010-02-01"} | more)
    )  # fmt: skip


once = sees(count_carried_until_ever=1.0, sum_carried_until_ever=1.0)
none = sees(count_carried_until_ever=0.0, sum_carried_until_ever=None)
RULES = [
    rule("a variant that two samples have counts once", [INDEX, has(**FIRST), has()], once, **counting(ANY)),
    rule("so it does by its code", [INDEX, copies(1, "heterozygous", **FIRST), copies(1, "heterozygous")], once,
         **counting(coded("variant"))),
    rule("so do its copies", [INDEX, has(**FIRST), has()], once, **counting(coded("dosage"))),
    rule("and known at one moment", [INDEX, has(), has()], once, **counting(ANY)),
    rule("one variant twice is not two hits", [INDEX, has(**FIRST), has()], nobody, **counting(ANY, at_least=2)),
    rule("two variants by two samples each are two hits", [INDEX, has(**FIRST), has(), has(code="17-130-A-G"), has(code="17-130-A-G")],
         sees(count_carried_until_ever=2.0), **counting({"variant": {"build": "GRCh38", "genes": ["BRCA1"]}}, at_least=2)),
    rule("it is known from when the first knew it", [INDEX, has(**LATER), has()], once, **counting(ANY)),
    rule("two that differ are neither", [INDEX, has(**FIRST), has("homozygous")], none, **counting(ANY)),
    rule("whichever comes first", [INDEX, has(), has("homozygous", **FIRST)], none, **counting(ANY)),
    rule("and at one moment", [INDEX, has(), has("homozygous")], none, **counting(ANY)),
    rule("of a carrier and one without, neither", [INDEX, has("reference", **FIRST), has()], none, **counting(ANY)),
    rule("nor is who differs free of it", [INDEX, has("reference", **FIRST), has()], nobody,
         **counting({"variant": NAMED | {"genotype": ["reference"]}}, at_least=1)),
    rule("nor has copies", [INDEX, has("reference", **FIRST), has()], sees(last_carried_until_ever=None),
         **counting(coded("dosage"), "last")),
    rule("a negated call is one that differs", [INDEX, copies(1, "heterozygous", **FIRST), copies(0, "reference")], none,
         **counting(coded("variant"))),
    rule("a third does not outvote them", [INDEX, has(**FIRST), has("homozygous"), has()], none, **counting(ANY)),
    rule("what differs after the index is not known yet", [INDEX, has(), has("reference", **LATER)], once, **counting(ANY)),
    rule("and what was there before it stays what it was", [INDEX, has("reference"), has(**LATER)], somebody,
         **counting({"variant": NAMED | {"genotype": ["reference"]}}, at_least=1)),
    rule("a withdrawn call differs from none", [INDEX, has(**FIRST), has("homozygous", status="entered-in-error")], once, **counting(ANY)),
    rule("a call of another build is of another variant", [INDEX, has(), has("homozygous", system="dosage:GRCh37")], once,
         **counting(ANY)),
    rule("what is no variant is as often as it happened", [INDEX, Event("b", "2010-01-01", 1.0), Event("b", "2010-01-01", 1.0)],
         sees(count_b_until_ever=2.0), **counting(ANY) | {"features": [{"count": "b", "during": BEFORE}]}),
    rule("who was read, and of whom samples differ, is no carrier and not free: nobody knows",
         [INDEX, read((1, 300)), has("reference", **FIRST), has()], uncalled, **asked()),
    rule("also where the one that carries was known first", [INDEX, read((1, 300)), has(**FIRST), has("reference")], uncalled, **asked()),
    rule("a carrier by two samples is one", [INDEX, has(**FIRST), has()], sees(fate="kept", count_carried_until_ever=1.0), **asked()),
    rule("one by whom they differ and one by whom they do not: a carrier", [INDEX, has(), has("reference"), has(code="17-130-A-G")],
         sees(fate="kept", count_carried_until_ever=1.0), **asked()),
    rule("until they are known to differ, a carrier", [INDEX, has(), has("reference", **LATER)],
         sees(fate="kept", count_carried_until_ever=1.0), **asked()),
    rule("nobody of whom samples differ is free of the gene", [INDEX, read((1, 300)), has("reference", **FIRST), has()], nobody,
         **who("any_of", "reference")),
    rule("two that differ are nobody's index", [INDEX, has(), has("homozygous")], nobody,
         **counting(ANY) | {"cohort": {"index": {"first": ["carried"]}}}),
    rule("one that is known by two is an index", [INDEX, has(), has()], somebody,
         **counting(ANY) | {"cohort": {"index": {"first": ["carried"]}}}),
    rule("where who is free is asked with carriers, two that differ are neither", [INDEX, read((1, 300)), has(), has("homozygous")],
         sees(count_carried_until_ever=0.0), **asked(unknown="keep", genes=["BRCA1"], genotype=["heterozygous", "reference"])),
    rule("also where they are known to differ later than the first was known", [INDEX, has(**FIRST), has("homozygous")],
         sees(count_carried_until_ever=0.0), **asked(unknown="keep", genes=["BRCA1"], genotype=["heterozygous", "reference"])),
]  # fmt: skip


@of(*RULES)
def test_a_variant_of_two_samples(
    tmp_path: Path, events: list[Event], check: object, person: Person, study: Study
) -> None:
    events = [replace(event, id=format(number, "032x")) for number, event in enumerate(events)]
    rows = hold(tmp_path, events, check, person, study)
    assert same(rows, oracle.answer([person], events, study, KEY))


@pytest.mark.parametrize(("differing", "answered"), [(0, True), (1, False)])
@pytest.mark.parametrize(
    "concept",
    [
        ANY,
        coded("dosage"),
        {"variant": NAMED | {"genotype": ["homozygous", "heterozygous", "hemizygous", "reference"]}},
    ],
)
def test_whose_samples_differ_is_none_of_those_who_are_enough_to_be_told_of(
    tmp_path: Path, differing: int, answered: bool, concept: dict[str, object]
) -> None:
    """25 carry it, the least there may be; each by two samples."""
    people, events = [Person(key) for key in range(1, 201)], []
    for person in people:
        genotype = "heterozygous" if person.key <= 25 else "reference"
        events.append(Event("a", "2010-06-01", patient=person.key))
        events += [has(genotype, patient=person.key, **FIRST), has(genotype, patient=person.key)]
        if person.key % 3 == 0:
            events.append(Event("sick", "2011-01-01", patient=person.key))
    events += [has("homozygous", patient=key) for key in range(1, 1 + differing)]
    timeline = write_timeline(tmp_path, people, events)
    study = study_of(privacy={"min_cohort": 25}, **counting(concept, "any"))
    if answered:
        assert count(timeline, study, KEY) == 200
        return
    with pytest.raises(CohortRefused) as refused:
        count(timeline, study, KEY)
    assert refused.value.reason == "unknown-concept"
