"""The few numbers and sentences a reader takes home, and the tables under the figures."""

from collections.abc import Sequence
from typing import NamedTuple

from rapha.policy.explain import SENTENCES
from rapha.records.metrics import METRICS, Count, Evaluation, SiteMetrics, StudyMetrics
from rapha.records.study import Study
from rapha.sdk.report.findings import Findings
from rapha.sdk.report.forest import ALL, TOGETHER, Row

LABELS = {
    "loss": "Loss",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "brier": "Brier score",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "c_index": "C-index",
    "r2": "R²",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "macro_auroc": "AUROC, mean over classes",
    "accuracy": "Accuracy",
    "perplexity": "Perplexity",
    "dice": "Dice",
}
HEADLINE = {
    "binary": "auroc",
    "time-to-event": "c_index",
    "numeric": "r2",
    "categorical": "macro_auroc",
    "segment": "dice",
}
"""Of each kind of outcome, the figure it is judged by."""
MODELS = {"federated": "Federated", "local": "Own model", "personal": "Federated, own last layer"}


class SiteRow(NamedTuple):
    """One hospital's line in the table of who took part. Counts are words: `about 1,240`, `below 25`."""

    site: str
    decision: str
    decided_by: str
    patients: str
    train_rows: str
    set_apart: str
    test_rows: str
    isolation: str
    why: str


def main_metric(study: Study) -> str:
    """The figure a study of this kind is judged by."""
    return HEADLINE[study.outcome.kind]


def count(number: Count | None) -> str:
    """`about 1,240`, `below 25`, with a space that does not break; a dash where nothing was let out."""
    if number is None:
        return "–"
    return f"about\u00a0{number.about:,}" if number.about is not None else f"below\u00a0{number.below}"


def all_patients(findings: Findings) -> str:
    """The sum of the rounded sizes of the cohorts, as far as it can be said: of a hospital that was gone at the end nothing can."""
    sizes = [release.cohort.patients for release in findings.releases.values()]
    known = [size.about for size in sizes if size.about is not None]
    if not known:
        return "–"
    whole = len(known) == len(sizes) and not findings.gone_at_the_end
    return f"{sum(known):,}" + ("" if whole else " or more")


def take_home(rows: Sequence[Row]) -> tuple[str, ...]:
    """What the forest plot says, in sentences."""
    by_group: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_group.setdefault(row.group, {})[row.kind] = row
    sites = {group: kinds for group, kinds in by_group.items() if group not in (ALL, TOGETHER)}
    said = _against_own(
        {
            g: kinds["federated"].value - kinds["local"].value
            for g, kinds in sites.items()
            if {"federated", "local"} <= set(kinds)
        }
    )
    pot = by_group.get(TOGETHER, {})
    if "federated" in pot and "comparison" in pot:
        other = pot["comparison"]
        gap = pot["federated"].value - other.value
        said.append(
            f"On all held-out patients in one pot it reaches {pot['federated'].value:.3f}; "
            f"“{other.model}” reaches {other.value:.3f}: a difference of {_signed(gap)}."
        )
    return tuple(said)


def _against_own(gains: dict[str, float]) -> list[str]:
    if not gains:
        return []
    better = sum(gain > 0 for gain in gains.values())
    best, worst = max(gains, key=gains.__getitem__), min(gains, key=gains.__getitem__)
    said = f"The federated model scores higher than the hospital's own at {better} of {len(gains)}"
    if len(gains) == 1:
        return [f"{said} ({_signed(gains[best])})."]
    return [f"{said}, from {_signed(gains[worst])} at {worst} to {_signed(gains[best])} at {best}."]


def site_rows(findings: Findings) -> list[SiteRow]:
    """Everybody who was asked: those who took part to the end, those whose updates are in the model and who were gone at the end, then those
    who said no."""
    rows = [_took_part(findings, site) for site in findings.metrics.sites]
    denials = findings.aggregation.denials if findings.aggregation else {}
    gone = findings.gone_at_the_end
    said = {site: f"{SENTENCES.get(code, 'No reason known.')} ({code})" for site, code in sorted(denials.items())}
    for site, rounds in gone.items():
        why = " ".join((gone_in_words(rounds), *([said.pop(site)] if site in said else [])))
        rows.append(_without_figures(site, "Left before the end", why))
    return rows + [_without_figures(site, "Declined", why) for site, why in said.items()]


