"""What a model folder says of itself: config.json for programs, README.md (a model card) for people, report.html; and
receipt.html, by which a browser checks it."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rapha import __version__
from rapha.proof.page import PAGE_FILE, receipt_page
from rapha.records.study import Study
from rapha.records.tensors import declared_weights, feature_names, sequence_of
from rapha.records.wire import TrustedKeys
from rapha.sdk.lora_files import write_adapter
from rapha.sdk.module_file import write_module
from rapha.sdk.outcome_words import outcome_in_words
from rapha.sdk.report.findings import Findings, read_findings
from rapha.sdk.report.headline import LABELS, MODELS, classes_in_words, count, gone_in_words
from rapha.sdk.report.page import REPORT_FILE, render
from rapha.sdk.words import in_words_with

CONFIG_FILE, CARD_FILE = "config.json", "README.md"
_TASKS = {"binary": "tabular-classification", "time-to-event": "tabular-regression", "numeric": "tabular-regression",
          "categorical": "tabular-classification", "segment": "image-segmentation"}  # fmt: skip


def write_about(folder: Path, pinned: TrustedKeys | None = None) -> Findings:
    """Write config, card, report and checking page into a folder that holds what the hub delivered; what was found in it.

    Raises:
        Unproven: the folder is not one.
    """
    found = read_findings(folder, pinned)
    write_module(folder, found.study)
    write_adapter(folder, found.study)
    (folder / CONFIG_FILE).write_text(json.dumps(config_of(found.study), indent=2) + "\n", encoding="utf-8")
    (folder / CARD_FILE).write_text(model_card(found), encoding="utf-8")
    (folder / REPORT_FILE).write_text(render(found), encoding="utf-8")
    (folder / PAGE_FILE).write_text(receipt_page(), encoding="utf-8")
    return found


def config_of(study: Study) -> dict[str, Any]:
    """What a program needs to use the weights without us: which model, which inputs in which order, which tensors."""
    stated = study.as_json()
    sequence = sequence_of(study)
    return {
        "format": "rapha-model/1",
        "rapha": __version__,
        "study": study.study,
        "study_digest": study.digest,
        "model": stated["model"],
        "outcome": stated["outcome"],
        **({"classes": list(classes)} if (classes := study.outcome.classes or study.outcome.voxel_classes) else {}),
        "features": list(feature_names(study)),
        "sequence": list(sequence.of) if sequence else None,
        "input": "for each feature (value - mean) / scale, 0 where missing; then for each 1 where missing, else 0",
        "tensors": {name: spec.model_dump(mode="json") for name, spec in sorted(declared_weights(study).items())},
    }


def model_card(found: Findings) -> str:
    """A Hugging Face model card, written from the study, its figures and its receipts alone."""
    study, metrics, left = found.study, found.metrics, found.gone_at_the_end
    cards = Environment(  # noqa: S701
        loader=PackageLoader("rapha.sdk", "."),
        finalize=_plain,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    sections = {section.title: section.sentences for section in in_words_with(study, metrics)}
    return cards.get_template("card.md.j2").render(
        study=study,
        sections=sections,
        metrics=metrics,
        labels=LABELS,
        models=MODELS,
        count=count,
        classes=classes_in_words,
        left=left,
        gone=gone_in_words,
        trained_at=len(metrics.sites) + len(left),
        task=_TASKS[study.outcome.kind],
        outcome=outcome_in_words(study.outcome),
        features=feature_names(study),
        sequence=sequence_of(study),
        version=__version__,
    )


def _plain(value: object) -> object:
    """Words that can neither end a table's cell or a quoted YAML string nor be markup, wherever the card puts them."""
    if not isinstance(value, str):
        return value
    flat = " ".join("".join(letter if letter.isprintable() else " " for letter in value).split(" "))
    return flat.translate({ord("|"): "&#124;", ord('"'): "&quot;", ord("<"): "&lt;", ord(">"): "&gt;"})
