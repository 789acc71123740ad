"""Principal components of a GWAS across hospitals, against a decomposition of all patients in one place; and what of them may leave."""

from pathlib import Path

import numpy as np
import pytest
from gwas_town import least_squares, logistic
from safetensors.numpy import load, save
from scipy import stats
from test_spec_gwas import federated
from two_peoples import CAUSAL, TELLTALE, VARIANTS, made_up, plain_components, study, write_site

from rapha.egress.association import canonical_sums
from rapha.errors import EgressRefused, TrainingFailed
from rapha.hub.aggregation import Combined, Part, combined
from rapha.hub.blobs import BlobMemory, put
from rapha.records.components import AXES, GENOME, Components
from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.sdk.associations import SETTLED, Associations, associations
from rapha.training.association import patients_of
from rapha.training.components import scores
from rapha.training.dataset import Dataset

ONE = {"count": 1, "rounds": 12}
MIN_COHORT = 400


def town(kind: str, folder: Path, components: dict | None, **more: object) -> tuple[Study, list[Dataset], list[dict]]:
    asked = study(kind, components, **more)
    made = [made_up(kind, hospital) for hospital in range(3)]
    return asked, [write_site(asked, folder / str(n), each) for n, each in enumerate(made)], made


def alike(components: np.ndarray, plain: np.ndarray) -> bool:
    """The same but for sign and length, neither of which moves an effect of a variant."""
    one, other = components / np.linalg.norm(components, axis=0), plain / np.linalg.norm(plain, axis=0)
    return bool((np.abs(one * np.sign((one * other).sum(axis=0)) - other) < 1e-8).all())


def effect_of(found: Associations, place: int):  # type: ignore[no-untyped-def]
    return next(one for one in found.found if one.variant == VARIANTS[place])


@pytest.mark.parametrize("kind", ["numeric", "binary"])
def test_components_and_effects_are_those_of_all_patients_in_one_place(kind: str, tmp_path: Path) -> None:
    asked, sites, made = town(kind, tmp_path, ONE)
    weights = federated(asked, sites)
    _, plain = plain_components(made, 1)
    own = [scores(asked, patients_of(asked, site.train, weights).genotypes, weights) for site in sites]
    assert alike(np.concatenate(own), plain)
    found = associations(asked, weights)
    assert len(found.found) == len(VARIANTS) and found.without == {}
    (component,) = found.components
    assert component.unsettled < SETTLED and 0.05 < component.share < 0.2
    age, y = (np.concatenate([each[name] for each in made]) for name in ("age", "y"))
    for at, one in enumerate(found.found):
        copies = np.concatenate([each["copies"][:, at] for each in made])
        known = copies >= 0
        x = np.column_stack([np.ones(known.sum()), age[known], plain[known], copies[known]])
        effect, error = (least_squares if kind == "numeric" else logistic)(x, y[known])
        assert one.beta == pytest.approx(effect, rel=1e-5, abs=1e-7)
        assert one.standard_error == pytest.approx(error, rel=1e-6)


def test_without_components_ancestry_is_taken_for_an_effect_and_with_them_it_is_not(tmp_path: Path) -> None:
    without, sites, made = town("numeric", tmp_path / "without", None)
    spurious = associations(without, federated(without, sites))
    asked, sites, _ = town("numeric", tmp_path / "with", ONE)
    adjusted = associations(asked, federated(asked, sites))
    assert effect_of(spurious, TELLTALE).p_value < 1e-50
    assert effect_of(adjusted, TELLTALE).p_value > 0.01
    assert sum(one.p_value < 5e-8 for one in spurious.found) > 20
    assert [one.variant for one in adjusted.found if one.p_value < 5e-8] == [VARIANTS[CAUSAL]]
    inflation = {}
    for name, found in (("without", spurious), ("with", adjusted)):
        chi = [stats.chi2.isf(one.p_value, 1) for one in found.found if one.p_value > 0]
        inflation[name] = np.median(chi) / stats.chi2.median(1)
    assert inflation["without"] > 5 and inflation["with"] < 1.5
    assert sum(made[0]["second"]) < 0.2 * len(made[0]["second"]) < 0.5 * sum(made[2]["second"])