def gone_in_words(rounds: int | None) -> str:
    """What is to be known of a hospital that was gone at the end, with updates of so many rounds of training in the model; None: nobody
    can say of how many."""
    went_in = f"Its updates of {'one round' if rounds == 1 else f'{rounds} rounds'} of training went into the model."
    if rounds is None:
        went_in = "It trained; of how many rounds its updates are in the model is not known: no receipt here that verifies says which round's it is."
    return (
        f"{went_in} It handed in nothing of the final round: it did not test the model, and there is no receipt of it."
    )


def _without_figures(site: str, decision: str, why: str) -> SiteRow:
    return SiteRow(site, decision, "–", "–", "–", "–", "–", "–", why)


def _took_part(findings: Findings, site: SiteMetrics) -> SiteRow:
    release = findings.releases.get(site.site)
    federated = next((each for each in site.evaluations if each.model == "federated"), None)
    apart = "; ".join(f"{count(number)} {kind}" for kind, number in sorted(site.set_apart.items()))
    return SiteRow(
        site=site.site,
        decision="Took part",
        decided_by=_decider(release.decided_by) if release else "–",
        patients=count(release.cohort.patients if release else None),
        train_rows=count(site.train_rows),
        set_apart=apart or "–",
        test_rows=_test_rows(federated),
        isolation=_isolation(findings, site.site),
        why="",
    )


def _test_rows(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return "–"
    events = f", {count(evaluation.events)} with the outcome" if evaluation.events else ""
    return count(evaluation.rows) + events + "".join(f", {words}" for words in classes_in_words(evaluation))


def classes_in_words(evaluation: Evaluation) -> tuple[str, ...]:
    """How many are of which class of a categorical outcome: `about 40 home`, `about 25 hospice or transfer`."""
    return tuple(f"{count(group.rows)} {' or '.join(group.classes)}" for group in evaluation.classes)


def _decider(decided_by: str) -> str:
    kind, _, name = decided_by.partition(":")
    if kind == "stewards":
        return f"Stewards {' and '.join(name.split('+'))}"
    return f"Steward {name}" if kind == "steward" else f"Rule “{name}”"


def _isolation(findings: Findings, site: str) -> str:
    release = findings.releases.get(site)
    if release is None:
        return "–"
    sandbox = release.sandbox
    held = f"{sandbox.held} of {sandbox.attempts} escape attempts held"
    return f"{sandbox.backend}: {held}" if sandbox.isolated else f"None ({sandbox.backend})"


def all_figures(metrics: StudyMetrics) -> tuple[list[str], list[list[str]]]:
    """Every score that was let out, as a table: its head, and a row for each hospital and model."""
    found = {score.name for site in metrics.sites for each in site.evaluations for score in each.scores}
    found |= {score.name for score in metrics.pooled}
    names = [name for name in METRICS if name in found]
    rows = []
    for site in metrics.sites:
        for each in site.evaluations:
            scores = [each.score(name) for name in names]
            rows.append([site.site, MODELS[each.model], *(f"{s.value:.3f}" if s else "–" for s in scores)])
    pooled = {score.name: score.value for score in metrics.pooled}
    rows.append([ALL, MODELS["federated"], *(f"{pooled[n]:.3f}" if n in pooled else "–" for n in names)])
    return ["Hospital", "Model", *(LABELS[name] for name in names)], rows


def segment_figures(metrics: StudyMetrics) -> tuple[list[str], list[list[str]]]:
    """The Dice of each of several segments that could be pooled, as such a table; no row where there are none. Other names that a hospital
    gives are not the study's."""
    names = [one.segment for one in metrics.segments]
    rows = []
    for site in metrics.sites:
        for each in site.evaluations:
            values = {one.segment: f"{one.score.value:.3f}" for one in each.segments}
            rows.append([site.site, MODELS[each.model], *(values.get(name, "–") for name in names)])
    pooled = {one.segment: f"{one.score.value:.3f}" for one in metrics.segments}
    rows.append([ALL, MODELS["federated"], *(pooled.get(name, "–") for name in names)])
    return ["Hospital", "Model", *(f"Dice of {name}" for name in names)], rows if names else []


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
