"""The engine and the oracle agree on who carries what."""

import tempfile
from pathlib import Path

import oracle
from asking import KEY, ask, can_be_met, study_of
from hypothesis import assume, given
from hypothesis import strategies as st
from little_timeline import Event, Fact, write_timeline
from test_spec_engines_agree import AGREE, anywhere, past, same, timelines

from rapha.cohort.engine import freeze
from rapha.errors import CohortRefused

CODED = {name: {"system": "local", "codes": [name]} for name in ("a", "b", "c", "sick")}
ALL = ["a", "b", "c", "sick", "one", "two"]
FILE = "sha256:" + "ab" * 32
KNOWN = {
    "17-100-A-G": (Fact("BRCA1", ("stop_gained",), "gnomad", None, "ENSG1"), Fact("NBR2", ("upstream_gene_variant",), "gnomad")),
    "17-150-CTT-A": (Fact("BRCA1", ("inframe_deletion",), "gnomad", 0.01), Fact("BRCA1", coordinates=FILE)),
    "X-100-A-G": (Fact("NBR2", ("missense_variant", "splice_region_variant")),),
    "7-100-A-G": (Fact(),),
    "17-120-C-T": (Fact(),),
    "17-155-G-A": (Fact("BRCA1", population="gnomad"), Fact("NBR2", ("missense_variant",), "gnomad")),
}  # fmt: skip
some = st.lists(st.sampled_from(ALL), min_size=1, max_size=3, unique=True)


def listed(*words: str, least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(words), min_size=least, max_size=2, unique=True)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, object]:
    said: dict[str, object] = {"build": draw(st.sampled_from(["GRCh38", "GRCh38", "GRCh37"]))}
    which = draw(st.sampled_from(["variants", "regions", "genes", "genes and regions"]))
    if which == "variants":
        said["variants"] = draw(listed(*KNOWN, least=1))
        if draw(st.booleans()):
            return {"variant": said | {"genotype": draw(listed("reference", "heterozygous", least=1))}}
    if "regions" in which:
        said["regions"] = draw(listed("17:100-149", "17:152-200", "X:1-100", "7:1-1000", least=1))
    if "genes" in which:
        said["genes"] = draw(listed("BRCA1", "NBR2", "ENSG1", least=1))
    said |= draw(st.sampled_from(
        [{}, {}, {"consequences": ["nonsynonymous_variant"]}, {"consequences": ["inframe_indel", "intergenic_variant"]},
         {"as_severe_as": "inframe_deletion"}]
    ))  # fmt: skip
    if "genes" in said and len(said) == len({"build", *which.split(" and ")}) and draw(st.booleans()):
        said["coordinates"] = FILE
    said |= draw(
        st.sampled_from(
            [{}, {"frequency": {"of": "gnomad", "at_most": 0}}, {"frequency": {"of": "gnomad", "at_most": 0.05}}]
        )
    )
    if "variants" not in said and bool(said.get("regions")) != bool(said.get("genes")) and draw(st.integers(0, 3)):
        share = draw(st.sampled_from([0.25, 0.5, 1]))
        unknown = draw(st.sampled_from(["exclude", "exclude", "keep"]))
        free = [["reference"], ["homozygous", "reference"], ["heterozygous", "homozygous", "hemizygous", "reference"]]
        had = st.sampled_from([None, ["homozygous", "hemizygous"], *free] if unknown == "exclude" else free)
        said["called"] = {"at_least": share} | ({} if unknown == "exclude" else {"unknown": "keep"})
        return {"variant": said | {key: each for key, each in {"genotype": draw(had)}.items() if each}}
    return {"variant": said | draw(st.sampled_from([{}, {"genotype": ["homozygous", "hemizygous"]}]))}


READ = (("17", 90, 149), ("17", 151, 160), ("17", 162, 230), ("X", 40, 120), ("X", 130, 160), ("7", 1, 900))


