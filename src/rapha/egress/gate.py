"""The gate: the doors the node calls. What comes out of them is all of a workload that ever leaves a hospital.

Each opens fixed names in the workload's output folder, believes nothing it reads, and returns what may leave or raises.
No message holds anything the workload wrote.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from rapha.egress.association import canonical_sums
from rapha.egress.collect import collect, streamed
from rapha.egress.memorisation import check_passed, judge
from rapha.egress.metrics import FigureRules, SetApart, read_output, release_metrics, release_scores
from rapha.egress.rounding import RULE as LOW_BITS_RULE
from rapha.egress.statistics import canonical_statistics
from rapha.egress.weights import Block, canonical_blocks, limit_bytes, write_canonical
from rapha.errors import EgressRefused
from rapha.records.association import Gwas
from rapha.records.audit import AUDIT_PASSED, CANARIES_PASSED, AuditLimits, AuditVerdict, GenerativeLimits
from rapha.records.language import learns_text, reads_language
from rapha.records.learning import Script
from rapha.records.metrics import Evaluation, Score, SiteMetrics
from rapha.records.outputs import EVALUATION, FIGURES, HEAD, WEIGHTS, Figures, RawEvaluations
from rapha.records.private import declared_moments
from rapha.records.study import Study
from rapha.records.tensors import TensorSpec, declared_head, declared_statistics, declared_weights

FIGURES_LIMIT_BYTES = 64 * 1024

RULES: tuple[str, ...] = (
    "fixed-names-only",
    "regular-file-with-one-name",
    "size-within-declared",
    "no-metadata",
    "declared-tensors-exactly",
    "finite-and-bounded",
    "canonical-bytes",
    "statistics-of-enough-patients-rounded",
    "closed-set-of-metrics",
    "figures-of-ten-in-each-class",
    "detail-of-min-cohort-in-each-class",
    "calibration-of-ten-in-each-class",
    "counts-suppressed-and-rounded",
)
"""What every output that left has passed, by name, for the receipt's `EgressVerdict.rules`. See docs/disclosure.md."""


SUMS_RULE = "sums-of-enough-copies-of-either-allele"


HEAD_RULE = "personal-head-stays"
"""The last layer of the site's own was read by `read_head` alone, which gives it to the node's home and to nobody else."""


def rules_of(study: Study) -> tuple[str, ...]:
    """The names of the rules that outputs of this study pass."""
    if study.training.personal:
        return (*RULES, HEAD_RULE)
    if isinstance(study.model, Script) and study.model.mode == "C":
        return (*RULES, LOW_BITS_RULE)
    return (*RULES, SUMS_RULE) if isinstance(study.model, Gwas) else RULES


def pass_update(folder: Path, study: Study, train_rows: int, min_cohort: int) -> Iterator[Block]:
    """What a round of training lets out: weights, or the sums of a GWAS. `train_rows` is the node's own exact count.
    A block is gone when the next is asked for; nothing may leave before the last one has passed.

    Raises:
        EgressRefused: as `pass_weights`; `output-malformed` for counts that cannot be.
    """
    declared = declared_weights(study)
    if isinstance(study.model, Gwas):
        yield canonical_sums(collect(folder, WEIGHTS, limit_bytes(declared)), study, train_rows, min_cohort)
        return
    yield from pass_weights(folder, declared)


def pass_weights(folder: Path, declared: Mapping[str, TensorSpec]) -> Iterator[Block]:
    """The weights after a round, as canonical safetensors, block by block: memory does not grow with the model.

    Raises:
        EgressRefused: weights-unreadable, missing-tensor, extra-tensor, wrong-shape, wrong-dtype, not-finite,
            output-too-large, output-malformed.
    """
    with streamed(folder, WEIGHTS, limit_bytes(declared)) as (read, size_bytes):
        yield from canonical_blocks(read, size_bytes, declared)


def read_head(folder: Path, study: Study) -> bytes:
    """The personal head after `evaluate`, as canonical safetensors: for the node's home, and no door out.

    Raises:
        EgressRefused: as `pass_weights`.
    """
    declared = declared_head(study)
    with streamed(folder, HEAD, limit_bytes(declared)) as (read, size_bytes):
        return b"".join(bytes(block) for block in canonical_blocks(read, size_bytes, declared))


def pass_statistics(folder: Path, declared: Mapping[str, TensorSpec], min_cohort: int) -> bytes:
    """The feature statistics after `prepare`, suppressed and rounded, as canonical safetensors.

    Raises:
        EgressRefused: as `pass_weights`.
    """
    return canonical_statistics(collect(folder, WEIGHTS, limit_bytes(declared)), declared, min_cohort)


