"""One figure out of several hospitals': of each segment by itself, over the hospitals that let it out, of the federated model alone."""

from typing import Any

from rapha.hub.pooling import pooled_segments
from rapha.records.metrics import SiteMetrics, StudyMetrics
from rapha.sdk.report.headline import segment_figures


def site(name: str, model: str = "federated", **dice: float) -> SiteMetrics:
    segments: list[dict[str, Any]] = [
        {"segment": segment, "score": {"name": "dice", "value": value}} for segment, value in dice.items()
    ]
    evaluation = {"model": model, "rows": {"about": 40}, "events": None, "scores": (), "segments": segments}
    return SiteMetrics.model_validate(
        {"site": name, "train_rows": {"about": 100}, "set_apart": {}, "evaluations": [evaluation]}
    )


def test_segments_are_pooled_each_by_itself() -> None:
    sites = [site("south", nodule=0.6), site("north", nodule=0.8, lung=0.9), site("west", "local", lung=0.1)]
    found = {one.segment: (one.score.value, one.score.method, one.score.sites) for one in pooled_segments(sites)}
    assert found == {"nodule": (0.7, "row-weighted", 2), "lung": (0.9, "row-weighted", 1)}
    assert pooled_segments([site("north")]) == ()


def test_what_is_not_of_segments_is_written_as_before() -> None:
    assert "segments" not in site("north").model_dump(mode="json")["evaluations"][0]
    assert "segments" in site("north", nodule=0.8).model_dump(mode="json")["evaluations"][0]


def test_the_table_of_segments_has_a_dash_where_one_was_withheld() -> None:
    sites = (site("north", nodule=0.8, lung=0.9), site("south", nodule=0.6))
    digest = "sha256:" + "0" * 64
    metrics = StudyMetrics(
        study="a", study_digest=digest, pooled=(), sites=sites, history=(), segments=pooled_segments(sites)
    )
    head, rows = segment_figures(metrics)
    assert head == ["Hospital", "Model", "Dice of nodule", "Dice of lung"]
    assert [row[2:] for row in rows] == [["0.800", "0.900"], ["0.600", "–"], ["0.700", "0.900"]]
    bare = metrics.model_copy(update={"sites": (site("north"),), "segments": ()})
    assert segment_figures(bare)[1] == [] and "segments" not in bare.model_dump(mode="json")