def test_a_component_that_has_not_settled_says_so(tmp_path: Path) -> None:
    asked, sites, _ = town("numeric", tmp_path, {"count": 6, "rounds": 5}, privacy={"min_cohort": 460})
    first, *_, last = associations(asked, federated(asked, sites)).components
    assert first.unsettled < SETTLED < last.unsettled


def test_a_variant_that_one_hospital_may_not_tell_is_found_from_the_others(tmp_path: Path) -> None:
    asked, _, made = town("numeric", tmp_path, ONE)
    made[0]["copies"][:, TELLTALE] = np.where(np.arange(700) < 19, 1, 0)  # 19 copies: below 20
    sites = [write_site(asked, tmp_path / f"again{n}", each) for n, each in enumerate(made)]
    weights = federated(asked, sites)
    made[0]["copies"][:, TELLTALE] = -1
    _, plain = plain_components(made, 1)
    own = [scores(asked, patients_of(asked, site.train, weights).genotypes, weights) for site in sites]
    assert alike(np.concatenate(own), plain)
    assert associations(asked, weights).found_from == (150, 1)


def test_a_people_that_lacks_variants_at_one_hospital_counts_as_not_known_there(tmp_path: Path) -> None:
    """A third of the variants are of the second people alone, whom the first hospital hardly has: what it hides, its components go without."""
    asked, _, made = town("numeric", tmp_path, ONE)
    dice, few = np.random.default_rng(3), np.arange(150) % 3 == 0
    for hospital, each in enumerate(made):
        rare = dice.binomial(2, np.where(each["second"], 0.35, 0.0)[:, None], (700, 50)) * (hospital > 0)
        rare[:15] += hospital == 0  # 15 copies: below 20
        each["copies"][:, few] = rare
    sites = [write_site(asked, tmp_path / f"again{n}", each) for n, each in enumerate(made)]
    weights = federated(asked, sites)
    own = [scores(asked, patients_of(asked, site.train, weights).genotypes, weights) for site in sites]
    known = np.concatenate([each["copies"][:, few] for each in made[1:]]).mean(axis=0)
    assert weights[f"{AXES}mean"][few] == pytest.approx(known)
    made[0]["copies"][:, few] = -1
    _, plain = plain_components(made, 1)
    assert alike(np.concatenate(own), plain)
    assert associations(asked, weights).found_from == (150, 50)


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_fewer_components_than_are_looked_for_are_said_so(rank: int, tmp_path: Path) -> None:
    """Three are asked for, so five are looked for: whatever noise the last eigenvalues are."""
    more = {"training": {"rounds": 10, "aggregation": "sum"}, "privacy": {"min_cohort": 430}}
    asked, _, made = town("numeric", tmp_path, {"count": 3, "rounds": 8}, **more)
    for n, each in enumerate(made):
        each["copies"] = (
            np.random.default_rng(n).binomial(2, 0.4, (700, rank)).astype(np.int8)[:, np.arange(150) % rank]
        )
    sites = [write_site(asked, tmp_path / f"again{n}", each) for n, each in enumerate(made)]
    with pytest.raises(TrainingFailed, match="fewer than 5 principal components"):
        federated(asked, sites)


def test_few_common_variants_give_no_components(tmp_path: Path) -> None:
    asked, _, made = town("numeric", tmp_path, ONE)
    for each in made:
        each["copies"][:, :101] = 0
    sites = [write_site(asked, tmp_path / f"again{n}", each) for n, each in enumerate(made)]
    with pytest.raises(TrainingFailed, match="common"):
        federated(asked, sites)


