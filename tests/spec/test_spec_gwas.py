"""A GWAS by sums, from hospital to table, against the same on pooled rows done plainly; and what of it may leave."""

from pathlib import Path

import numpy as np
import pytest
from gwas_town import CAUSAL, NOWHERE, RARE, VARIANTS, gwas_study, made_up, plainly, pooled, write_site
from safetensors.numpy import load, save
from scipy import stats

from rapha.egress.association import canonical_sums
from rapha.egress.statistics import canonical_statistics
from rapha.errors import EgressRefused, StudyError
from rapha.hub.aggregation import Part, combined, merged_statistics
from rapha.hub.blobs import BlobMemory, put, read
from rapha.records.association import SUMS
from rapha.records.study import Study
from rapha.records.tensors import declared_start, declared_statistics, declared_weights
from rapha.sdk.associations import COLLINEAR, TOO_FEW, UNFINISHED, associations, table
from rapha.training.association import site_sums
from rapha.training.dataset import Dataset
from rapha.training.statistics import feature_statistics

MIN_COHORT = 100


def federated(study: Study, sites: list[Dataset]) -> dict[str, np.ndarray]:
    """The rooms that a study goes through, without processes: statistics, rounds, gate, hub."""
    blobs = BlobMemory()
    told = [canonical_statistics(save(feature_statistics(study, site.train)), declared_statistics(study), MIN_COHORT)
            for site in sites]  # fmt: skip
    parts = [Part(f"s{n}", put(blobs, each), 1) for n, each in enumerate(told)]
    state = merged_statistics(blobs, parts, declared_start(study))
    for number in range(1, study.training.rounds + 1):
        before = load(read(blobs, state))
        released = [canonical_sums(save(site_sums(study, site.train, before, number)), study, len(site.train), MIN_COHORT)
                    for site in sites]  # fmt: skip
        parts = [Part(f"s{n}", put(blobs, each), 17 + n) for n, each in enumerate(released)]
        state = combined(blobs, parts, declared_weights(study), study.training.aggregation).weights
    return load(read(blobs, state))


def town(kind: str, folder: Path, rows: tuple[int, ...] = (600, 450, 520)) -> tuple[Study, list[Dataset], list[dict]]:
    study = gwas_study(kind)
    made = [made_up(kind, seed, n) for seed, n in enumerate(rows, 1)]
    return study, [write_site(study, folder / str(n), each) for n, each in enumerate(made)], made


@pytest.mark.parametrize("kind", ["numeric", "binary"])
def test_the_sums_of_the_hospitals_give_what_the_pooled_rows_give(kind: str, tmp_path: Path) -> None:
    study, sites, made = town(kind, tmp_path)
    found = associations(study, federated(study, sites))
    assert {one.variant for one in found.found} == set(VARIANTS) - {VARIANTS[RARE], VARIANTS[NOWHERE]}
    assert found.without == {TOO_FEW: 2}
    rows = pooled(made)
    for one in found.found:
        effect, error, n, frequency = plainly(kind, rows, VARIANTS.index(one.variant))
        assert one.beta == pytest.approx(effect, rel=1e-9, abs=1e-11)
        assert one.standard_error == pytest.approx(error, rel=1e-9)
        assert (one.n, one.frequency) == (n, pytest.approx(frequency, rel=1e-12))
        z = effect / error
        p = 2 * (stats.norm.sf(abs(z)) if kind == "binary" else stats.t.sf(abs(z), n - 5))
        assert one.p_value == pytest.approx(p, rel=1e-6)
    assert min(found.found, key=lambda one: one.p_value).variant == VARIANTS[CAUSAL]


def test_a_variant_that_one_hospital_may_not_tell_is_of_the_others(tmp_path: Path) -> None:
    study, _, made = town("numeric", tmp_path)
    made[0]["copies"][:, CAUSAL] = np.where(np.arange(600) < 19, 1, 0)  # 19 copies: below 20
    sites = [write_site(study, tmp_path / f"again{n}", each) for n, each in enumerate(made)]
    one = next(one for one in associations(study, federated(study, sites)).found if one.variant == VARIANTS[CAUSAL])
    effect, error, n, _ = plainly("numeric", pooled(made[1:]), CAUSAL)
    assert (one.beta, one.standard_error) == (pytest.approx(effect, rel=1e-9), pytest.approx(error, rel=1e-9))
    assert one.n == n


