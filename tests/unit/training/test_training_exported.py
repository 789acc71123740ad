"""A graph of the researcher's own, trained by the same loop: what it computes, what is learnt, and what is kept of rows."""

import math

import numpy as np
import pytest
import torch
from made_up_site import make_dataset, make_study
from own_model import Own, exported, with_graph
from test_training_private import private_study
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from rapha.errors import TrainingFailed
from rapha.graph.operators import OPERATORS
from rapha.graph.reading import read_graph
from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.training.architectures import build
from rapha.training.architectures.exported import _OWN, Interpreter, function_of
from rapha.training.arrays import Arrays
from rapha.training.inputs import Steps, make_inputs
from rapha.training.pooled import score, train_alone
from rapha.training.private import clipped_sum, train_privately
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import check_weights, load_into, weights_of


class Lines(nn.Module):
    """What the built-in logistic is, as a researcher might write it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features):
        return self.linear(features)


class Reader(nn.Module):
    """Many kinds of layers at once: recurrent, attention, convolution, embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(256, 8)
        self.attend = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1, enable_nested_tensor=False
        )
        self.forth = nn.LSTM(8, 4, batch_first=True, bidirectional=True)
        self.back = nn.GRU(8, 4, batch_first=True)
        self.see = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.SiLU(), nn.MaxPool2d(2),
                                 nn.AdaptiveAvgPool2d(1), nn.Flatten())  # fmt: skip
        self.leave = nn.Linear(7 + 8 + 8 + 4 + 4, 1)

    def forward(self, features, note, image):
        words = self.letters(note)
        there = (note != 0).unsqueeze(-1)
        forth = (self.forth(words)[0] * there).sum(1) / there.sum(1).clamp(min=1)
        parts = [features, self.attend(words).mean(1), forth, self.back(words)[0][:, -1], self.see(image)]
        return self.leave(torch.cat(parts, 1))


def ready(study: Study, graph: bytes, tmp_path, rows: int = 60):
    dataset = make_dataset(study, tmp_path, rows=rows)
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study, graph)
    load_into(network, start)
    return network, make_inputs(dataset.train, start)


def own(tmp_path, study: Study, module: nn.Module) -> tuple[Study, bytes]:
    graph = exported(tmp_path / "model.pt2", module, (6,))
    return with_graph(study, tmp_path / "model.pt2"), graph


def test_every_operator_of_the_list_is_one_of_torchs() -> None:
    for operator in OPERATORS - set(_OWN):
        assert callable(function_of(operator)), operator
    with pytest.raises(TrainingFailed):
        function_of("aten.from_file.default")


def test_it_learns_what_the_built_in_model_learns_bit_for_bit(tmp_path) -> None:
    logistic = make_study("logistic")
    study, graph = own(tmp_path, logistic, Lines())
    dataset = make_dataset(logistic, tmp_path)
    theirs, figures = train_alone(study, [dataset], graph)
    ours, expected = train_alone(logistic, [dataset])
    assert figures == expected and set(theirs) == set(ours)
    assert all(np.array_equal(theirs[name], ours[name]) for name in ours)


def test_it_starts_from_the_researchers_tensors_and_gives_them_back_by_name(tmp_path) -> None:
    module = Own()
    study, graph = own(tmp_path, make_study("logistic"), module)
    found = weights_of(build(study, graph))
    learnt = {name for name in module.state_dict() if name not in ("weighing", "norm.num_batches_tracked")}
    assert set(found) == learnt | {"features.mean", "features.scale"} == set(declared_weights(study))
    assert all(np.array_equal(found[name], module.state_dict()[name].numpy()) for name in learnt)


def test_running_figures_move_while_it_trains_and_only_then(tmp_path) -> None:
    study, graph = own(tmp_path, make_study("logistic"), Own())
    network, inputs = ready(study, graph, tmp_path)
    before = weights_of(network)
    score(network, inputs)
    assert all(np.array_equal(before[name], found) for name, found in weights_of(network).items())
    network.train()
    network(inputs, torch.arange(20))
    assert not np.array_equal(before["norm.running_mean"], weights_of(network)["norm.running_mean"])