def declared_statistics_alone(study: Study) -> bytes:
    """What leaves after `prepare` under differential privacy: the moments of the study's own ranges. The workload's
    output is not even opened."""
    mean, scale = np.array(declared_moments(study), dtype=np.float64).reshape(-1, 2).T
    moments = {"features.count": np.ones_like(mean), "features.mean": mean, "features.variance": scale**2}
    return write_canonical(moments, declared_statistics(study))


def without_figures(metrics: SiteMetrics) -> SiteMetrics:
    """What leaves at the end under differential privacy: suppressed counts alone. No figure is accounted for."""
    bare = tuple(
        Evaluation(model=one.model, rows=one.rows, events=one.events, scores=()) for one in metrics.evaluations
    )
    return metrics.model_copy(update={"evaluations": bare})


def figures_of(study: Study, fewest: int | None) -> FigureRules:
    """What figures there may be of a study, of which the node counted `fewest`."""
    outcome = study.outcome
    return FigureRules(outcome.kind, outcome.classes, reads_language(study), fewest, outcome.segments)


def pass_scores(
    folder: Path,
    train_rows: int,
    validation_rows: int,
    min_cohort: int,
    rules: FigureRules,
) -> tuple[int, tuple[Score, ...]]:
    """(weight, scores) of a round; the weight is the rounded number of training rows, at least `min_cohort`.
    `train_rows` and `validation_rows` are the node's own exact counts.

    Raises:
        EgressRefused: cohort-too-small, metric-not-allowed, output-malformed, output-too-large.
    """
    data = collect(folder, FIGURES, FIGURES_LIMIT_BYTES)
    raw = read_output(data, Figures, FIGURES)
    return release_scores(raw, train_rows, validation_rows, min_cohort, rules)


def audited(
    folder: Path,
    evaluated: bool,
    limits: AuditLimits,
    members: int,
    held_out: int,
    rows_a_patient: float,
    epsilon: float | None,
    generative: GenerativeLimits | None = None,
) -> AuditVerdict:
    """What is to be said of the audit of an output: of the final weights where they were `evaluated`, else of a round's.
    `members` and `held_out` are the node's own exact counts; `epsilon` is what a private round owes, `generative` the limits of an
    adapter that learns to write. Nothing of it leaves.

    Raises:
        EgressRefused: metric-not-allowed, output-malformed, output-too-large; `output-malformed` also where there is no audit.
    """
    name = EVALUATION if evaluated else FIGURES
    data = collect(folder, name, FIGURES_LIMIT_BYTES)
    raw = (read_output(data, RawEvaluations, name) if evaluated else read_output(data, Figures, name)).audit
    if raw is None:
        raise EgressRefused(f"output {name}: no audit, where one was asked for", "output-malformed")
    return judge(raw, limits, members, held_out, rows_a_patient, epsilon, generative)


def pass_audit(verdict: AuditVerdict, limits: AuditLimits) -> None:
    """Raises EgressRefused: patients-remembered, cohort-too-small."""
    check_passed(verdict, limits)


def rules_passed(study: Study, verdicts: Iterable[AuditVerdict]) -> tuple[str, ...]:
    """What the receipt may say that every output of a run has passed: the audit where each of its verdicts says so, and the canaries
    where each of them was looked for."""
    found = list(verdicts)
    audited = (AUDIT_PASSED,) if found and all(one.verdict == "passed" for one in found) else ()
    looked_for = bool(found) and all(one.exposure is not None and one.verdict != "refused" for one in found)
    canaries = (CANARIES_PASSED,) if learns_text(study) and looked_for else ()
    return (*rules_of(study), *canaries, *audited)


def pass_evaluation(
    folder: Path,
    site: str,
    train_rows: int,
    set_apart: SetApart,
    min_cohort: int,
    rows: int,
    rules: FigureRules,
) -> SiteMetrics:
    """What one hospital lets out at the end of a study. `train_rows`, `set_apart` and `rows` (of the frozen
    cohort) are the node's own exact counts.

    Raises:
        EgressRefused: metric-not-allowed, output-malformed, output-too-large.
    """
    data = collect(folder, EVALUATION, FIGURES_LIMIT_BYTES)
    raw = read_output(data, RawEvaluations, EVALUATION)
    return release_metrics(raw, site, train_rows, set_apart, min_cohort, rows, rules)