def test_a_fitting_that_has_not_come_to_its_end_says_so_instead_of_a_number(tmp_path: Path) -> None:
    _, _, made = town("binary", tmp_path)
    study = gwas_study("binary", rounds=4)
    for each in made:  # the outcome all but follows the copies: effects run away
        copies = each["copies"][:, CAUSAL]
        each["y"] = np.where(copies >= 0, copies > 0, 0).astype(float)
        each["y"][:40] = 1 - each["y"][:40]
    sites = [write_site(study, tmp_path / f"again{n}", each) for n, each in enumerate(made)]
    found = associations(study, federated(study, sites))
    assert found.without[UNFINISHED] >= 1
    assert VARIANTS[CAUSAL] not in {one.variant for one in found.found}


def test_a_column_that_is_a_sum_of_the_others_is_told_apart(tmp_path: Path) -> None:
    study, _, made = town("numeric", tmp_path)
    for each in made:
        each["copies"][:, CAUSAL] = 1 + each["sex"]  # copies are sex plus one
    sites = [write_site(study, tmp_path / f"again{n}", each) for n, each in enumerate(made)]
    found = associations(study, federated(study, sites))
    assert found.without == {COLLINEAR: 1, TOO_FEW: 2}


def test_the_table_is_in_the_columns_of_gwas_ssf_by_place(tmp_path: Path) -> None:
    study, sites, _ = town("numeric", tmp_path)
    lines = [line.split("\t") for line in table(associations(study, federated(study, sites))).splitlines()]
    assert lines[0] == ["chromosome", "base_pair_location", "effect_allele", "other_allele", "beta", "standard_error",
                        "effect_allele_frequency", "p_value", "n"]  # fmt: skip
    places = [(int(line[0]), int(line[1])) for line in lines[1:]]
    assert places == sorted(places) and len(places) == 22
    assert all(line[2:4] == ["G", "A"] and int(line[8]) % 5 == 0 for line in lines[1:])


def sums_of(study: Study, **counts: float) -> bytes:
    """As a workload would hand them in, with these counts for every variant."""
    tensors = {
        name: np.ones(spec.shape, np.float64 if spec.dtype == "F64" else np.float32)
        for name, spec in declared_weights(study).items()
    }
    said = [counts[name] for name in ("patients", "copies", "cases", "of_cases")]
    tensors[f"{SUMS}counts"][:] = said
    return save(tensors)


ENOUGH = {"patients": 400, "copies": 100, "cases": 90, "of_cases": 30}


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({}, True),
        ({"patients": 99, "cases": 50}, False),  # fewer than min_cohort
        ({"copies": 49, "of_cases": 15}, False),  # fewer copies than the study's least
        ({"copies": 50, "of_cases": 15}, True),
        ({"copies": 751, "of_cases": 160}, False),  # the other allele is the rare one
        ({"of_cases": 9}, False),  # among the cases
        ({"of_cases": 171}, False),
        ({"of_cases": 91}, False),  # among the others
        ({"of_cases": 90}, True),
        ({"copies": 690, "of_cases": 80}, True),
        ({"copies": 711, "of_cases": 100}, False),
    ],
)
def test_of_too_few_copies_nothing_leaves(counts: dict[str, float], shown: bool) -> None:
    study = gwas_study("binary", least_allele_count=50)
    said = ENOUGH | counts
    if said["of_cases"] > said["copies"]:
        said["copies"] = said["of_cases"] + 20
    released = load(canonical_sums(sums_of(study, **said), study, 400, MIN_COHORT))
    for name, tensor in released.items():
        if name.startswith(SUMS):
            assert tensor.all() if shown else not tensor.any(), name


@pytest.mark.parametrize(
    "counts",
    [
        {"patients": 401},
        {"patients": 399.5},
        {"copies": 801, "patients": 400},
        {"of_cases": 181, "copies": 400},
        {"cases": 401},
        {"of_cases": 101},
        {"cases": -1, "of_cases": 0},
        {"copies": np.nan},
    ],
)
def test_counts_that_cannot_be_stop_everything(counts: dict[str, float]) -> None:
    study = gwas_study("binary")
    with pytest.raises(EgressRefused) as refused:
        canonical_sums(sums_of(study, **(ENOUGH | counts)), study, 400, MIN_COHORT)
    assert refused.value.reason in ("output-malformed", "not-finite")


def test_a_numeric_outcome_has_no_cases() -> None:
    study = gwas_study("numeric")
    with pytest.raises(EgressRefused, match="counts"):
        canonical_sums(sums_of(study, **ENOUGH), study, 400, MIN_COHORT)


def test_another_study_has_no_table() -> None:
    import record_samples

    with pytest.raises(StudyError, match="is no GWAS"):
        associations(record_samples.example("diabetes-within-5-years"), {})