def test_dropout_takes_the_trainers_chance(tmp_path) -> None:
    study, graph = own(tmp_path, make_study("logistic"), Own(norm=False))
    network, inputs = ready(study, graph, tmp_path)
    network.train()

    def once(seed: int) -> list[float]:
        network.noise.manual_seed(seed)
        return network(inputs, torch.arange(20)).tolist()

    assert once(1) == once(1) != once(2)


def test_training_again_gives_the_same_bits(tmp_path) -> None:
    study, graph = own(tmp_path, make_study("logistic"), Own())
    dataset = make_dataset(study, tmp_path)
    one, other = (train_alone(study, [dataset], graph)[0] for _ in range(2))
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.filterwarnings("ignore")  # of torch's own, about its layers
def test_layers_of_many_kinds_compute_what_the_module_computes(tmp_path) -> None:
    from rapha.sdk.export import export_model

    given = (torch.randn(3, 7), torch.randint(0, 255, (3, 12)), torch.randn(3, 1, 16, 16))
    module = Reader()
    content = export_model(module, given, tmp_path / "model.pt2").read_bytes()
    more = (torch.randn(5, 7), torch.randint(0, 255, (5, 12)), torch.randn(5, 1, 16, 16))
    network = Interpreter(3, (), read_graph(content))
    with torch.no_grad():
        assert torch.allclose(network.eval().run(more), module.eval()(*more).reshape(-1), atol=1e-5)
    torch.autograd.backward(network.train().run(more).sum())
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("clip", [0.3, 1e6])
def test_each_rows_gradient_is_shortened_by_itself(tmp_path, clip) -> None:
    study, graph = own(tmp_path, private_study(), Own(norm=False))
    network, inputs = ready(study, graph, tmp_path)
    rows, expected = torch.arange(20), [torch.zeros_like(p) for p in network.parameters()]
    for row in rows:
        loss = binary_cross_entropy_with_logits(network.eval()(inputs, row[None]), inputs.event[row[None]])
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        length = math.sqrt(sum(float(g.pow(2).sum()) for g in gradients))
        for total, gradient in zip(expected, gradients, strict=True):
            total += gradient * min(1.0, clip / length)
    for want, have in zip(expected, clipped_sum(network, inputs, rows, clip), strict=True):
        assert torch.allclose(want.double(), have, rtol=1e-4, atol=1e-5)


