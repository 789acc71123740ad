"""A categorical outcome: figures as others compute them, and a model that finds what others find."""

import numpy as np
import pytest
import torch
from made_up_site import ARCHITECTURES, make_dataset, make_study
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, roc_auc_score

from rapha.egress.memorisation import judge
from rapha.errors import TrainingFailed
from rapha.records.audit import AuditLimits
from rapha.records.learning import LEARNS
from rapha.records.study import Study
from rapha.records.tensors import TensorSpec, declared_weights
from rapha.training.architectures import build
from rapha.training.classes import accuracy, chances, class_loss, confusion, log_likelihood, macro_auroc
from rapha.training.dataset import read_dataset
from rapha.training.discrimination import auroc
from rapha.training.inputs import make_inputs
from rapha.training.losses import row_loss
from rapha.training.membership import Membership
from rapha.training.pooled import score, train_alone
from rapha.training.predict import load_model
from rapha.training.private import clipped_sum, train_privately
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import load_into, weights_of

KINDS = ("mild", "grave")
LEARNERS = [name for name in ARCHITECTURES if "categorical" in LEARNS[name]]


def of_classes(rows: int = 300, kinds: int = 4, seed: int = 3):
    chance = np.random.default_rng(seed)
    label = chance.integers(0, kinds, rows)
    return np.eye(kinds)[label] + chance.normal(0, 1, (rows, kinds)), label


def test_figures_are_those_of_others() -> None:
    logits, label = of_classes()
    given = chances(logits)
    assert given.sum(axis=1) == pytest.approx(np.ones(300), abs=1e-12)
    assert class_loss(logits, label).value == pytest.approx(log_loss(label, given), abs=1e-12)
    assert accuracy(logits, label).value == accuracy_score(label, logits.argmax(axis=1))
    assert macro_auroc(logits, label).value == pytest.approx(roc_auc_score(label, given, multi_class="ovr"), abs=1e-12)
    assert confusion(logits, label) == tuple(map(tuple, confusion_matrix(label, logits.argmax(axis=1))))
    assert log_likelihood(logits, label) == pytest.approx(np.log(given[np.arange(300), label]), abs=1e-12)


def test_of_two_classes_the_interval_is_that_of_the_one_auroc() -> None:
    logits, label = of_classes(kinds=2)
    both, one = macro_auroc(logits, label), auroc(logits[:, 1] - logits[:, 0], label)
    assert both == pytest.approx(one, abs=1e-9)


def test_the_interval_of_the_mean_holds_the_truth_as_often_as_it_says() -> None:
    truth = macro_auroc(*of_classes(200_000)).value
    found = [macro_auroc(*of_classes(200, seed=seed)) for seed in range(400)]
    held = np.mean([each.low <= truth <= each.high for each in found])
    assert 0.92 < held < 0.98


def test_figures_that_rows_do_not_determine_are_left_out() -> None:
    logits, label = of_classes()
    assert macro_auroc(logits, np.where(label == 3, 0, label)) is None
    assert class_loss(logits[:0], label[:0]) is None and accuracy(logits[:0], label[:0]) is None


def test_large_logits_stay_numbers() -> None:
    logits = np.array([[1e4, 0.0], [0.0, 1e4]])
    assert log_likelihood(logits, np.array([0, 0])) == pytest.approx([0.0, -1e4])
    assert chances(logits) == pytest.approx(np.eye(2))


@pytest.mark.parametrize("architecture", LEARNERS)
def test_a_network_has_one_output_a_class_and_the_declared_tensors(architecture, tmp_path) -> None:
    study = make_study(architecture, classes=KINDS)
    network = build(study)
    found = {name: TensorSpec(shape=values.shape, dtype="F32") for name, values in weights_of(network).items()}
    assert found == declared_weights(study)
    dataset = make_dataset(study, tmp_path, rows=60)
    start = start_of(feature_statistics(study, dataset.train))
    assert score(network, make_inputs(dataset.test, start)).shape == (len(dataset.test), 3)


