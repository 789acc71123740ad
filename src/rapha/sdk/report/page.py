"""report.html: one file, readable offline, that a clinician, a statistician and a sceptic can each read."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rapha import __version__
from rapha.records.wire import TrustedKeys
from rapha.sdk.outcome_words import outcome_in_words
from rapha.sdk.report.comparison import Comparison
from rapha.sdk.report.figures import by_round, calibration, key_of, roc
from rapha.sdk.report.findings import Findings, read_findings
from rapha.sdk.report.forest import ALL, forest, forest_rows
from rapha.sdk.report.headline import (
    LABELS,
    all_figures,
    all_patients,
    main_metric,
    segment_figures,
    site_rows,
    take_home,
)
from rapha.sdk.words import in_words_with

REPORT_FILE = "report.html"


def write_report(folder: Path, comparison: Comparison | None = None, *, pinned: TrustedKeys | None = None) -> Path:
    """Write `report.html` into a model folder, from the folder's own files; its path.

    `comparison` is another model to show beside the federated one; `pinned` are keys known beforehand.

    Raises:
        Unproven: the folder cannot be read as one.
    """
    page = render(read_findings(folder, pinned), comparison)
    path = folder / REPORT_FILE
    draft = path.with_suffix(".draft")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)
    return path


def render(findings: Findings, comparison: Comparison | None = None) -> str:
    """The page."""
    pages = Environment(
        loader=PackageLoader("rapha.sdk.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return pages.get_template("report.html.j2").render(style=style, **_contents(findings, comparison))


def _contents(findings: Findings, comparison: Comparison | None) -> dict[str, Any]:
    study, metrics = findings.study, findings.metrics
    name = main_metric(study)
    rows = forest_rows(metrics, name, comparison)
    overall = next((row for row in rows if row.group == ALL and row.kind == "federated"), None)
    sites = [site.site for site in metrics.sites]
    head, figures = all_figures(metrics)
    segment_head, by_segment = segment_figures(metrics)
    return {
        "study": study,
        "outcome": outcome_in_words(study.outcome),
        "metric": LABELS[name],
        "overall": overall,
        "pooled": metrics.pooled,
        "patients": all_patients(findings),
        "findings": findings,
        "verified": sum(verdict.ok for verdict in findings.verdicts),
        "not_shown": list(dict.fromkeys(gap for verdict in findings.verdicts for gap in verdict.not_shown)),
        "flagged": [(verdict.subject, line) for verdict in findings.verdicts for line in verdict.flagged],
        "forest": forest(rows, LABELS[name]),
        "forest_rows": rows,
        "take_home": take_home(rows),
        "roc": roc(metrics.sites),
        "calibration": calibration(metrics.sites),
        "curves": [
            curve
            for curve in (
                by_round(metrics.history, sites, "loss", "Loss on training patients"),
                by_round(metrics.history, sites, name, f"{LABELS[name]} on validation patients"),
            )
            if curve
        ],
        "key": key_of(sites),
        "site_rows": site_rows(findings),
        "trained_at": len(metrics.sites) + len(findings.gone_at_the_end),
        "figures_head": head,
        "figures": figures,
        "segment_head": segment_head,
        "by_segment": by_segment,
        "sections": in_words_with(study, metrics),
        "comparison": comparison,
        "version": __version__,
    }