class Mixes(nn.Module):
    """Looks at the other rows of a step."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 1)

    def forward(self, features):
        return self.linear(features - 100 * features.sum(0, keepdim=True))


def test_a_graph_that_mixes_rows_cannot_make_one_patient_count_for_more(tmp_path) -> None:
    study, graph = own(tmp_path, private_study(), Mixes())
    network, inputs = ready(study, graph, tmp_path)
    for rows in (torch.arange(20), torch.arange(19)):
        parts = [clipped_sum(network, inputs, row, 1.0) for row in rows.split(1)]
        together = clipped_sum(network, inputs, rows, 1.0)
        assert all(
            torch.allclose(sum(each), whole) for each, whole in zip(zip(*parts, strict=True), together, strict=True)
        )
        assert all(math.sqrt(sum(float(p.pow(2).sum()) for p in part)) <= 1.0 for part in parts)


def test_it_trains_with_differential_privacy(tmp_path) -> None:
    study, graph = own(tmp_path, private_study(), Own(norm=False))
    network, inputs = ready(study, graph, tmp_path)
    before = weights_of(network)
    train_privately(study, network, inputs, 1)
    after = weights_of(network)
    assert all(np.isfinite(after[name]).all() for name in after)
    assert not np.array_equal(before["enter.weight"], after["enter.weight"])


def test_running_figures_are_refused_with_differential_privacy_by_the_study_and_by_the_trainer(tmp_path) -> None:
    with pytest.raises(ValueError, match="use a group norm or a"):
        own(tmp_path, private_study(), Own())
    study, graph = with_graph(make_study("logistic"), tmp_path / "model.pt2"), (tmp_path / "model.pt2").read_bytes()
    network, inputs = ready(study, graph, tmp_path)
    with pytest.raises(TrainingFailed) as refused:
        clipped_sum(network, inputs, torch.arange(4), 1.0)
    assert refused.value.reason == "not-yet-possible"


def test_a_graph_for_another_study_is_not_built(tmp_path) -> None:
    study, graph = own(tmp_path, make_study("logistic"), Own())
    narrower = exported(tmp_path / "narrow.pt2", Own(2), (4,))
    for wrong, reason in ((narrower, "graph-mismatch"), (None, "graph-refused"), (graph[:-1], "graph-refused")):
        with pytest.raises(TrainingFailed) as refused:
            build(study, wrong)
        assert refused.value.reason == reason
    with pytest.raises(TrainingFailed, match=r"takes F32 \[rows, 4\]; this study gives F32 \[rows, 6\]"):
        build(with_graph(study, tmp_path / "narrow.pt2"), narrower)
    other = study.model.model_copy(update={"parameters": {**study.model.parameters, "leave.bias": (2,)}})
    with pytest.raises(TrainingFailed, match="other tensors"):
        build(study.model_copy(update={"model": other}), graph)


class Fuses(nn.Module):
    """Numbers, a note, a picture and another note; a flag says who has none."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(256, 4)
        self.see = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.leave = nn.Linear(9 + 4 + 4 + 4, 1)

    def forward(self, features, note, image, other):
        words = [self.letters(each).mean(1) for each in (note, other)]
        return self.leave(torch.cat([features, *words, self.see(image)], 1))


@pytest.fixture
def fused(tmp_path):
    from rapha.sdk.export import export_model

    module = Fuses()
    given = (
        torch.randn(3, 9),
        *(torch.randint(0, 255, (3, 64)), torch.randn(3, 1, 8, 8), torch.randint(0, 255, (3, 32))),
    )
    graph = export_model(module, given, tmp_path / "model.pt2").read_bytes()
    fusion = make_study("late-fusion", genotypes=False)
    return module, with_graph(fusion, tmp_path / "model.pt2"), graph, make_dataset(fusion, tmp_path, rows=80)


def test_it_is_given_notes_images_and_who_has_none(fused) -> None:
    module, study, graph, dataset = fused
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study, graph)
    load_into(network, start)
    inputs = make_inputs(dataset.train, start)
    note, image, other = (inputs.arrays[name] for name in inputs.arrays)
    rows = np.arange(len(inputs))
    flags = torch.from_numpy(np.stack([~each.present for each in (note, image, other)], axis=1)).float()
    assert flags.sum(0).min() > 0 and flags.sum(0).max() < len(rows)
    there = [torch.from_numpy(each.batch(rows) * present_of(each, rows)) for each in (note, image, other)]
    given = (torch.cat([inputs.features, flags], 1), there[0].long(), there[1].unsqueeze(1), there[2].long())
    with torch.no_grad():
        assert np.allclose(score(network, inputs), module.eval()(*given).reshape(-1).numpy(), atol=1e-5)


def test_what_lies_where_there_is_no_array_tells_nothing(fused) -> None:
    _, study, graph, dataset = fused
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study, graph)
    load_into(network, start)
    inputs = make_inputs(dataset.train, start)
    before = score(network, inputs)
    rows = np.arange(len(inputs))
    hidden = {
        name: Arrays(
            (np.where(present_of(each, rows), each.batch(rows), 1).astype(each.chunks[0].dtype),), rows, each.present
        )
        for name, each in inputs.arrays.items()
    }
    changed = type(inputs)(inputs.features, inputs.steps, inputs.event, inputs.time, hidden)
    assert np.array_equal(before, score(network, changed))


