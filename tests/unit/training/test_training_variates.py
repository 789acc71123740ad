"""SCAFFOLD, hub and hospitals together, against algorithm 1 of the paper written down in plain numpy."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
import torch
from made_up_site import make_study, make_table, write_rows
from safetensors.numpy import load, save

from rapha.egress.variates import renewed_variates
from rapha.hub import tensors
from rapha.hub.aggregation import Part, combined
from rapha.hub.blobs import BlobMemory, put, read
from rapha.hub.variates import drift_of
from rapha.records.record import SiteId, TaskId
from rapha.records.task import Update
from rapha.records.tensors import declared_weights
from rapha.records.travel import keeps_at_sites
from rapha.records.variates import VARIATE, declared_given, declared_variates, local_steps
from rapha.training.architectures import build
from rapha.training.dataset import pool, read_dataset
from rapha.training.inputs import make_inputs
from rapha.training.loop import train_round
from rapha.training.numerics import generator
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import load_into, weights_of

ROWS = {"east": 90, "north": 300, "south": 50}
ABSENT = {3: "north", 4: "east", 5: "east"}
SCAFFOLD = {"kind": "scaffold", "learning_rate": 0.7}


def study_of(**training):
    return make_study("mlp", aggregation=SCAFFOLD, optimizer="sgd", batch_size=32, local_epochs=2, **training)


def update_of(site, weight):
    nothing = "sha256:" + "0" * 64
    return Update(
        task=TaskId("t"), study_digest=nothing, site=SiteId(site), round=1, do="train", weights_in=nothing,
        weights_out=nothing, weight=weight,
    )  # fmt: skip


class Federation:
    """The hospitals' gradients are dice; everything else is the product's own."""

    def __init__(self, study):
        self.study, self.blobs, self.dice = study, BlobMemory(), np.random.default_rng(3)
        self.declared, self.variates = declared_weights(study), declared_variates(study)
        self.given, self.own = None, {}

    def round(self, number, sites, orders=itertools.permutations):
        before = load(read(self.blobs, self.given)) if self.given else None
        sent = {site: self.trained(site, before) for site in sites}
        updates = {site: update_of(site, ROWS[site]) for site in sites}
        parts = [Part(site, put(self.blobs, save(weights)), ROWS[site]) for site, (weights, _) in sent.items()]
        drift = drift_of(self.study, updates, ROWS)
        ways = {combined(self.blobs, list(order), self.declared, self.study.training.aggregation, self.given, (), drift)
                for order in orders(parts)}  # fmt: skip
        assert len(ways) == 1, "the bits depend on the order of arrival"
        if before is not None:
            for site, (weights, _) in sent.items():
                given = read(self.blobs, self.given)
                own = save(self.own[site]) if site in self.own else None
                renewed = renewed_variates(own, given, save(weights), self.study, ROWS[site])
                self.own[site] = load(renewed)
        self.given = ways.pop().weights
        return before, sent

    def trained(self, site, before):
        """What a hospital sends whose mean gradient is what the dice say, and those gradients."""
        gradients = {name: self.dice.normal(size=spec.shape) for name, spec in self.declared.items()}
        if before is None:
            return {name: g.astype(np.float32) for name, g in gradients.items()}, gradients
        length = self.study.training.learning_rate * local_steps(self.study.training, ROWS[site])
        sent = {}
        for name, start in before.items():
            if name.startswith(VARIATE):
                continue
            step = gradients[name] if VARIATE + name in self.variates else 0 * gradients[name]
            if VARIATE + name in self.variates:
                step = step - self.own.get(site, {}).get(VARIATE + name, 0) + before[VARIATE + name]
            sent[name] = (start - length * step).astype(np.float32)
        return sent, gradients


def test_six_rounds_are_those_of_the_paper_with_hospitals_that_leave_and_come_back(monkeypatch):
    monkeypatch.setattr(tensors, "BLOCK_ELEMENTS", 7)
    study = study_of()
    town, everybody = Federation(study), sum(ROWS.values())
    own = {site: {name: np.zeros(spec.shape) for name, spec in town.variates.items()} for site in ROWS}
    server = {name: np.zeros(spec.shape) for name, spec in town.variates.items()}
    for number in range(1, 7):
        sites = [site for site in ROWS if ABSENT.get(number) != site]
        before, sent = town.round(number, sites)
        after, rows = load(read(town.blobs, town.given)), [ROWS[site] for site in sites]
        if before is None:
            for name in town.declared:
                mean = np.average([sent[site][0][name] for site in sites], axis=0, weights=rows)
                np.testing.assert_allclose(after[name], mean, rtol=1e-6)
            assert all(not after[name].any() for name in town.variates)
            continue
        for name in town.declared:
            change = np.average([sent[s][0][name] - np.float64(before[name]) for s in sites], axis=0, weights=rows)
            np.testing.assert_allclose(after[name], before[name] + 0.7 * change, rtol=1e-5, atol=1e-6)
        for name in town.variates:
            # c_i+ is the mean gradient along the site's way; c moves by what those of the round changed, of all there are.
            new = {site: sent[site][1][name.removeprefix(VARIATE)] for site in sites}
            moved = sum(ROWS[site] * (new[site] - own[site][name]) for site in sites)
            server[name] = server[name] + moved / everybody
            for site in sites:
                own[site][name] = new[site]
                np.testing.assert_allclose(town.own[site][name], own[site][name], rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(after[name], server[name], rtol=1e-4, atol=1e-4)
            mean = np.average([own[site][name] for site in ROWS], axis=0, weights=list(ROWS.values()))
            np.testing.assert_allclose(after[name], mean, rtol=1e-4, atol=1e-4)


def test_standards_have_no_variate_and_round_one_starts_without_any():
    study = study_of()
    assert keeps_at_sites(study) and not keeps_at_sites(make_study("mlp"))
    assert {name.removeprefix(VARIATE) for name in declared_variates(study)} == {
        name for name in declared_weights(study) if not name.startswith("features.")
    }
    assert not any(name.startswith(VARIATE) for name in declared_given(study, 1))
    assert set(declared_given(study, 2)) == {*declared_weights(study), *declared_variates(study)}


@pytest.mark.parametrize(("rows", "steps"), [(1, 2), (32, 2), (33, 4), (320, 20)])
def test_steps_are_reckoned_from_the_rounded_rows(rows, steps):
    assert local_steps(study_of().training, rows) == steps


def skewed(study, folder, seed, column):
    """A hospital whose outcome hangs on one of the features alone."""
    table, dice = make_table(study, rows=400, seed=seed), np.random.default_rng(seed)
    values = np.nan_to_num(table[column].to_numpy(), nan=50.0)
    risk = 2.0 * (values - values.mean()) / values.std()
    label = pa.array((dice.random(len(values)) < 1 / (1 + np.exp(-risk))).astype(int), pa.int8())
    return read_dataset(
        study,
        write_rows(folder / f"{column}.arrow", table.set_column(table.column_names.index("label"), "label", label)),
    )


def slope_of_all(folder, aggregation, rounds=30):
    """The length of the pooled rows' gradient at the end: 0 where the model is what the pooled rows would have given."""
    study = make_study(
        "logistic", aggregation=aggregation, optimizer="sgd", batch_size=65_536, local_epochs=20, learning_rate=0.5
    )
    columns = {"east": "age", "north": "last_hdl_until_2years", "south": "sex"}
    sites = {site: skewed(study, folder, seed, column) for seed, (site, column) in enumerate(columns.items())}
    start = start_of(feature_statistics(study, pool(list(sites.values())).train))
    inputs = {site: make_inputs(dataset.train, start) for site, dataset in sites.items()}
    blobs, given, own = BlobMemory(), None, {}
    network = build(study, None)
    for number in range(1, rounds + 1):
        before = load(read(blobs, given)) if given else None
        parts, updates = [], {}
        for site, rows in inputs.items():
            network.reset(generator(study.training.seed, "weights"))
            load_into(network, {n: v for n, v in (before or start).items() if not n.startswith(VARIATE)})
            mine = load(own[site]) if site in own else {}
            added = (
                {n.removeprefix(VARIATE): before[n] - mine.get(n, np.float32(0)) for n in declared_variates(study)}
                if before
                else None
            )
            train_round(study, network, rows, number, added or None)
            left, weight = save(weights_of(network)), len(rows)
            if before and added:
                own[site] = renewed_variates(own.get(site), read(blobs, given), left, study, weight)
            parts.append(Part(site, put(blobs, left), weight))
            updates[site] = update_of(site, weight)
        goes_on = declared_variates(study) and number < rounds
        drift = drift_of(study, updates, {s: u.weight for s, u in updates.items()}) if goes_on else None
        given = combined(blobs, parts, declared_weights(study), study.training.aggregation, given, (), drift).weights
    load_into(network, load(read(blobs, given)))
    everybody = make_inputs(pool(list(sites.values())).train, start)
    score = network(everybody, torch.arange(len(everybody)))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(score, everybody.event)
    slopes = torch.autograd.grad(loss, list(network.parameters()))
    return float(torch.cat([slope.flatten() for slope in slopes]).norm())


def test_where_hospitals_differ_it_comes_to_rest_where_the_pooled_rows_would(tmp_path):
    averaged, corrected = (slope_of_all(tmp_path, each) for each in ("fedavg", "scaffold"))
    assert averaged > 0.01
    assert corrected < averaged / 20
