"""What the workload writes into its output folder: raw, exact, and therefore never let out as it is.

The node reads these with limits; `rapha.egress` turns them into what may leave. Only fixed names are ever opened:

    weights.safetensors   tensors, after `prepare` and `train`
    figures.json          Figures, after `prepare` and `train`
    evaluation.json       RawEvaluations, after `evaluate`
    head.safetensors      the last layer of this site's own, after `evaluate`, where the study asks for one; it never leaves
    transcript.bin        the waypoints of a round, after `train`, where they are asked for; they never leave
"""

from typing import Annotated

from pydantic import Field

from rapha.records.audit import RawAudit
from rapha.records.metrics import MeasuredModel, MetricName
from rapha.records.outcome import MOST_SEGMENTS
from rapha.records.record import Digest, Real, Record
from rapha.records.release import Numerics, ReasonCode
from rapha.records.task import Work
from rapha.records.transcript import Recording

WEIGHTS, FIGURES, EVALUATION = "weights.safetensors", "figures.json", "evaluation.json"
TRANSCRIPT = "transcript.bin"
HEAD = "head.safetensors"
GRAPH = "model.pt2"
"""In the input folder: the graph of an exported model, or the base of an adapter."""
SCRIPT = "train.py"
"""In the input folder of a script's own sandbox, and of no other: the researcher's file."""
SCORES = "scores.safetensors"
"""Among the weights, where a script has a `predict`: what it gave for each row, checked by the node."""
OTHERS = "others.safetensors"
"""Beside it, for the audit: what a model of the same script gave that had not learned from the row."""
OUTPUTS = (WEIGHTS, FIGURES, EVALUATION, TRANSCRIPT, HEAD)
BEGIN = b"begin\n"
"""The line that tells a workload which waits that its study and rows are there."""


ClassCounts = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=51)]


class Figure(Record):
    """An exact figure, with its 95 % interval where one was computed."""

    name: MetricName
    value: Real
    low: Real | None = None
    high: Real | None = None


class Figures(Record):
    """`rows`: training rows, exact. The figures are of the validation patients (and `loss` of the training ones).
    `positives` and `negatives` of the validation patients tell the gate whether a figure may be shown; of a categorical outcome
    `classes`, how many are of each, in the order of the study (all are `negatives` then). `audit`: of the weights
    beside it, where the command asked for one."""

    rows: Annotated[int, Field(ge=0)]
    positives: Annotated[int, Field(ge=0)]
    negatives: Annotated[int, Field(ge=0)]
    figures: Annotated[tuple[Figure, ...], Field(max_length=8)]
    classes: ClassCounts = ()
    audit: RawAudit | None = None


class RawBin(Record):
    """One group of a calibration plot: mean predicted risk, rows, cases among them; all exact."""

    predicted: Real
    rows: int
    cases: int


class RawEvaluation(Record):
    """One model on the held-out patients. `roc`: (false-positive rate, true-positive rate) on the grid of 0.05. Of a categorical
    outcome `classes`, as in `Figures`, and `confusion`: of each class, how many rows were most likely of which. Of several segments
    `segments`: the Dice of each, in the order of the study, and `drawn`: in how many patients' masks each has a voxel."""

    model: MeasuredModel
    positives: int
    negatives: int
    figures: Annotated[tuple[Figure, ...], Field(max_length=8)]
    roc: Annotated[tuple[tuple[Real, Real], ...], Field(max_length=32)] = ()
    bins: Annotated[tuple[RawBin, ...], Field(max_length=32)] = ()
    classes: ClassCounts = ()
    confusion: Annotated[tuple[ClassCounts, ...], Field(max_length=51)] = ()
    segments: Annotated[tuple[Figure, ...], Field(max_length=MOST_SEGMENTS)] = ()
    drawn: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=MOST_SEGMENTS)] = ()


class RawEvaluations(Record):
    """`audit`: of the weights that were evaluated, where the command asked for one."""

    evaluations: Annotated[tuple[RawEvaluation, ...], Field(max_length=4)]
    audit: RawAudit | None = None


class Command(Record):
    """A line from the node to the workload's standard input. `weights` is a file name under /weights, `variates` another: this
    site's own, none before it has any. `audit`: measure as well what the weights remember of the patients here. `recording`:
    write a transcript of the round. `canaries`: a secret of the run, the same in each of its rounds, that the canaries of an adapter which
    learns to write are drawn with."""

    do: Work
    round: int
    weights: Annotated[str, Field(pattern=r"^[0-9a-f]{64}\.safetensors$")] | None = None
    variates: Annotated[str, Field(pattern=r"^[0-9a-f]{64}\.safetensors$")] | None = None
    audit: bool = False
    recording: Recording | None = None
    canaries: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class Reply(Record):
    """The one line the workload writes to standard output for each command (and one, `ready`, at the start; one that waits
    says before that, once, that it waits)."""

    ok: bool
    reason: ReasonCode | None = None
    numerics: Numerics | None = None


class HeadOf(Record):
    """Beside a personal head at its hospital: the study, and the shared weights, that it is of. Never leaves."""

    study_digest: Digest
    weights: Digest
