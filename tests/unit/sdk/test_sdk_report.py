"""The report and the model card: complete, self-contained, and nothing in them runs."""

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import delivered_sample as sample
import pytest
from ruamel.yaml import YAML

from rapha.records.learning import EarlyStopping, KeepBest
from rapha.records.metrics import Count, Score, StudyMetrics
from rapha.records.study import Study
from rapha.sdk.about import model_card, write_about
from rapha.sdk.report import Comparison, render, write_report
from rapha.sdk.report.findings import Findings, read_findings
from rapha.sdk.report.svg import COLOURS, ticks

NAMES = ["diabetes-within-5-years", "time-to-death"]
HOSTILE = '<script>alert("1")</script>'


class Elements(HTMLParser):
    """Every element's name and attributes; unclosed or crossed ones are an error."""

    VOID = ("meta", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((name, dict(attributes)))
        if name not in self.VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name


def folder_of(name: str, path: Path) -> Path:
    return sample.write(sample.files(sample.example(name)), path)


def comparison(metric: str) -> Comparison:
    score = Score.model_validate({"name": metric, "value": 0.741, "low": 0.72, "high": 0.76})
    ours = Score.model_validate({"name": metric, "value": 0.738, "low": 0.71, "high": 0.76})
    return Comparison(
        name="Pooled rows", note="public data", together=(score,), federated=(ours,), sites={"north": (score,)}
    )


def no_receipts(metrics: StudyMetrics, study: Study) -> Findings:
    return Findings(study=study, metrics=metrics, verdicts=(), releases={}, aggregation=None)


@pytest.mark.parametrize("name", NAMES)
def test_the_report_is_one_page_that_asks_nothing_of_anybody(tmp_path: Path, name: str) -> None:
    page = write_report(folder_of(name, tmp_path / "model")).read_text()
    elements = Elements(page).seen
    assert not {"script", "link", "iframe", "object", "img", "image", "use", "form", "base"} & {n for n, _ in elements}
    for _, attributes in elements:
        assert not {"src", "href", "xlink:href", "srcset", "action"} & set(attributes)
        assert not any(key.startswith("on") for key in attributes)
    assert not re.search(r"url\(|@import|https?:(?!//rapha\.dev/(build|node|hub)/)", page)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


@pytest.mark.parametrize("name", NAMES)
def test_the_report_tells_every_hospital_figure_and_verdict(tmp_path: Path, name: str) -> None:
    folder = folder_of(name, tmp_path / "model")
    metric = "c_index" if name == "time-to-death" else "auroc"
    page = write_report(folder, comparison(metric)).read_text()
    for word in (
        *sample.SITES,
        "east",
        "purpose-not-allowed",
        "0.742",
        "0.735",
        "Pooled rows",
        "4 of 4",
        "Steward kim",
    ):
        assert word in page
    assert "a difference of −0.003" in page
    assert "higher than the hospital's own at 3 of 3" in page.replace("&#39;", "'")
    assert page.count('role="img"') == (5 if metric == "auroc" else 3)
    assert sample.example(name).digest in page


def test_without_a_comparison_nothing_is_said_of_one(tmp_path: Path) -> None:
    assert "Pooled rows" not in write_report(folder_of(NAMES[0], tmp_path / "model")).read_text()


def test_a_hospital_that_trained_and_left_before_the_end_is_named(tmp_path: Path) -> None:
    """Its updates are in the model, so nothing may read as if it had not been there; of one that was denied later the denial is not all that is said."""
    study = sample.example(NAMES[0])
    whole = sample.study_metrics(study)
    left = whole.model_copy(update={"sites": tuple(site for site in whole.sites if site.site != "west")})
    there = read_findings(folder_of(NAMES[0], tmp_path / "model"))
    found = replace(there, metrics=left)
    assert (there.gone_at_the_end, found.gone_at_the_end) == ({}, {"west": study.training.rounds})
    assert found.aggregation is not None
    denials = dict(found.aggregation.denials) | {"west": "sandbox-died"}
    also_failed = replace(found, aggregation=found.aggregation.model_copy(update={"denials": denials}))
    said = f"Its updates of {study.training.rounds} rounds of training went into the model. It handed in nothing of the final round"
    for page in (html.unescape(render(found)), html.unescape(render(also_failed))):
        assert page.count('<th scope="row">west</th>') == 1
        assert said in page and "Left before the end" in page
        assert "trained at 3 hospitals" in page and "tested at 2 of them" in page
        assert " or more<" in page
    assert "(sandbox-died)" in page
    card = model_card(found)
    assert "A model trained at 3 hospitals" in card and f"west left before the end. {said}" in card
    assert "left before the end" not in model_card(there)


@pytest.mark.parametrize(
    ("released", "came", "said"),
    [
        (5, 4, "Its updates of 2 rounds of training went into the model."),
        (3, 3, "Its updates of one round of training went into the model."),
        (None, 4, "of how many rounds its updates are in the model is not known"),
        (3, 4, None),
    ],
)
def test_who_left_is_counted_up_to_the_round_whose_weights_are_released(
    tmp_path: Path, released: int | None, came: int, said: str | None
) -> None:
    """West comes in with round `came` and leaves; the study keeps its best round, which is `released` by a receipt that verifies."""
    study = sample.example(NAMES[0])
    found = read_findings(folder_of(NAMES[0], tmp_path / "model"))
    history = tuple(
        each.model_copy(
            update={"sites": {s: own for s, own in each.sites.items() if s != "west" or each.round >= came}}
        )
        for each in found.metrics.history
    )
    sites = tuple(site for site in found.metrics.sites if site.site != "west")
    assert found.aggregation is not None
    found = replace(
        found,
        study=study.model_copy(update={"training": study.training.model_copy(update={"keep": KeepBest(best="auroc")})}),
        metrics=found.metrics.model_copy(update={"sites": sites, "history": history}),
        releases={site: release for site, release in found.releases.items() if site != "west"},
        aggregation=found.aggregation.model_copy(update={"released_round": released}) if released else None,
    )
    trained_at = 2 if said is None else 3
    for text in (html.unescape(render(found)), model_card(found)):
        assert f"trained at {trained_at} hospitals" in text
        assert ("left before the end" in text.lower()) == (said is not None)
        assert said is None or said in text
    assert (" or more<" in render(found)) == (said is not None)


def test_a_receipt_that_fails_is_told_where_one_looks_first(tmp_path: Path) -> None:
    folder = folder_of(NAMES[0], tmp_path / "model")
    (folder / "metrics/north.json").write_bytes(b"{}")
    page = write_report(folder).read_text()
    assert "do not rely on this page" in page
    assert "3 of 4" in page
    assert "Not verified" in page
    assert "about\u00a06,450" not in page
    assert "about\u00a03,900" in page


def test_the_evidence_and_every_flag_are_in_the_report(tmp_path: Path) -> None:
    findings = read_findings(folder_of(NAMES[0], tmp_path / "model"))
    assert "FLAG" not in render(findings).upper()
    first, *rest = findings.verdicts
    promising = first.model_copy(update={"flagged": (f"It says besides: {HOSTILE}",)})
    page = render(replace(findings, verdicts=(promising, *rest)))
    told = html.unescape(page)
    for verdict in findings.verdicts:
        assert verdict.found and all(line in told for line in verdict.found)
    assert "Flagged:" in page and f"It says besides: {HOSTILE}" in told
    assert HOSTILE not in page


def test_hostile_names_stay_words() -> None:
    study = sample.example(NAMES[0])
    purpose = study.purpose.model_copy(update={"sentence": HOSTILE})
    metrics = sample.study_metrics(study, (HOSTILE, "south"))
    page = render(no_receipts(metrics, study.model_copy(update={"purpose": purpose})), comparison("auroc"))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "script" not in {name for name, _ in Elements(page).seen}


def test_a_report_with_nothing_let_out_says_so() -> None:
    study = sample.example(NAMES[0])
    metrics = sample.study_metrics(study, ("north",))
    bare = metrics.sites[0].model_copy(update={"evaluations": (), "train_rows": Count(below=25)})
    page = render(no_receipts(metrics.model_copy(update={"sites": (bare,), "pooled": (), "history": ()}), study))
    assert "No hospital let out its AUROC" in page
    assert "below\u00a025" in page
    assert "<svg" not in page


def test_counts_below_the_threshold_are_never_a_number() -> None:
    study = sample.example(NAMES[0])
    page = render(no_receipts(sample.study_metrics(study), study))
    assert "below\u00a025 competing" in page


@pytest.mark.parametrize("name", NAMES)
def test_the_card_names_every_hospital_and_has_front_matter_that_is_yaml(name: str) -> None:
    study = sample.example(name)
    card = model_card(no_receipts(sample.study_metrics(study), study))
    _, front, body = card.split("---\n", 2)
    data = YAML(typ="safe").load(front)
    assert len(data["model-index"][0]["results"]) == len(sample.SITES)
    assert data["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.742
    for word in (*sample.SITES, "0.735", "rapha.load", "rapha receipt verify", "not a medical device", study.digest):
        assert word in body


@pytest.mark.parametrize("metric", ["auroc", "auprc"])
def test_a_figure_that_no_round_had_is_told_where_training_was_to_end_or_be_chosen_by_it(metric: str) -> None:
    study = sample.example("diabetes-within-5-years")
    training = study.training.model_copy(
        update={"early_stopping": EarlyStopping(metric=metric), "keep": KeepBest(best=metric)}
    )
    study = study.model_copy(update={"training": training})
    metrics = sample.study_metrics(study)
    had = metric in {score.name for each in metrics.history for score in each.mean}
    for text in (model_card(no_receipts(metrics, study)), html.unescape(render(no_receipts(metrics, study)))):
        assert (f"No round had the {metric}" in text) != had
        assert ("training did not end early" in text) != had
        assert ("the model of the last round is released" in text) != had
    assert had == (metric == "auroc")


def test_the_card_stays_readable_with_hostile_names() -> None:
    study = sample.example(NAMES[0])
    card = model_card(no_receipts(sample.study_metrics(study, (f'x"\n| {HOSTILE}', "south")), study))
    data = YAML(typ="safe").load(card.split("---\n", 2)[1])
    assert len(data["model-index"][0]["results"]) == 2
    assert "<script" not in card


def test_about_finds_what_the_report_tells(tmp_path: Path) -> None:
    folder = folder_of(NAMES[0], tmp_path / "model")
    found = write_about(folder)
    assert found.proven
    assert set(found.releases) == set(sample.SITES)
    assert read_findings(folder).metrics == found.metrics


def test_every_colour_of_a_figure_can_be_read_as_text_on_white() -> None:
    for colour in COLOURS:
        channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        assert 1.05 / (light + 0.05) >= 4.5


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.682, 0.791), (0.5, 0.5001), (1, 20), (-3, 7)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    marks = ticks(low, high)
    assert 2 <= len(marks) <= 8
    assert low - 1e-9 <= marks[0]
    assert marks[-1] <= high + 1e-9