def present_of(arrays, rows):
    """Whether each of these rows has an array, to be held against the arrays themselves."""
    return arrays.present[rows].reshape(-1, *[1] * len(arrays.shape))


def test_it_learns_a_hazard_where_the_outcome_is_a_time(tmp_path) -> None:
    cox = make_study("cox")
    study, graph = own(tmp_path, cox, Own(norm=False))
    _, measured = train_alone(study, [make_dataset(cox, tmp_path)], graph)
    assert next(figure.value for figure in measured.figures if figure.name == "c_index") > 0.6


def test_a_tensor_of_the_researchers_may_be_named_as_ours_are_and_be_negative(tmp_path) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Linear(6, 1)
            self.own = nn.ParameterDict({"scale": nn.Parameter(torch.tensor([-2.0]))})

        def forward(self, features):
            return self.features(features) * self.own["scale"]

    study, graph = own(tmp_path, make_study("logistic"), Scaled())
    check_weights(weights_of(build(study, graph)), declared_weights(study))
    taken = {**study.model.parameters, "features.scale": (1,)}
    with pytest.raises(ValueError, match=r"`features\.scale` is there twice, or its name is one of ours"):
        Study.model_validate({**study.as_json(), "model": {**study.model.as_json(), "parameters": taken}})


class Follows(nn.Module):
    """A recurrent network over the events of a patient, its state after the newest one."""

    def __init__(self) -> None:
        super().__init__()
        self.concepts = nn.Embedding(3, 3, padding_idx=0)
        self.follow = nn.LSTM(6, 6, batch_first=True)
        self.leave = nn.Linear(6 + 6, 1)

    def forward(self, features, concept, reading):
        states, _ = self.follow(torch.cat([self.concepts(concept), reading], 2))
        return self.leave(torch.cat([states[:, -1], features], 1))


def test_it_follows_a_sequence_to_its_newest_step(tmp_path) -> None:
    from rapha.sdk.export import export_model

    torch.manual_seed(3)
    given = (torch.randn(3, 6), torch.randint(0, 3, (3, 8)), torch.randn(3, 8, 3))
    graph = export_model(Follows(), given, tmp_path / "model.pt2").read_bytes()
    gru = make_study("gru", learning_rate=0.02, rounds=8)
    study = with_graph(gru, tmp_path / "model.pt2")
    assert {"sequence.mean", "sequence.scale", "follow.weight_hh_l0"} <= set(weights_of(build(study, graph)))
    assert set(weights_of(build(study, graph))) == set(declared_weights(study))
    _, measured = train_alone(study, [make_dataset(gru, tmp_path, rows=1500)], graph)
    found = {figure.name: figure.value for figure in measured.figures}
    plain, lines = own(tmp_path, make_study("logistic", learning_rate=0.02, rounds=8), Lines())
    _, without = train_alone(plain, [make_dataset_without_steps(gru, tmp_path)], lines)
    assert found["auroc"] > {figure.name: figure.value for figure in without.figures}["auroc"] + 0.05


def make_dataset_without_steps(gru: Study, tmp_path):
    from dataclasses import replace

    dataset = make_dataset(gru, tmp_path, rows=1500)
    return type(dataset)(*(replace(rows, sequences=None) for rows in (dataset.train, dataset.validation, dataset.test)))


def test_the_latest_steps_end_at_the_newest_and_begin_with_nothing() -> None:
    steps = Steps(torch.tensor([0, 1, 1, 0, 1]), torch.arange(15.0).reshape(5, 3), torch.tensor([0, 3, 3, 5]))
    concept, reading = steps.latest(torch.tensor([0, 1, 2]), 2)
    assert concept.tolist() == [[2, 2], [0, 0], [1, 2]]
    assert reading[:, :, 0].tolist() == [[3.0, 6.0], [0.0, 0.0], [9.0, 12.0]]
    assert steps.latest(torch.tensor([2]), 3)[0].tolist() == [[0, 1, 2]]
