"""Which hospitals are asked."""

import pytest

from rapha.hub.routing import route
from rapha.records.metrics import Count
from rapha.records.site import ConceptCoverage, SiteProfile
from rapha.records.study import Study

ALL = ("chol", "hdl", "diabetes")


def profile(site, codes=ALL, modalities=("ehr",)):
    coverage = tuple(ConceptCoverage(system="local", code=code, patients=Count(about=99)) for code in codes)
    return SiteProfile(
        site=site, name=site, modalities=modalities, patients=Count(about=99), coverage=coverage, version="1"
    )


def test_everyone_enrolled_is_asked_in_order_of_names(study_of):
    routed = route(study_of(), ["west", "north"], [profile("north"), profile("west")])
    assert routed.sites == ("north", "west") and routed.refusal is None


def test_only_those_named_are_asked(study_of):
    study = study_of(**{"sites: {at_least: 2}": "sites: {at_least: 1, only: [west, nowhere]}"})
    assert route(study, ["west", "north"], []).sites == ("west",)


def test_a_site_without_the_modality_is_left_out_with_the_reason(study_of):
    routed = route(study_of(at_least=1), ["north", "west"], [profile("north"), profile("west", modalities=())])
    assert (routed.sites, routed.left_out) == (("north",), {"west": "modality-not-offered"})


GRU, HMB, DS = "DUO:0000042", "DUO:0000006", "DUO:0000007"


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        ((GRU,), None),
        ((HMB, "DUO:0000028", "DUO:0000025"), None),
        ((), None),
        (("DUO:0000011",), "purpose-not-allowed"),
        ((DS,), "purpose-not-allowed"),
        ((HMB, "DUO:0000018"), "data-use-not-met"),
        (("DUO:0000018",), "purpose-not-allowed"),
    ],
)
def test_a_site_whose_terms_of_data_use_do_not_fit_is_not_asked(study_of, published, reason):
    west = profile("west").model_copy(update={"data_use": published})
    routed = route(study_of(at_least=1), ["north", "west"], [profile("north"), west])
    assert routed.left_out == ({"west": reason} if reason else {})
    assert ("west" in routed.sites) is (reason is None)


def test_which_diseases_a_site_means_only_the_site_can_say(study_of):
    of_a_disease = study_of(at_least=1)
    purpose = of_a_disease.purpose.model_copy(update={"data_use": (DS,), "diseases": ("MONDO:0005148",)})
    west = profile("west").model_copy(update={"data_use": (DS,)})
    assert route(of_a_disease.model_copy(update={"purpose": purpose}), ["west"], [west]).sites == ("west",)


def test_a_site_that_has_not_said_what_it_has_is_asked(study_of):
    assert route(study_of(), ["north", "west"], [profile("north", codes=())]).sites == ("north", "west")


def test_a_concept_that_nobody_has_is_a_refusal(study_of):
    routed = route(study_of(), ["north", "west"], [profile(site, codes=("chol", "hdl")) for site in ("north", "west")])
    assert (routed.sites, routed.refusal) == ((), "unknown-concept")
    assert routed.detail.startswith("no site lists a code of the concept diabetes")


def test_what_notes_say_may_be_anywhere_and_the_notes_must_be_there(study_of):
    written = study_of().as_json()
    said = {"mention": {"phrases": ["gout"], "notes": ["letter"]}}
    concepts = written["concepts"] | {"said": said, "letter": {"system": "local", "codes": ["letter"]}}
    study = Study.model_validate(written | {"concepts": concepts, "data": {"modalities": ["ehr", "text"]}})
    for codes, refusal in (((*ALL, "letter"), None), (ALL, "unknown-concept")):
        sites = [profile(site, codes, ("ehr", "text")) for site in ("north", "west")]
        assert route(study, ["north", "west"], sites).refusal == refusal


@pytest.mark.parametrize(
    ("system", "refusal"), [("dosage:GRCh38", None), ("variant:GRCh38", None), ("local", "unknown-concept")]
)
def test_who_carries_what_is_in_no_profile_and_may_be_anywhere(study_of, system, refusal):
    written = study_of().as_json()
    concepts = written["concepts"] | {"apoe": {"system": system, "codes": ["19-44908684-T-C"]}}
    study = Study.model_validate(written | {"concepts": concepts, "data": {"modalities": ["ehr", "genomics"]}})
    sites = [profile(site, ALL, ("ehr", "genomics")) for site in ("north", "west")]
    assert route(study, ["north", "west"], sites).refusal == refusal


@pytest.mark.parametrize("enrolled", [[], ["north"]])
def test_too_few_hospitals_are_a_refusal_that_says_how_many(study_of, enrolled):
    routed = route(study_of(at_least=2), enrolled, [])
    assert routed.refusal and routed.detail == f"2 sites are asked for, {len(enrolled)} of this hub can be asked"