criteria = st.builds(
    lambda word, of, during: {word: of, "during": during},
    st.sampled_from(["any_of", "all_of", "none_of"]),
    some,
    anywhere,
)
counted = st.builds(lambda of, during: {"any_of": of, "during": during, "at_least": 2}, some, anywhere)
features = st.builds(
    lambda word, of, during: {word: of, "during": during},
    st.sampled_from(["any", "count", "sum", "since"]),
    st.sampled_from(ALL),
    past,
)


def free_of(concept: dict[str, object] | None) -> bool:
    """Whether a concept sets nobody apart, and may be an index or an outcome."""
    called = concept["variant"].get("called") if concept else None
    return called is None or called.get("unknown") == "keep"


@st.composite
def studies(draw: st.DrawFn) -> object:
    ruled = {"one": draw(rules()), "two": draw(rules())}
    index = st.lists(
        st.sampled_from([name for name in ALL if free_of(ruled.get(name))]), min_size=1, max_size=3, unique=True
    )
    include, exclude = draw(st.lists(criteria | counted, max_size=2)), draw(st.lists(criteria, max_size=1))
    assume(can_be_met(include, exclude))
    study = study_of(
        data={"modalities": ["ehr", "genomics"]},
        concepts=CODED | ruled,
        cohort={
            "index": {draw(st.sampled_from(["first", "last", "every"])): draw(index)},
            "encounter": ["a"],
            "include": include,
            "exclude": exclude,
        },
        outcome={
            "event": draw(st.sampled_from(["sick", *(name for name, of in ruled.items() if free_of(of))])),
            "during": {"from": "index", "for": "3 years"},
            "unobserved": "exclude",
        },
        features=draw(st.lists(features, min_size=1, max_size=3, unique_by=repr)),
    )
    fewer = study.privacy.model_copy(update={"min_cohort": 2})  # than any study may have: five people are asked
    return study.model_copy(update={"privacy": fewer})


@st.composite
def called(draw: st.DrawFn) -> object:
    """A generated timeline of which some events are calls."""
    people, events = draw(timelines())
    changed = []
    for number, event in enumerate(events):
        new = {"id": f"{number:032x}"}
        if event.code in ("b", "c") and not draw(st.integers(0, 2)):
            read = draw(st.lists(st.sampled_from(READ), max_size=6, unique=True))
            new |= {"code": draw(st.sampled_from(["GRCh38"] * 5 + ["GRCh37"])), "system": "called", "called": tuple(read), "value": None,
                    "canonical": None, "unit": None, "ucum": None, "comparator": None}  # fmt: skip
        elif event.code in ("b", "c") and draw(st.integers(0, 3)):
            code = draw(st.sampled_from(list(KNOWN)))
            genotype, copies = draw(st.sampled_from(
                [("reference", 0.0), ("heterozygous", 1.0), ("homozygous", 2.0), ("hemizygous", 1.0)]
            ))  # fmt: skip
            new |= {"code": code, "facts": KNOWN[code], "genotype": genotype, "value": copies, "canonical": None, "unit": None,
                    "ucum": None, "comparator": None, "system": draw(st.sampled_from(["dosage:GRCh38"] * 4 + ["dosage:GRCh37"]))}  # fmt: skip
        changed.append(Event(**{**vars(event), **new}))
    return people, changed


@AGREE
@given(studies(), called())
def test_engine_and_oracle_agree_on_who_carries_what(study, timeline):
    people, events = timeline
    with tempfile.TemporaryDirectory() as folder:
        asked = ask(Path(folder), study, people, events)
    expected = oracle.answer(people, events, study, KEY)
    assert same(asked, expected), f"\nengine {asked}\noracle {expected}"


@AGREE
@given(studies(), called())
def test_engine_and_oracle_refuse_alike_for_variants(study, timeline):
    people, events = timeline
    with tempfile.TemporaryDirectory() as folder:
        written = write_timeline(Path(folder), people, events)
        try:
            freeze(written, study, KEY, Path(folder))
            reason = None
        except CohortRefused as refused:
            reason = refused.reason
    expected = oracle.refusal(people, events, study)
    assert reason == expected or (expected is None and reason in ("cohort-empty", "cohort-too-small"))
