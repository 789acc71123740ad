"""One figure out of several hospitals' figures. Pure.

Fixed-effect inverse-variance meta-analysis: Borenstein et al., A basic introduction to fixed-effect and random-effects
models for meta-analysis, Res Synth Methods 2010, section 2.
"""

import math
from collections.abc import Mapping, Sequence

from rapha.records.metrics import METRICS, Evaluation, PooledScore, PooledSegment, RoundScores, Score, SiteMetrics
from rapha.records.task import Update

Z95 = 1.959963984540054
"""Half the width of a 95 % interval, in standard errors."""


def pooled_scores(sites: Sequence[SiteMetrics]) -> tuple[PooledScore, ...]:
    """Each figure of the federated model that any site gives, over the sites that give it, in the order of METRICS."""
    evaluations = _federated(sites)
    pooled = (_pooled([(each, score) for each in evaluations if (score := each.score(name))]) for name in METRICS)
    return tuple(score for score in pooled if score)


def pooled_segments(sites: Sequence[SiteMetrics], segments: Sequence[str]) -> tuple[PooledSegment, ...]:
    """The Dice of each of the study's several `segments`, in its order, over the sites that give it. What a site says of a name that is not
    the study's, a second time of one, or what is no Dice from 0 to 1, is passed over: a site has one voice."""
    evaluations = _federated(sites)
    pooled = (
        (name, _pooled([(each, score) for each in evaluations if (score := _dice_of(each, name))])) for name in segments
    )
    return tuple(PooledSegment(segment=name, score=score) for name, score in pooled if score)


def _dice_of(evaluation: Evaluation, segment: str) -> Score | None:
    first = next((one.score for one in evaluation.segments if one.segment == segment), None)
    return first if first and first.name == "dice" and 0 <= first.value <= 1 else None


def _federated(sites: Sequence[SiteMetrics]) -> list[Evaluation]:
    in_order = sorted(sites, key=lambda site: site.site)
    return [each for site in in_order for each in site.evaluations if each.model == "federated"]


def _pooled(scored: Sequence[tuple[Evaluation, Score]]) -> PooledScore | None:
    if not scored:
        return None
    name = scored[0][1].name
    errors = [_standard_error(score) for _, score in scored]
    if all(errors):
        weights = [1.0 / (error * error) for error in errors if error]
        value = _mean([score.value for _, score in scored], weights)
        half = Z95 / math.sqrt(math.fsum(weights))
        return _figure(name, value, "inverse-variance", len(scored), value - half, value + half)
    weights = [float(evaluation.rows.about or 0) for evaluation, _ in scored]
    if not any(weights):
        weights = [1.0] * len(scored)
    return _figure(name, _mean([score.value for _, score in scored], weights), "row-weighted", len(scored))


def _figure(
    name: str, value: float, method: str, sites: int, low: float | None = None, high: float | None = None
) -> PooledScore:
    bounds = {"low": _rounded(low), "high": _rounded(high)}
    return PooledScore.model_validate(
        {"name": name, "value": _rounded(value), "method": method, "sites": sites, **bounds}
    )


def _standard_error(score: Score) -> float | None:
    """Read from the interval; None where there is none, or it has no width."""
    if score.low is None or score.high is None or score.high <= score.low:
        return None
    return (score.high - score.low) / (2 * Z95)


def mean_scores(updates: Mapping[str, Update]) -> tuple[Score, ...]:
    """The sites' scores of one round, each weighted by its site's training rows."""
    found = []
    for name in METRICS:
        scored = [
            (score.value, float(updates[site].weight))
            for site in sorted(updates)
            for score in updates[site].scores
            if score.name == name
        ]
        if scored:
            value = _rounded(_mean([value for value, _ in scored], [rows for _, rows in scored]))
            found.append(Score.model_validate({"name": name, "value": value}))
    return tuple(found)


def round_scores(number: int, updates: Mapping[str, Update]) -> RoundScores:
    """One line of the history."""
    sites = {site: updates[site].scores for site in sorted(updates)}
    return RoundScores(round=number, mean=mean_scores(updates), sites=sites)


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return math.fsum(v * w for v, w in zip(values, weights, strict=True)) / math.fsum(weights)


def _rounded(value: float | None) -> float | None:
    """Six decimals: more would only show where the bits of the sum differ."""
    return None if value is None else round(value, 6)
