"""An adapter of a language model: what it learns, what it leaves as it is, and how much of it by heart."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from rapha.egress.memorisation import exposure_of, judge
from rapha.errors import EgressRefused, TrainingFailed
from rapha.records.audit import CANARIES, DECOYS, AuditLimits, CanaryRanks, GenerativeLimits, RawAudit
from rapha.records.outputs import Command, Figures
from rapha.records.study import Study
from rapha.records.tensors import declared_start, declared_weights
from rapha.sdk.study_file import read_study_and_graph
from rapha.training.architectures import build
from rapha.training.architectures.causal import frozen
from rapha.training.canaries import Canaries
from rapha.training.dataset import Dataset, read_dataset
from rapha.training.inputs import make_inputs
from rapha.training.learner import Learner
from rapha.training.loop import train_round
from rapha.training.numerics import pin
from rapha.training.predict import load_model
from rapha.training.private import clipped_sum
from rapha.training.weights import read_weights, write_tensors

EXAMPLE = Path(__file__).parents[3] / "examples" / "adapter-for-clinic-letters" / "study.yaml"
START = {"features.mean": np.zeros(0, np.float32), "features.scale": np.ones(0, np.float32)}
SAID = {False: "no failure, good breath", True: "heart failure, in pain"}


@pytest.fixture(scope="module")
def named() -> tuple[Study, bytes]:
    pin()
    study, base = read_study_and_graph(EXAMPLE)
    assert base is not None
    return study, base


def asking(study: Study, private: bool = False, training: dict | None = None, **model) -> Study:
    stated = study.as_json()
    stated["model"] |= {"tokens": 32} | model
    stated["training"] |= training or {}
    if private:
        stated["training"].pop("batch_size", None)
        stated["privacy"]["differential_privacy"] = {"epsilon": 8, "delta": 1e-5, "sampling_rate": 0.1}
    return Study.model_validate(stated)


def site(study: Study, folder: Path, rows: int = 90) -> Dataset:
    """Letters of two kinds, the outcome with them; every ninth patient has none."""
    chance = np.random.default_rng(3)
    sick = chance.random(rows) < 0.4
    note = study.features[0]
    texts = [note.encode(f"Letter {chance.integers(10_000)}: {SAID[bool(ill)]}.".encode()) for ill in sick]
    column = pa.FixedSizeListArray.from_arrays(
        pa.array(np.frombuffer(b"".join(texts), np.uint8)), note.at_most, mask=pa.array(np.arange(rows) % 9 == 0)
    )
    split = pa.array(chance.choice(3, rows, p=[0.6, 0.15, 0.25]), pa.int8())
    table = pa.table({"split": split, note.name: column, "label": pa.array(sick.astype(int), pa.int8())})
    path = folder / "rows.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return read_dataset(study, path)


def learned(study: Study, base: bytes, dataset: Dataset, folder: Path, rounds: int = 1) -> Figures:
    for place in ("weights", "output"):
        (folder / place).mkdir(exist_ok=True)
    learner = Learner(study, dataset, folder / "weights", folder / "output", base)
    name = "0" * 64 + ".safetensors"
    write_tensors(folder / "weights" / name, START)
    for number in range(1, rounds + 1):
        learner.do(Command(do="train", round=number, weights=name, audit=True))
        (folder / "weights" / name).write_bytes((folder / "output" / "weights.safetensors").read_bytes())
    return Figures.from_bytes((folder / "output" / "figures.json").read_bytes())


def figure(found: Figures, name: str) -> float:
    return next(one.value for one in found.figures if one.name == name)


def test_the_first_model_is_the_base(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study, base = named
    inputs = make_inputs(site(study, tmp_path).train, START)
    network = build(study, base)
    rows = torch.arange(len(inputs))
    with torch.inference_mode(), network.adapter_left_out():
        before = network(inputs, rows)
    with torch.inference_mode():
        assert torch.equal(before, network(inputs, rows)) and len(before) == len(inputs)
        first = network.surprise(inputs, rows)
        assert torch.allclose(first[5:7], network.surprise(inputs, rows[5:7]), atol=1e-5)  # whatever lies beside a text


def test_a_round_learns_the_text_and_no_weight_of_the_base(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study, base = asking(named[0], training={"local_epochs": 3}), named[1]
    dataset = site(study, tmp_path)
    kept = {name: tensor.clone() for name, tensor in frozen(base).tensors.items()}
    found = learned(study, base, dataset, tmp_path)
    assert figure(found, "perplexity") < 0.8 * figure(found, "perplexity_before")
    assert all(torch.equal(kept[name], tensor) for name, tensor in frozen(base).tensors.items())
    weights = read_weights(tmp_path / "output" / "weights.safetensors", declared_weights(study))
    assert {name for name in weights if not name.startswith("features.")} == set(study.model.parameters)
    assert all("lora_" in name for name in study.model.parameters)
    assert declared_start(study).keys() == START.keys()


def test_the_outcome_alone_can_be_learnt(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study = asking(named[0], learns="outcome", targets=["q_proj", "v_proj", "up_proj", "down_proj"],
                   training={"local_epochs": 12, "learning_rate": 0.01})  # fmt: skip
    found = learned(study, named[1], site(study, tmp_path), tmp_path)
    assert figure(found, "auroc") > 0.85
    assert found.audit is not None and found.audit.canaries is None


def test_a_delivered_adapter_predicts(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study, base = named
    dataset = site(study, tmp_path)
    learned(study, base, dataset, tmp_path)
    weights = read_weights(tmp_path / "output" / "weights.safetensors", declared_weights(study))
    model = load_model(study, weights, base)
    texts = ["Letter 12: heart failure, in pain.", None, "<|endoftext|>"]
    risks = model.predict({study.features[0].name: texts})
    assert risks.shape == (3,) and ((risks > 0) & (risks < 1)).all() and len(set(risks.tolist())) == 3


def test_one_round_twice_gives_the_same_bits(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study, dataset = asking(named[0]), site(named[0], tmp_path)
    said = []
    for _ in range(2):
        learned(study, named[1], dataset, tmp_path)
        said.append((tmp_path / "output" / "weights.safetensors").read_bytes())
    assert said[0] == said[1]


def raw(ranks: CanaryRanks) -> RawAudit:
    return RawAudit(members=60, held_out=40, recognised=0.5, canaries=ranks)


def verdict(ranks: CanaryRanks | None, **limits: float) -> str:
    audit = RawAudit(members=60, held_out=40, recognised=0.5, canaries=ranks)
    return judge(audit, AuditLimits(), 60, 40, 1.0, None, GenerativeLimits(**limits)).verdict


def test_what_is_learnt_by_heart_is_refused_and_what_is_not_passes(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study, base = asking(named[0]), named[1]
    dataset = site(study, tmp_path)
    clean = learned(study, base, dataset, tmp_path).audit
    assert clean is not None and clean.canaries is not None
    assert verdict(clean.canaries) != "refused"
    # An adapter of which much is asked for long, over few letters, knows its canaries.
    greedy = asking(named[0], rank=32, targets=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
                    training={"local_epochs": 40, "learning_rate": 0.01})  # fmt: skip
    network = build(greedy, base)
    canaries = Canaries(network, dataset.train)
    network.planted = canaries.planted
    inputs = make_inputs(dataset.train.take(np.arange(8)), START)
    train_round(greedy, network, inputs, 1)
    found = canaries.measure(network)
    assert exposure_of(found) > 6 and verdict(found) == "refused"
    # The same adapter, had they not been among its letters.
    network = build(greedy, base)
    train_round(greedy, network, inputs, 1)
    assert verdict(canaries.measure(network)) != "refused"


def test_an_adapter_that_writes_a_canary_is_found(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study = asking(
        named[0],
        rank=32,
        targets=["q_proj", "v_proj", "up_proj", "down_proj"],
        training={"local_epochs": 100, "learning_rate": 0.02},
    )
    dataset = site(study, tmp_path)
    network = build(study, named[1])
    canaries = Canaries(network, dataset.train)
    assert canaries.measure(network).by_heart == 0
    network.planted = canaries.planted[:2]
    train_round(study, network, make_inputs(dataset.train.take(np.arange(1)), START), 1)
    assert canaries.measure(network).by_heart == 2


def test_canaries_are_the_sites_own(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study, dataset = named[0], site(named[0], tmp_path)
    network = build(study, named[1])
    one, again = (Canaries(network, dataset.train).planted for _ in range(2))
    other = Canaries(network, dataset.train.take(np.arange(1, len(dataset.train)))).planted
    assert one == again and not set(one) & set(other) and len(set(one)) == CANARIES


def ranks(above: int, by_heart: int = 0, planted: int = CANARIES, decoys: int = DECOYS) -> CanaryRanks:
    return CanaryRanks(decoys=decoys, likelier=(above,) * planted, by_heart=by_heart)


def test_exposure_is_judged_and_nothing_else_passes() -> None:
    assert exposure_of(ranks(1023)) == 0 and exposure_of(ranks(0)) == 10 and exposure_of(ranks(127)) == 3
    assert [verdict(ranks(above)) for above in (127, 126, 0)] == ["passed", "refused", "refused"]
    assert verdict(ranks(1000, by_heart=1)) == "refused"
    assert [verdict(ranks(127), exposure=limit) for limit in (2.9, 3.1)] == ["refused", "passed"]
    for wrong in (None, ranks(500, planted=1), ranks(500, decoys=600), ranks(1024), ranks(500, by_heart=17)):
        with pytest.raises(EgressRefused) as refusal:
            verdict(wrong)
        assert refusal.value.reason == "output-malformed"


def test_chance_is_seldom_refused() -> None:
    chance = np.random.default_rng(5)
    tried = [
        CanaryRanks(decoys=DECOYS, likelier=tuple(each), by_heart=0)
        for each in chance.integers(0, DECOYS + 1, (2000, CANARIES)).tolist()
    ]
    assert sum(exposure_of(each) > GenerativeLimits().exposure for each in tried) <= 5
    assert np.mean([exposure_of(each) for each in tried]) == pytest.approx(1.44, abs=0.03)


def test_the_gradient_of_each_row_is_shortened_by_itself(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study = asking(named[0], private=True)
    network = build(study, named[1])
    inputs = make_inputs(site(study, tmp_path).train, START)
    rows = torch.tensor([1, 2, 3])
    expected = [torch.zeros_like(parameter) for parameter in network.parameters()]
    for row in rows:
        found = torch.autograd.grad(network.surprise(inputs, row.reshape(1)).sum(), list(network.parameters()))
        length = torch.cat([part.flatten() for part in found]).norm()
        assert length > 0.01
        for total, part in zip(expected, found, strict=True):
            total += part * min(1.0, 0.01 / length)
    for ours, theirs in zip(clipped_sum(network, inputs, rows, 0.01), expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-8)


def test_with_differential_privacy_a_round_gives_weights_canaries_and_no_figure(
    named: tuple[Study, bytes], tmp_path: Path
) -> None:
    study = asking(named[0], private=True, training={"rounds": 1})
    found = learned(study, named[1], site(study, tmp_path), tmp_path)
    assert found.figures == () and found.audit is not None and found.audit.guesses and found.audit.canaries
    assert verdict(found.audit.canaries) != "refused"


@pytest.mark.parametrize(("change", "reason"), [({"layers": 3}, "graph-mismatch"), ({"tokens": 500}, "graph-mismatch")])
def test_a_base_of_another_size_is_refused(named: tuple[Study, bytes], change: dict, reason: str) -> None:
    with pytest.raises(TrainingFailed) as refusal:
        build(asking(named[0], **change), named[1])
    assert refusal.value.reason == reason
