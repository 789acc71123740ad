"""Which variants a study may mean, what it is told when it may not, and what lies below what."""

import pytest
from pydantic import ValidationError

from rapha.records.concept import Concept
from rapha.records.consequence import BY_SEVERITY, as_severe_as, with_all_below
from rapha.records.study import Study
from rapha.records.variant_rule import VariantRule

CODED = {name: {"system": "local", "codes": [name]} for name in ("a", "sick")}


def study(rule=None, **parts):
    whole = {
        "study": "genes",
        "purpose": {"sentence": "Say what may be asked of variants.", "data_use": ["DUO:0000006"]},
        "data": {"modalities": ["ehr", "genomics"]},
        "concepts": CODED | {"lof": {"variant": {"build": "GRCh38", "genes": ["BRCA1"]} | (rule or {})}},
        "cohort": {"index": {"first": ["a"]}, "include": [{"any_of": ["lof"], "during": {"until": "index"}}]},
        "outcome": {"event": "sick", "during": {"from": "index", "for": "1 year"}, "unobserved": "exclude"},
        "features": [{"sum": "lof", "during": {"until": "index"}}],
        "model": {"architecture": "logistic"},
    }
    return Study.model_validate(whole | parts)


@pytest.mark.parametrize("system", ["variant:GRCh38", "dosage:GRCh38"])
def test_codes_of_variants_are_mixed_with_no_others(system):
    """Whoever has the other code would hide how few carry the variant."""
    of_variants, other = {"system": system, "codes": ["17-100-A-G"]}, {"system": "local", "codes": ["b"]}
    assert study(concepts=CODED | {"lof": {"any_of": [of_variants, of_variants | {"system": "dosage:GRCh37"}]}})
    with pytest.raises(ValidationError, match=r"concepts\.lof: codes of variants stand by themselves"):
        study(concepts=CODED | {"lof": {"any_of": [of_variants, other]}})


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("splice_donor_region_variant", "splice_region_variant"),
        ("splice_polypyrimidine_tract_variant", "splicing_variant"),
        ("conservative_inframe_insertion", "feature_elongation"),
        ("TFBS_ablation", "regulatory_region_ablation"),
        ("TFBS_amplification", "regulatory_region_amplification"),
    ],
)
def test_what_lies_below_what_in_the_ontology(below, above):
    assert below in with_all_below([above])


def test_signed_is_what_is_said_and_nothing_else():
    assert study().as_json()["concepts"]["lof"] == {"variant": {"build": "GRCh38", "genes": ["BRCA1"]}}
    assert Study.from_bytes(study().as_bytes()) == study()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"consequences": ["stop_gained"]}, "say which"),
        ({"genes": ["A", "A"]}, "lists something twice"),
        ({"regions": ["17:200-100"]}, "ends before it begins"),
        ({"genes": ["A"], "consequences": ["stop_gained"], "as_severe_as": "stop_gained"}, "not both"),
        ({"genes": ["A"], "consequences": ["stop_gain"]}, "consequences"),
        ({"regions": ["17:1-2"], "coordinates": "sha256:" + "0" * 64}, "where `genes` lie"),
        (
            {"genes": ["A"], "consequences": ["stop_gained"], "coordinates": "sha256:" + "0" * 64},
            "leave `coordinates` out",
        ),
        ({"genes": ["A"], "genotype": ["reference"]}, "no evidence"),
        ({"variants": ["1-5-A-G"], "regions": ["1:1-9"], "genotype": ["reference"]}, "no evidence"),
        ({"variants": ["1-5-AG-AT"]}, "fewest bases"),
        ({"genes": ["A' OR 1=1"]}, "genes"),
        ({"genes": ["A"], "called": {"at_least": 0}}, "greater than 0"),
        ({"genes": ["A"], "called": {"at_least": 1.1}}, "less than or equal to 1"),
        ({"variants": ["1-5-A-G"], "called": {"at_least": 0.9}}, "`called` is of the bases"),
        ({"genes": ["A"], "regions": ["1:1-9"], "called": {"at_least": 0.9}}, "`called` is of the bases"),
        ({"genes": ["A"], "called": {"at_least": 0.9, "unknown": "keep"}}, "say `reference`"),
        ({"genes": ["A"], "frequency": {"of": "gnomad", "at_most": 1.5}}, "frequency"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule, message):
    with pytest.raises(ValidationError, match=message):
        VariantRule.model_validate({"build": "GRCh38"} | rule)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"data": {"modalities": ["ehr"]}}, "of the modality `genomics`"),
        ({"cohort": {"index": {"first": ["a"]}, "encounter": ["lof"]}}, "no stay"),
        ({"cohort": {"index": {"first": ["lof"], "at": "end"}}}, "no end"),
    ],
)
def test_a_variant_is_used_as_what_it_is(parts, message):
    with pytest.raises(ValidationError, match=message):
        study(**parts)


@pytest.mark.parametrize(
    "parts",
    [
        {"cohort": {"index": {"first": ["lof"]}}},
        {"outcome": {"event": "lof", "during": {"from": "index", "for": "1 year"}, "unobserved": "exclude"}},
        {
            "outcome": {
                "event": "sick",
                "during": {"from": "index", "for": "1 year"},
                "unobserved": "exclude",
                "competing": "lof",
            }
        },
    ],
)
def test_what_is_known_at_the_index_decides_neither_when_it_is_nor_what_comes_after(parts):
    with pytest.raises(ValidationError, match="sets apart of whom nothing is known at the index"):
        study({"called": {"at_least": 0.9}}, **parts)
    assert study({"called": {"at_least": 0.9, "unknown": "keep"}, "genotype": ["reference"]}, **parts)


def test_what_is_left_out_is_not_signed_and_means_to_exclude():
    said = study({"called": {"at_least": 0.9}}).as_json()["concepts"]["lof"]["variant"]
    assert set(said["called"]) == {"at_least"}
    assert study({"called": {"at_least": 0.9, "unknown": "exclude"}}) == study({"called": {"at_least": 0.9}})


@pytest.mark.parametrize("more", [{"system": "local", "codes": ["a"]}, {"unit": "mg"}])
def test_a_rule_has_no_codes_and_no_unit(more):
    with pytest.raises(ValidationError, match="a `variant` is a rule"):
        Concept.model_validate({"variant": {"build": "GRCh38", "genes": ["A"]}} | more)


def test_what_lies_below_a_consequence_by_the_sequence_ontology():
    assert with_all_below(["splice_site_variant"]) == {
        "splice_acceptor_variant", "splice_donor_variant", "splice_donor_5th_base_variant",
    }  # fmt: skip
    assert with_all_below(["stop_gained"]) == {"stop_gained"}
    assert {"stop_gained", "frameshift_variant", "missense_variant"} <= with_all_below(["protein_altering_variant"])
    assert "synonymous_variant" not in with_all_below(["protein_altering_variant"])
    assert "upstream_gene_variant" not in with_all_below(["transcript_variant"])
    assert with_all_below(["transcript_variant"]) >= with_all_below(["exon_variant", "intron_variant"])


def test_as_severe_by_the_order_of_ensembl():
    assert as_severe_as("transcript_ablation") == {"transcript_ablation"}
    assert {"stop_gained", "missense_variant"} < as_severe_as("missense_variant")
    assert "synonymous_variant" not in as_severe_as("missense_variant")
    assert len(BY_SEVERITY) == len(set(BY_SEVERITY))
