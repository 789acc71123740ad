"""One figure out of several hospitals': of each segment by itself, over the hospitals that let it out, of the federated model alone."""

from typing import Any

from rapha.hub.pooling import pooled_segments
from rapha.records.metrics import SiteMetrics, StudyMetrics
from rapha.sdk.report.headline import segment_figures

STUDY = ("nodule", "lung")


def site(name: str, model: str = "federated", **dice: float) -> SiteMetrics:
    segments: list[dict[str, Any]] = [
        {"segment": segment, "score": {"name": "dice", "value": value}} for segment, value in dice.items()
    ]
    evaluation = {"model": model, "rows": {"about": 40}, "events": None, "scores": (), "segments": segments}
    return SiteMetrics.model_validate(
        {"site": name, "train_rows": {"about": 100}, "set_apart": {}, "evaluations": [evaluation]}
    )


def test_segments_are_pooled_each_by_itself() -> None:
    sites = [site("south", nodule=0.6), site("north", lung=0.9, nodule=0.8), site("west", "local", lung=0.1)]
    found = {one.segment: (one.score.value, one.score.method, one.score.sites) for one in pooled_segments(sites, STUDY)}
    assert found == {"nodule": (0.7, "row-weighted", 2), "lung": (0.9, "row-weighted", 1)}
    assert list(found) == list(STUDY)
    assert pooled_segments([site("north")], STUDY) == ()


def test_a_hospital_has_one_voice_of_a_segment_and_none_of_what_the_study_does_not_name() -> None:
    def loud(*told: tuple[str, str, float]) -> SiteMetrics:
        one = site("south")
        segments = [{"segment": segment, "score": {"name": name, "value": value}} for segment, name, value in told]
        evaluation = one.evaluations[0].model_dump() | {"segments": segments}
        return SiteMetrics.model_validate(one.model_dump() | {"evaluations": [evaluation]})

    honest = site("north", nodule=0.5)
    hostile = loud(*[("nodule", "dice", 0.7)] * 8, ("lung", "mae", 0.9), ("made-up", "dice", 0.9))
    (found,) = pooled_segments([honest, hostile], STUDY)
    assert (found.segment, found.score.value, found.score.sites) == ("nodule", 0.6, 2)
    for value in (1e9, -0.1):
        (found,) = pooled_segments([honest, loud(("nodule", "dice", value))], STUDY)
        assert (found.score.value, found.score.sites) == (0.5, 1)
    digest = "sha256:" + "0" * 64
    pooled = pooled_segments([honest, hostile], STUDY)
    metrics = StudyMetrics(
        study="a", study_digest=digest, pooled=(), sites=(honest, hostile), history=(), segments=pooled
    )
    assert segment_figures(metrics)[0] == ["Hospital", "Model", "Dice of nodule"]


def test_what_is_not_of_segments_is_written_as_before() -> None:
    assert "segments" not in site("north").model_dump(mode="json")["evaluations"][0]
    assert "segments" in site("north", nodule=0.8).model_dump(mode="json")["evaluations"][0]


def test_the_table_of_segments_has_a_dash_where_one_was_withheld() -> None:
    sites = (site("north", nodule=0.8, lung=0.9), site("south", nodule=0.6))
    digest = "sha256:" + "0" * 64
    metrics = StudyMetrics(
        study="a", study_digest=digest, pooled=(), sites=sites, history=(), segments=pooled_segments(sites, STUDY)
    )
    head, rows = segment_figures(metrics)
    assert head == ["Hospital", "Model", "Dice of nodule", "Dice of lung"]
    assert [row[2:] for row in rows] == [["0.800", "0.900"], ["0.600", "–"], ["0.700", "0.900"]]
    bare = metrics.model_copy(update={"sites": (site("north"),), "segments": ()})
    assert segment_figures(bare)[1] == [] and "segments" not in bare.model_dump(mode="json")
