"""The closed set of figures that may leave a hospital. A figure without a name here has no way out."""

from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from rapha.records.outcome import MOST_SEGMENTS
from rapha.records.record import Digest, Real, Record, Word

MetricName = Literal[
    "loss", "auroc", "auprc", "brier", "calibration_slope", "calibration_intercept", "c_index", "r2", "mae", "rmse",
    "macro_auroc", "accuracy", "dice", "perplexity",
]  # fmt: skip
METRICS: tuple[str, ...] = (
    "loss", "auroc", "auprc", "brier", "calibration_slope", "calibration_intercept", "c_index", "r2", "mae", "rmse",
    "macro_auroc", "accuracy", "dice", "perplexity",
)  # fmt: skip
OF_NUMBERS: frozenset[MetricName] = frozenset(("r2", "mae", "rmse"))
"""Those of a numeric outcome, beside `loss`."""
OF_CLASSES: frozenset[MetricName] = frozenset(("macro_auroc", "accuracy"))
"""Those of a categorical outcome, beside `loss`."""
OF_SEGMENTS: frozenset[MetricName] = frozenset(("dice",))
"""Those of a segment outcome, beside `loss`; the others are of cases and controls, or of events."""


_LATER = ("classes", "confusion", "segments")
"""What is not written where there is nothing of it."""
MeasuredModel = Literal["federated", "local", "personal"]


class Count(Record):
    """A number of people after disclosure control: `about` a rounded number, or `below` the threshold.

    Built by `rapha.egress.disclosure` alone; exactly one of the two is set.
    """

    about: Annotated[int, Field(ge=0)] | None = None
    below: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.about is None) == (self.below is None):
            raise ValueError("a count has exactly one of `about` and `below`")
        return self

    def __str__(self) -> str:
        return f"about {self.about}" if self.about is not None else f"below {self.below}"


class Score(Record):
    """One figure, rounded; `low` and `high` bound its 95 % interval where one is given."""

    name: MetricName
    value: Real
    low: Real | None = None
    high: Real | None = None


class RocPoint(Record):
    """True-positive rate at a fixed false-positive rate of the grid 0.00, 0.05 ... 1.00."""

    false_positive_rate: Annotated[Real, Field(ge=0, le=1)]
    true_positive_rate: Annotated[Real, Field(ge=0, le=1)]


class CalibrationBin(Record):
    """Mean predicted and observed risk of a group with enough cases and enough controls."""

    predicted: Annotated[Real, Field(ge=0, le=1)]
    observed: Annotated[Real, Field(ge=0, le=1)]
    rows: Count


class ClassRows(Record):
    """How many are of these classes together, by their names. Classes too small to be told alone are told as one group."""

    classes: Annotated[tuple[Word, ...], Field(min_length=1, max_length=51)]
    rows: Count


class Confusion(Record):
    """How many rows of each class (a row of the table, in the order of `classes`) were most likely of which class (its columns). None:
    not told: few, or what would tell of few; `rapha.egress.classes` has the rules."""

    classes: Annotated[tuple[Word, ...], Field(min_length=2, max_length=51)]
    cells: Annotated[tuple[tuple[Count | None, ...], ...], Field(max_length=51)]


class SegmentScore(Record):
    """The Dice of one of several segments, by its name in the study."""

    segment: Word
    score: Score


class Evaluation(Record):
    """One model on one site's held-out patients. `local` is the site's own model, trained on its rows alone; `personal`
    the federated one with a last layer of the site's own, which stays there. `events`: None
    for a numeric or segment outcome, of which everybody has one, and for a categorical one, which has `classes`."""

    model: MeasuredModel
    rows: Count
    events: Count | None
    scores: Annotated[tuple[Score, ...], Field(max_length=16)]
    roc: Annotated[tuple[RocPoint, ...], Field(max_length=32)] = ()
    calibration: Annotated[tuple[CalibrationBin, ...], Field(max_length=16)] = ()
    classes: Annotated[tuple[ClassRows, ...], Field(max_length=51)] = ()
    confusion: Confusion | None = None
    segments: Annotated[tuple[SegmentScore, ...], Field(max_length=MOST_SEGMENTS)] = ()

    @model_serializer(mode="wrap")
    def _as_measured(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not of classes or of several segments is written as it was before there were any."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if value or key not in _LATER}

    def score(self, name: str) -> Score | None:
        """The score of that name, or None."""
        return next((score for score in self.scores if score.name == name), None)


class SiteMetrics(Record):
    """What one hospital lets out at the end of a study: the file `metrics/<site>.json`."""

    site: str
    train_rows: Count
    set_apart: dict[Literal["competing", "unobserved", "uncalled"], Count]
    evaluations: Annotated[tuple[Evaluation, ...], Field(max_length=4)]


class PooledScore(Record):
    """One figure of the federated model over all sites.

    inverse-variance: fixed-effect meta-analysis of the sites' figures, their variances read from their 95 % intervals.
    row-weighted: mean of the sites' figures weighted by held-out rows, where a site gave no interval.
    """

    name: MetricName
    value: Real
    low: Real | None = None
    high: Real | None = None
    method: Literal["inverse-variance", "row-weighted"]
    sites: Annotated[int, Field(ge=1)]


class PooledSegment(Record):
    """The same of one of several segments."""

    segment: Word
    score: PooledScore


class RoundScores(Record):
    """What the sites said of one round of training: each site's scores, and their mean weighted by training rows."""

    round: int
    mean: Annotated[tuple[Score, ...], Field(max_length=8)]
    sites: dict[str, tuple[Score, ...]]


class StudyMetrics(Record):
    """The file `metrics.json` of a delivered study."""

    study: str
    study_digest: Digest
    pooled: tuple[PooledScore, ...]
    sites: tuple[SiteMetrics, ...]
    history: tuple[RoundScores, ...]
    segments: tuple[PooledSegment, ...] = ()

    def gone_at_the_end(self, released_round: int) -> dict[str, int]:
        """The hospitals that handed in nothing of the final round and have updates in the weights of that round of training, with those of how
        many rounds."""
        here = {site.site for site in self.sites}
        trained = Counter(site for each in self.history if each.round <= released_round for site in each.sites)
        return {site: rounds for site, rounds in sorted(trained.items()) if site not in here}

    @model_serializer(mode="wrap")
    def _as_measured(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if value or key not in _LATER}
