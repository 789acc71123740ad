"""What is seen of a row of genotypes."""

import numpy as np
from made_up_site import GENOTYPES, make_study

from rapha.records.tensors import dense_of
from rapha.training.architectures import build
from rapha.training.predict import load_model
from rapha.training.weights import weights_of


def test_copies_count_one_by_one_and_unknown_is_another_thing_than_none() -> None:
    study = make_study("variant-classifier")
    network = build(study)
    weights = weights_of(network)
    weights["readers.0.layer.bias"] = np.full_like(weights["readers.0.layer.bias"], 5)  # nothing is cut off at 0
    panel, length = dense_of(study)[0].name, len(GENOTYPES["variants"])
    rows = np.zeros((4, length), np.int8)
    rows[:, 3] = [0, 1, 2, -1]
    given = {"last_hdl_until_2years": [50.0] * 4, "age": [60.0] * 4, "sex": [1.0] * 4, panel: list(rows)}
    risk = load_model(study, weights).predict(given)
    none, one, two, unknown = np.log(risk / (1 - risk))
    assert len({none, one, two, unknown}) == 4
    np.testing.assert_allclose(two - one, one - none, rtol=1e-3)
