"""A hub that hands a hospital weights of its choice, so that a logistic step weighs one patient above all others: nothing of it leaves."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save
from two_peoples import VARIANTS, made_up, study, write_site

from rapha.egress.association import canonical_sums
from rapha.records.association import SUMS, columns_of
from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.training.association import patients_of, site_sums
from rapha.training.components import scores
from rapha.training.dataset import Dataset
from rapha.training.weights import check_weights

ONE = {"count": 1, "rounds": 12}
Weights = dict[str, np.ndarray]


class Hostile:
    """Asks one hospital, of effects that it chooses."""

    def __init__(self, asked: Study, site: Dataset) -> None:
        self.asked, self.site = asked, site
        self.weights: Weights = {
            name: np.zeros(spec.shape, np.float64 if spec.dtype == "F64" else np.float32)
            for name, spec in declared_weights(asked).items()
        }
        self.weights["features.mean"][:], self.weights["features.scale"][:] = 60, 11
        self.p = columns_of(asked)

    def ask(self, effects: np.ndarray) -> Weights:
        one = np.eye(self.p)[np.tril_indices(self.p)]
        given = self.weights | {
            f"{SUMS}information": np.tile(one, (len(VARIANTS), 1)),
            f"{SUMS}target": effects,
        }
        check_weights(given, declared_weights(self.asked))
        made = site_sums(self.asked, self.site.train, given, self.asked.training.rounds)
        return load(canonical_sums(save(made), self.asked, 700, 400))

    def near(self, place: np.ndarray | float, column: int, steep: float) -> Weights:
        """Weights are a quarter where the column is at this place, and less the farther from it."""
        effects = np.zeros((len(VARIANTS), self.p))
        effects[:, 0], effects[:, column] = -steep * np.asarray(place), steep
        return self.ask(effects)


@pytest.fixture
def by_age(tmp_path: Path) -> tuple[Hostile, np.ndarray]:
    asked, made = study("binary", None), made_up("binary", 1)
    return Hostile(asked, write_site(asked, tmp_path, made)), (made["age"] - 60) / 11


@pytest.fixture
def by_axis(tmp_path: Path) -> tuple[Hostile, np.ndarray]:
    asked, made = study("binary", ONE), made_up("binary", 1)
    hub = Hostile(asked, write_site(asked, tmp_path, made))
    loadings = hub.weights["components.loadings"]
    loadings[:] = np.random.default_rng(99).normal(size=loadings.shape)
    patients = patients_of(asked, hub.site.train, hub.weights)
    return hub, scores(asked, patients.genotypes, hub.weights)[:, 0]


@pytest.mark.parametrize(("who", "column"), [("by_age", 1), ("by_axis", 2)])
def test_no_patient_is_read_out_of_a_logistic_step(who: str, column: int, request: pytest.FixtureRequest) -> None:
    hub, values = request.getfixturevalue(who)
    flat = hub.near(0.0, column, 0.0)
    assert flat[f"{SUMS}information"].any(axis=1).all()  # an honest first step does leave
    for steep in (300.0, 30.0, 8.0):
        places = np.linspace(values.min(), values.max(), len(VARIANTS))
        places[:3] = values[:3]  # whom it knows already
        left = hub.near(places, column, steep)
        assert not any(tensor.any() for name, tensor in left.items() if name.startswith(SUMS)), steep


def test_no_carriers_of_a_variant_are_weighed_down_to_a_few(by_age: tuple[Hostile, np.ndarray]) -> None:
    """All who carry nothing weigh alike; who carries it, only near one age: too few copies are behind the sums."""
    hub, _ = by_age
    effects = np.zeros((len(VARIANTS), hub.p))
    effects[:, -1] = 9.0
    left = hub.ask(effects)
    hidden = ~left[f"{SUMS}information"].any(axis=1)
    assert hidden.any()
    assert not left[f"{SUMS}counts"][hidden].any()


@pytest.mark.parametrize("constant", [21.0, -21.0])
def test_no_risk_is_pressed_to_its_end(constant: float, by_age: tuple[Hostile, np.ndarray]) -> None:
    """All weigh alike, and nothing: sums of the outcomes alone would be left."""
    hub, _ = by_age
    effects = np.zeros((len(VARIANTS), hub.p))
    effects[:, 0] = constant
    assert not hub.ask(effects)[f"{SUMS}score"].any()
    effects[:, 0] = np.sign(constant) * 19
    assert hub.ask(effects)[f"{SUMS}score"].any()
