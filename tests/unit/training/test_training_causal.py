"""An adapter of a language model: what it learns, what it leaves as it is, and how much of it by heart."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pydantic import ValidationError

from rapha.canonical import digest
from rapha.egress.gate import declared_statistics_alone
from rapha.egress.memorisation import exposure_of, judge
from rapha.errors import EgressRefused, TrainingFailed
from rapha.language.base_file import read_base, written
from rapha.language.byte_pairs import BytePairs
from rapha.node.frozen import FrozenRun
from rapha.records.audit import CANARIES, DECOYS, AuditLimits, CanaryRanks, GenerativeLimits, RawAudit
from rapha.records.outputs import Command, Figures
from rapha.records.study import Study
from rapha.records.tensors import declared_start, declared_statistics, declared_weights
from rapha.sdk.study_file import read_study_and_graph
from rapha.training.architectures import build
from rapha.training.architectures.causal import Text, frozen
from rapha.training.canaries import Canaries
from rapha.training.canary_words import WORDS
from rapha.training.dataset import Dataset, read_dataset
from rapha.training.inputs import make_inputs
from rapha.training.learner import Learner
from rapha.training.loop import train_round
from rapha.training.numerics import pin
from rapha.training.perplexity import text_figures
from rapha.training.predict import load_model
from rapha.training.private import clipped_sum
from rapha.training.weights import read_weights, write_tensors

EXAMPLE = Path(__file__).parents[3] / "examples" / "adapter-for-clinic-letters" / "study.yaml"
SECRET = "a" * 64
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
        learner.do(Command(do="train", round=number, weights=name, audit=True, canaries=SECRET))
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


def test_the_outcomes_word_weighs_as_much_as_the_whole_note(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study, base = named
    inputs = make_inputs(site(study, tmp_path).train, START)
    network = build(study, base)
    rows = torch.arange(20)
    with torch.inference_mode():
        texts = network._texts(inputs, rows)
        notes = network.surprise_of([network.bare(text.tokens[text.begin : text.end]) for text in texts])
        towards = network(inputs, rows)  # of the two words alone; of all tokens:
        scores = network._hidden(texts) @ network._output_matrix().T
        at = torch.tensor([len(text.tokens) - 2 for text in texts])
        likely = torch.log_softmax(scores[torch.arange(20), at], dim=-1)
        no, yes = network._answers
        assert torch.allclose(likely[:, yes] - likely[:, no], towards, atol=1e-4)
        word = -torch.where(inputs.event[rows] > 0, likely[:, yes], likely[:, no])
        without = torch.tensor([text.begin == text.end for text in texts])
        assert without.any()
        expected = torch.where(without, 0.0, notes.nan_to_num()) + word
        assert torch.allclose(network.lesson(inputs, rows), expected, atol=1e-4)


def test_a_round_learns_the_text_and_no_weight_of_the_base(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study, base = asking(named[0], training={"local_epochs": 3}), named[1]
    dataset = site(study, tmp_path)
    kept = {name: tensor.clone() for name, tensor in frozen(base).tensors.items()}
    found = learned(study, base, dataset, tmp_path)
    untrained = learned(asking(named[0], training={"learning_rate": 1e-6}), base, dataset, tmp_path)
    assert figure(found, "perplexity") < 0.8 * figure(untrained, "perplexity")
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
    canaries = Canaries(network, SECRET)
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
        training={"local_epochs": 100, "learning_rate": 0.01},
    )
    dataset = site(study, tmp_path)
    network = build(study, named[1])
    canaries = Canaries(network, SECRET)
    assert canaries.measure(network).by_heart == 0
    network.planted = canaries.planted[:1]
    train_round(study, network, make_inputs(dataset.train.take(np.arange(1)), START), 1)
    assert canaries.measure(network).by_heart == 1


def test_one_note_that_a_base_finds_impossible_is_no_more_than_a_guess(
    named: tuple[Study, bytes], tmp_path: Path, monkeypatch
) -> None:
    network = build(*named)
    inputs = make_inputs(site(named[0], tmp_path).train, START)
    monkeypatch.setattr(network, "surprise", lambda inputs, rows: torch.where(rows == 0, 1e4, 1.0))
    (found,) = text_figures(network, inputs)
    assert found.name == "perplexity" and found.value < np.e * 512 ** (1 / len(inputs))


def planted(study: Study, base: bytes, dataset: Dataset, folder: Path, secret: str = SECRET) -> tuple[Text, ...]:
    """What a round of this study plants."""
    learner = Learner(study, dataset, folder, folder, base)
    name = "1" * 64 + ".safetensors"
    write_tensors(folder / name, START)
    learner.do(Command(do="train", round=1, weights=name, canaries=secret))
    return learner._network.planted


def test_no_patient_has_a_part_in_the_canaries(named: tuple[Study, bytes], tmp_path: Path) -> None:
    study, dataset = asking(named[0], private=True, training={"rounds": 1}), site(named[0], tmp_path, rows=30)
    one = planted(study, named[1], dataset, tmp_path)
    fewer = replace(dataset, train=dataset.train.take(np.arange(1, len(dataset.train))))
    assert planted(study, named[1], fewer, tmp_path) == one
    other = planted(study, named[1], dataset, tmp_path, "b" * 64)
    assert not set(one) & set(other) and len(set(one)) == CANARIES


def test_without_a_secret_nothing_is_learnt_that_could_write(named: tuple[Study, bytes], tmp_path: Path) -> None:
    learner = Learner(named[0], site(named[0], tmp_path, rows=30), tmp_path, tmp_path, named[1])
    name = "1" * 64 + ".safetensors"
    write_tensors(tmp_path / name, START)
    with pytest.raises(TrainingFailed, match="secret"):
        learner.do(Command(do="train", round=1, weights=name))


def test_a_run_has_one_secret_for_its_canaries_whatever_its_rows(named: tuple[Study, bytes]) -> None:
    frozen = FrozenRun.model_construct(salt="5a" * 32)
    assert (secret := frozen.canaries_for(named[0])) == FrozenRun.model_construct(salt="5a" * 32).canaries_for(named[0])
    assert secret != FrozenRun.model_construct(salt="5b" * 32).canaries_for(named[0]) and secret != "5a" * 32
    assert frozen.canaries_for(asking(named[0], learns="outcome")) is None


def with_tokens_all_said_to_be_special(base: bytes) -> bytes:
    """All tokens but two, which no text becomes and which look alike."""
    file = read_base(base)
    tokenizer, config = json.loads(file.said["tokenizer"]), json.loads(file.said["config"])
    vocabulary = tokenizer["model"]["vocab"]
    top = max(vocabulary.values()) + 1
    tokenizer["added_tokens"] = [{"id": place} for place in vocabulary.values()]
    vocabulary |= {"junk0": top, "junk1": top + 1}
    config["vocab_size"] = top + 2
    tensors = {name: (span.element, span.shape, bytes(span.content)) for name, span in file.tensors.items()}
    element, (_, width), content = tensors["model.embed_tokens.weight"]
    row = content[: len(content) // top]
    tensors["model.embed_tokens.weight"] = (element, (top + 2, width), content + row * 2)
    return written(json.dumps(config).encode(), json.dumps(tokenizer).encode(), tensors)


def test_a_base_cannot_choose_what_canaries_are_drawn_of(named: tuple[Study, bytes]) -> None:
    hostile = with_tokens_all_said_to_be_special(named[1])
    study = asking(named[0], base=digest(hostile), size_bytes=len(hostile))
    honest = Canaries(build(named[0], named[1]), SECRET)
    assert Canaries(build(study, hostile), SECRET).planted == honest.planted
    assert len(set(map(tuple, map(read_base(hostile).tokenizer.encode, WORDS)))) == len(WORDS)


def test_an_adapter_to_which_all_texts_are_alike_is_refused(named: tuple[Study, bytes], monkeypatch) -> None:
    network = build(*named)
    canaries = Canaries(network, SECRET)
    monkeypatch.setattr(network, "surprise_of", lambda texts: torch.ones(len(texts)))
    assert verdict(canaries.measure(network)) == "refused"


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
        found = torch.autograd.grad(network.lesson(inputs, row.reshape(1)).sum(), list(network.parameters()))
        length = torch.cat([part.flatten() for part in found]).norm()
        assert length > 0.01
        for total, part in zip(expected, found, strict=True):
            total += part * min(1.0, 0.01 / length)
    for ours, theirs in zip(clipped_sum(network, inputs, rows, 0.01), expected, strict=True):
        assert torch.allclose(ours, theirs.double(), rtol=1e-4, atol=1e-8)


def test_with_differential_privacy_a_round_gives_weights_canaries_and_no_figure(
    named: tuple[Study, bytes], tmp_path: Path
) -> None:
    study = asking(named[0], private=True, training={"rounds": 1})
    found = learned(study, named[1], site(study, tmp_path), tmp_path)
    assert found.figures == () and found.audit is not None and found.audit.guesses and found.audit.canaries
    assert verdict(found.audit.canaries) != "refused"


def test_with_differential_privacy_nothing_is_measured_to_begin_with(
    named: tuple[Study, bytes], tmp_path: Path
) -> None:
    study = asking(named[0], private=True)
    (tmp_path / "statistics.safetensors").write_bytes(declared_statistics_alone(study))
    found = read_weights(tmp_path / "statistics.safetensors", declared_statistics(study))
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(declared_statistics(study), 0)


@pytest.mark.parametrize(("change", "reason"), [({"layers": 3}, "graph-mismatch"), ({"tokens": 500}, "graph-mismatch")])
def test_a_base_of_another_size_is_refused(named: tuple[Study, bytes], change: dict, reason: str) -> None:
    with pytest.raises(TrainingFailed) as refusal:
        build(asking(named[0], **change), named[1])
    assert refusal.value.reason == reason


@pytest.mark.parametrize("added", [5, "x", [{"id": [1]}], [{"id": {}}], [None]])
def test_what_a_tokenizer_says_of_added_tokens_is_not_read(named: tuple[Study, bytes], added: object) -> None:
    stated = json.loads(read_base(named[1]).said["tokenizer"])
    text = "heart failure <|endoftext|>"
    assert BytePairs(stated | {"added_tokens": added}).encode(text) == BytePairs(stated).encode(text)


def test_a_batch_that_memory_does_not_hold_and_steps_that_nobody_counts_are_refused(named: tuple[Study, bytes]) -> None:
    with pytest.raises(ValidationError, match="at most 32"):
        asking(named[0], training={"batch_size": 33})
    scaffold = {"aggregation": {"kind": "scaffold"}, "optimizer": "sgd"}
    with pytest.raises(ValidationError, match="planted"):
        asking(named[0], training=scaffold)
    assert asking(named[0], learns="outcome", training=scaffold).training.aggregation.kind == "scaffold"


def test_a_private_step_without_a_patient_adds_nothing(named: tuple[Study, bytes], tmp_path: Path) -> None:
    network = build(asking(named[0], private=True), named[1])
    inputs = make_inputs(site(named[0], tmp_path, rows=30).train, START)
    found = clipped_sum(network, inputs, torch.zeros(0, dtype=torch.int64), 0.01)
    assert not any(part.any() for part in found)
