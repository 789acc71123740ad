"""A researcher's own model from `nn.Module` to `load_state_dict`, through a real hub and real nodes; and files that only pretend."""

from pathlib import Path

import pytest
import torch
from made_up_people import write_study
from own_model import Own, respelt, stating
from safetensors.torch import load_file
from steward_at_hand import rapha_at_hand
from test_journey_whole_way import follow

import rapha
from rapha.cli.demo.town import Town
from rapha.errors import Unproven
from rapha.proof.verify import judge
from rapha.sdk.client import Client
from rapha.sdk.folder import read_folder
from rapha.sdk.study_file import read_study_and_graph

pytestmark = pytest.mark.slow
OWN = {"{architecture: logistic}": "{architecture: exported, graph: model.pt2}"}
FEATURES = 4


@pytest.fixture(scope="module")
def town(founded: Town) -> Town:
    founded.start_agents()
    return founded


def written(folder: Path, norm: bool = True, **changes: str) -> Path:
    torch.manual_seed(1)
    rapha.export_model(Own(FEATURES, norm), torch.randn(2, 2 * FEATURES), folder / "model.pt2")
    return write_study(folder / "study.yaml", at_least=2, **OWN, **changes)


def test_a_module_comes_back_trained_under_its_own_names(town: Town, client: Client, tmp_path: Path) -> None:
    submitted = client.submit(written(tmp_path))
    events = list(follow(client, submitted.study_id, town, typed=rapha_at_hand))
    assert events[-1].event == "study.completed", events[-1]
    model = client.fetch(submitted.study_id, tmp_path / "model")
    assert len(verdicts := judge(read_folder(model, None))) == 3 and all(verdict.ok for verdict in verdicts)

    torch.manual_seed(1)
    module, fresh = Own(FEATURES), Own(FEATURES).state_dict()
    module.load_state_dict(load_file(model / "module.safetensors"))
    state = module.state_dict()
    assert not torch.equal(state["norm.running_mean"], fresh["norm.running_mean"])
    assert torch.equal(state["weighing"], fresh["weighing"])

    weights = load_file(model / "model.safetensors")
    values = torch.tensor([[240.0, 35.0, 70.0, 1.0], [160.0, 70.0, 30.0, 0.0]])
    given = torch.cat([(values - weights["features.mean"]) / weights["features.scale"], torch.zeros(2, FEATURES)], 1)
    loaded = rapha.load(model)
    risks = loaded.predict(dict(zip(loaded.features, values.T.tolist(), strict=True)))
    with torch.no_grad():
        assert risks == pytest.approx(torch.sigmoid(module.eval()(given)).numpy(), abs=1e-5)
    assert risks[0] > risks[1]

    (model / "model.pt2").write_bytes((model / "model.pt2").read_bytes()[:-1] + b"\1")
    with pytest.raises(Unproven, match=r"model\.pt2 is not the file"):
        rapha.load(model)


def test_it_trains_with_differential_privacy(town: Town, client: Client, tmp_path: Path) -> None:
    terms = (
        "{min_cohort: 25, differential_privacy: {epsilon: 3, delta: 1.0e-5, "
        "ranges: {cholesterol: [100, 350], hdl: [20, 100], age: [18, 100], sex: [0, 1]}}}"
    )
    changes = {"{min_cohort: 25}": terms, ", batch_size: 64": "", "study: made-up": "study: made-up-own-private"}
    submitted = client.submit(written(tmp_path, norm=False, **changes))
    events = list(follow(client, submitted.study_id, town, typed=rapha_at_hand))
    assert events[-1].event == "study.completed", events[-1]
    model = client.fetch(submitted.study_id, tmp_path / "model")
    assert all(verdict.ok for verdict in judge(read_folder(model, None)))
    Own(FEATURES, norm=False).load_state_dict(load_file(model / "module.safetensors"))


def with_operator(content: bytes) -> bytes:
    def change(model, tensors):
        for node in model["graph_module"]["graph"]["nodes"]:
            if node["target"].endswith("relu.default"):
                node["target"] = "torch.ops.aten.from_file.default"

    return respelt(content, change)


def test_a_file_that_only_pretends_ends_in_the_sandbox_with_its_reason(
    town: Town, client: Client, tmp_path: Path
) -> None:
    """As from a researcher who does not use our SDK: the hub takes the bytes, hospitals approve, and no row is trained on. Every other way
    to spoil a file, and its reason: `boundaries/test_hostile_graph.py` and `unit/training/test_training_exported.py`."""
    study, graph = read_study_and_graph(written(tmp_path))
    assert graph is not None
    spoilt = with_operator(graph)
    submitted = client.submit(stating(study, spoilt, tmp_path / "model.pt2"), spoilt)
    events = list(follow(client, submitted.study_id, town, typed=rapha_at_hand))
    assert events[-1].event == "study.failed", events[-1]
    reasons = {each.reason for each in client.status(submitted.study_id).dispatches}
    assert reasons - {None} == {
        "operator-not-allowed"
    }  # the first no ends the study: a hospital that is slower says none
    assert not [event for event in events if event.event == "round.closed"]