def test_a_multinomial_model_finds_the_chances_that_scikit_learn_finds(tmp_path) -> None:
    study = make_study("logistic", classes=KINDS, rounds=40, local_epochs=5, batch_size=65_536, optimizer="sgd",
                       learning_rate=0.5, weight_decay=0)  # fmt: skip
    dataset = make_dataset(study, tmp_path, rows=500)
    weights, _ = train_alone(study, [dataset])
    network = build(study)
    load_into(network, weights)
    start = start_of(feature_statistics(study, dataset.train))
    train = make_inputs(dataset.train, start).features.numpy()
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(train, dataset.train.label)
    test = make_inputs(dataset.test, start)
    assert chances(score(network, test)) == pytest.approx(fitted.predict_proba(test.features.numpy()), abs=0.02)


def test_a_label_that_is_no_class_of_the_study_is_refused(tmp_path) -> None:
    make_dataset(make_study("logistic", classes=("a", "b", "c")), tmp_path)
    with pytest.raises(TrainingFailed, match="label holds other numbers than 0 to 2"):
        read_dataset(make_study("logistic", classes=KINDS), tmp_path / "site-1.arrow")


def test_a_model_predicts_the_chance_of_each_class(tmp_path) -> None:
    study = make_study("mlp", classes=KINDS, rounds=10, local_epochs=3)
    model = load_model(study, train_alone(study, [make_dataset(study, tmp_path)])[0])
    given = model.predict({"last_hdl_until_2years": [20.0, 90.0], "age": [90, 40], "sex": [0, 0]})
    assert model.classes == ("none", "mild", "grave") and given.shape == (2, 3)
    assert given.sum(axis=1) == pytest.approx([1, 1]) and given[0, 2] > 0.5 > given[1, 2]


def private(architecture: str) -> Study:
    terms = {
        "epsilon": 5,
        "delta": 1e-5,
        "sampling_rate": 0.25,
        "ranges": {"hdl": [10, 120], "age": [18, 100], "sex": [0, 1]},
    }
    training = {"rounds": 2, "learning_rate": 0.05, "batch_size": 256}
    return make_study(architecture, classes=KINDS, privacy={"differential_privacy": terms}, **training)


@pytest.mark.parametrize("architecture", ["logistic", "mlp"])
def test_under_differential_privacy_each_row_s_gradient_of_the_softmax_is_shortened(architecture, tmp_path) -> None:
    study = private(architecture)
    dataset = make_dataset(study, tmp_path, rows=60)
    start = start_of(feature_statistics(study, dataset.train))
    network, rows = build(study), torch.arange(20)
    load_into(network, start)
    inputs = make_inputs(dataset.train, start)
    expected = [torch.zeros_like(parameter) for parameter in network.parameters()]
    for row in rows:
        gradients = torch.autograd.grad(row_loss(network, inputs, row[None]), list(network.parameters()))
        length = sum(float(gradient.pow(2).sum()) for gradient in gradients) ** 0.5
        for total, gradient in zip(expected, gradients, strict=True):
            total += gradient * min(1.0, 0.3 / length)
    for want, have in zip(expected, clipped_sum(network, inputs, rows, 0.3), strict=True):
        assert torch.allclose(want.double(), have, rtol=1e-4, atol=1e-5)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    guesses = train_privately(study, network, inputs, 1)
    assert guesses.correct and any((a != b).any() for a, b in zip(before, network.parameters(), strict=True))


@pytest.mark.parametrize(("hidden", "rounds", "verdict"), [([8], 3, "passed"), ([128, 128], 20, "refused")])
def test_the_audit_finds_what_a_model_of_classes_knows_by_heart(hidden, rounds, verdict, tmp_path) -> None:
    by_heart = {"local_epochs": 20, "learning_rate": 0.005, "batch_size": 32} if verdict == "refused" else {}
    study = make_study("mlp", {"hidden": hidden}, classes=KINDS, rounds=rounds, **by_heart)
    dataset = make_dataset(study, tmp_path)
    weights, _ = train_alone(study, [dataset])
    network = build(study)
    load_into(network, weights)
    raw = Membership(study, dataset, start_of(feature_statistics(study, dataset.train))).measure(network, rounds)
    assert judge(raw, AuditLimits(), raw.members, raw.held_out, 1.0, None).verdict == verdict