def handed_in(asked: Study, patients: float, copies: float) -> bytes:
    tensors = {
        name: np.ones(spec.shape, np.float64 if spec.dtype == "F64" else np.float32)
        for name, spec in declared_weights(asked).items()
    }
    tensors["sums.counts"][:] = 0
    tensors[f"{GENOME}counts"][:] = (700, 300)
    tensors[f"{GENOME}counts"][3] = (patients, copies)
    return save(tensors)


@pytest.mark.parametrize(
    ("patients", "copies", "shown"),
    [(700, 20, True), (700, 19, False), (700, 1380, True), (700, 1381, False), (400, 200, True), (399, 200, False)],
)
def test_of_too_few_patients_or_copies_no_product_leaves(patients: int, copies: int, shown: bool) -> None:
    asked = study("numeric", ONE)
    released = load(canonical_sums(handed_in(asked, patients, copies), asked, 700, MIN_COHORT))
    for name in ("counts", "product"):
        tensor = released[f"{GENOME}{name}"]
        assert tensor[3].all() if shown else not tensor[3].any()
        assert np.delete(tensor, 3, axis=0).all()
    assert not released["sums.information"].any()


@pytest.mark.parametrize(("patients", "copies"), [(701, 300), (700, 1401), (699.5, 300), (700, -1)])
def test_counts_that_cannot_be_stop_everything(patients: float, copies: float) -> None:
    asked = study("numeric", ONE)
    with pytest.raises(EgressRefused, match="counts"):
        canonical_sums(handed_in(asked, patients, copies), asked, 700, MIN_COHORT)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"privacy": {"min_cohort": 369}}, "at least 370 patients"),
        ({"training": {"rounds": 13, "aggregation": "sum"}}, "write `rounds: 14`"),
        (
            {"model": {"architecture": "gwas", "components": {**ONE, "apart": 20_000_000}}},
            "fewer than 50 of the variants",
        ),
    ],
)
def test_a_study_that_asks_for_too_much_of_components_is_refused(more: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        study("numeric", ONE, **more)


def test_the_regressions_of_a_binary_outcome_count_too() -> None:
    with pytest.raises(ValueError, match="at least 440 patients"):
        study("binary", ONE, privacy={"min_cohort": 439})


def test_a_binary_outcome_has_its_rounds_after_those_of_the_components() -> None:
    with pytest.raises(ValueError, match="17 to 38 rounds"):
        study("binary", ONE, training={"rounds": 8, "aggregation": "sum"})


def test_a_study_without_components_is_written_as_before_there_were_any() -> None:
    assert b"components" not in study("numeric", None).as_bytes()


def test_variants_lie_apart_and_on_autosomes() -> None:
    asked = Components(count=1, apart=1000)
    names = ["2-500-A-G", "1-5000-A-G", "1-100-A-G", "1-1099-A-G", "1-1100-A-G", "X-1-A-G", "MT-5-A-G", "10-7-A-G"]
    assert asked.places(names) == (0, 1, 2, 4, 7)


def test_what_is_carried_after_the_axes_are_found_is_the_axes_alone(tmp_path: Path) -> None:
    asked, sites, _ = town("numeric", tmp_path, ONE)
    weights = federated(asked, sites)
    assert not any(weights[name].any() for name in (f"{GENOME}counts", f"{GENOME}product", f"{AXES}basis"))


@pytest.mark.parametrize(("hospitals", "named"), [(3, ("s1",)), (2, ("s0", "s1"))])
def test_the_hub_names_a_hospital_with_other_axes(hospitals: int, named: tuple[str, ...]) -> None:
    asked, blobs = study("numeric", ONE), BlobMemory()
    sent = load(handed_in(asked, 700, 300))

    def made(change: float) -> Combined:
        odd = sent | {f"{AXES}loadings": sent[f"{AXES}loadings"] * change}
        given = [odd if n == 1 else sent for n in range(hospitals)]
        parts = [Part(f"s{n}", put(blobs, save(each)), 700) for n, each in enumerate(given)]
        return combined(blobs, parts, declared_weights(asked), asked.training.aggregation)

    assert made(1 + 1e-9).unlike == ()
    assert made(1.001).unlike == named
