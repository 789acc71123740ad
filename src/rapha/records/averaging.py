"""How the hub makes one model out of the hospitals' updates: each way with its own terms."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from rapha.records.record import Real, Record

Share = Annotated[Real, Field(ge=0, lt=1)]
Step = Annotated[Real, Field(gt=0, le=10)]


class FedProx(Record):
    """FedAvg, and at each hospital a pull of strength `mu` back to the weights that the round began with.

    Li et al. 2020, https://arxiv.org/abs/1812.06127.
    """

    kind: Literal["fedprox"] = "fedprox"
    mu: Annotated[Real, Field(gt=0, le=100)] = 0.01


class FedAvgM(Record):
    """Server momentum over the mean change. Hsu et al. 2019, https://arxiv.org/abs/1909.06335."""

    kind: Literal["fedavgm"] = "fedavgm"
    learning_rate: Step = 1.0
    momentum: Share = 0.9


class FedAdam(Record):
    """Adam over the mean change. Reddi et al. 2021, algorithm 2, https://arxiv.org/abs/2003.00295."""

    kind: Literal["fedadam"] = "fedadam"
    learning_rate: Step = 0.01
    beta1: Share = 0.9
    beta2: Share = 0.99
    tau: Annotated[Real, Field(gt=0, le=1)] = 0.001


class FedYogi(Record):
    """Yogi over the mean change; as FedAdam, but the second moment moves by the sign. The same paper."""

    kind: Literal["fedyogi"] = "fedyogi"
    learning_rate: Step = 0.01
    beta1: Share = 0.9
    beta2: Share = 0.99
    tau: Annotated[Real, Field(gt=0, le=1)] = 0.001


class Median(Record):
    """The median of each element, every hospital counting alike. Yin et al. 2018, https://arxiv.org/abs/1803.01498."""

    kind: Literal["median"] = "median"


class TrimmedMean(Record):
    """The mean of each element without the `trim_percent` highest and lowest, every hospital counting alike. The same
    paper. At least one hospital remains; with three hospitals, 34 % leaves the middle one."""

    kind: Literal["trimmed-mean"] = "trimmed-mean"
    trim_percent: Annotated[int, Field(ge=1, le=49)] = 20


class NormClip(Record):
    """FedAvg over changes, each shortened to a Euclidean length of `at_most`; None: to the median length of the round."""

    kind: Literal["norm-clip"] = "norm-clip"
    at_most: Annotated[Real, Field(gt=0)] | None = None


class Scaffold(Record):
    """FedAvg of hospitals whose steps are corrected for the drift between them; the new model goes `learning_rate` of the way to
    the mean. Karimireddy et al. 2020, https://arxiv.org/abs/1910.06378. See `rapha.records.variates`."""

    kind: Literal["scaffold"] = "scaffold"
    learning_rate: Step = 1.0


class Sum(Record):
    """What the sites send is added up, element by element; the inputs' standards, which are the same everywhere, stay."""

    kind: Literal["sum"] = "sum"


Averaging = FedProx | FedAvgM | FedAdam | FedYogi | Median | TrimmedMean | NormClip | Scaffold | Sum
FEDAVG = "fedavg"
_KINDS = ("fedprox", "fedavgm", "fedadam", "fedyogi", "median", "trimmed-mean", "norm-clip", "scaffold", "sum")


def kind_of(aggregation: Any) -> str | None:
    """`fedavg`, `fedprox` and so on, of a value or of what is to become one."""
    if isinstance(aggregation, str):
        return aggregation
    kind = aggregation.get("kind") if isinstance(aggregation, dict) else getattr(aggregation, "kind", None)
    return kind if isinstance(kind, str) else None


def _short(value: Any) -> Any:
    """`aggregation: fedprox` is short for `{kind: fedprox}`, with its defaults."""
    return {"kind": value} if isinstance(value, str) and value in _KINDS else value


AggregationSpec = Annotated[
    Annotated[Literal["fedavg"], Tag("fedavg")]
    | Annotated[FedProx, Tag("fedprox")]
    | Annotated[FedAvgM, Tag("fedavgm")]
    | Annotated[FedAdam, Tag("fedadam")]
    | Annotated[FedYogi, Tag("fedyogi")]
    | Annotated[Median, Tag("median")]
    | Annotated[TrimmedMean, Tag("trimmed-mean")]
    | Annotated[NormClip, Tag("norm-clip")]
    | Annotated[Scaffold, Tag("scaffold")]
    | Annotated[Sum, Tag("sum")],
    Discriminator(kind_of),
    BeforeValidator(_short),
]
"""In a study: `fedavg`, another name alone, or `{kind: ..., and its terms}`."""
