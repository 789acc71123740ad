"""A genome-wide association study: what its study says, and the sums that leave a hospital of each variant.

Of each variant one regression of the outcome on p columns: 1, the features that are numbers (standardised), the principal
components where the study asks for them (`rapha.records.components`), and last the copies of the alternative allele. Its fitting needs sums over patients alone, and the sums of several hospitals are the sums of
all their patients (iteratively reweighted
least squares: Green 1984, J R Stat Soc B 46:149):

    information  [V, p (p + 1) / 2]  X'WX, its lower triangle row by row
    target       [V, p]              X'Wz, so that the effects are (X'WX)^-1 X'Wz
    counts       [V, 4]              patients, copies; patients with the outcome, their copies (0 of a numeric outcome)
    fit          [V]                 of a numeric outcome y'y, of a binary one -2 log likelihood
    score        [V, p]              X'(y - mu), of a binary outcome: how far the round before was from the end

W and z are 1 and y of a numeric outcome, so one round is exact. Of a binary one they are of the effects that the sums of the
round before give: w = mu (1 - mu), z = X effects + (y - mu) / w.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer
from pydantic_core import PydanticCustomError

from rapha.records.averaging import Sum
from rapha.records.components import FEWEST_APART, Components
from rapha.records.dense import GenotypesFeature
from rapha.records.record import Record

if TYPE_CHECKING:
    from rapha.records.study import Study

SUMS = "sums."
"""What the names of these tensors begin with."""

LEAST_COHORT = 100
LEAST_IN_A_CLASS = 10
"""Copies of either allele among those with a binary outcome, and among those without it, or nothing of the variant leaves."""

MOST_COVARIATES = 40
FEWEST_ROUNDS, MOST_ROUNDS = 4, 25


class Gwas(Record):
    """Each variant of one `genotypes` by itself, adjusted for the features that are numbers: linear for a numeric outcome,
    logistic for a binary one. A hospital with fewer than `least_allele_count` copies of a variant's rarer allele sends nothing
    of that variant. `components`: adjusted for principal components too, which the rounds before the regressions find."""

    architecture: Literal["gwas"] = "gwas"
    least_allele_count: Annotated[int, Field(ge=10, le=100_000)] = 20
    components: Components | None = None

    @model_serializer(mode="wrap")
    def _as_asked(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A study without components keeps the digest that it had before there were any."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if value is not None}

    @property
    def rounds_before(self) -> int:
        """How many rounds there are before the first regression."""
        return 1 + self.components.rounds if self.components else 0


def variants_of(study: "Study") -> GenotypesFeature:
    """The one `genotypes` that such a study has."""
    return next(feature for feature in study.features if isinstance(feature, GenotypesFeature))


def columns_of(study: "Study") -> int:
    """p: the constant, the numbers, the components, the copies."""
    asked = study.model.components if isinstance(study.model, Gwas) else None
    return len(study.features) + 1 + (asked.count if asked else 0)


def shapes_of(study: "Study") -> dict[str, tuple[int, ...]]:
    """Of the sums, and of what finds components, by their names; all F64."""
    named, p = variants_of(study).variants, columns_of(study)
    asked, variants = study.model.components if isinstance(study.model, Gwas) else None, len(named)
    shapes = {
        "information": (variants, p * (p + 1) // 2),
        "target": (variants, p),
        "counts": (variants, 4),
        "fit": (variants,),
    }
    if study.outcome.kind == "binary":
        shapes["score"] = (variants, p)
    return {f"{SUMS}{name}": shape for name, shape in shapes.items()} | (asked.shapes(named) if asked else {})


def check_association(study: "Study") -> None:
    """Raises PydanticCustomError where a study asks for a GWAS and for what cannot be had with it, or the other way round."""
    summed = isinstance(study.training.aggregation, Sum)
    nobody = 0 in (study.split.test_percent, study.split.validation_percent)
    if not isinstance(study.model, Gwas):
        reasons: tuple[tuple[bool, str], ...] = (
            (summed, "training.aggregation: `sum` is for the architecture `gwas`"),
            (nobody, "split: a model is measured on patients held out: at least 5 percent"),
        )
    else:
        rounds, binary, asked = study.training.rounds, study.outcome.kind == "binary", study.model.components
        before = study.model.rounds_before
        reasons = (
            (not summed, "training.aggregation: a `gwas` is made of sums: write `aggregation: sum`"),
            (not binary and rounds != before + 1,
             f"training.rounds: of a numeric outcome one round is exact{_after(before)}: write `rounds: {before + 1}`"),
            (binary and not FEWEST_ROUNDS <= rounds - before <= MOST_ROUNDS,
             f"training.rounds: of a binary outcome {FEWEST_ROUNDS + before} to {MOST_ROUNDS + before} rounds; {8 + before} are mostly "
             f"enough{_after(before)}"),
            (study.training.early_stopping is not None, "training.early_stopping: a `gwas` has no figure to follow"),
            (study.training.updates != "float32", "training.updates: sums travel as they are: leave it out"),
            (study.training.keep is not None, "training.keep: a `gwas` has no figure to choose by"),
            (study.cohort.index.pick == "every",
             "cohort.index: `every` gives a patient several rows, which are not independent: use `first` or `last`"),
            (study.privacy.min_cohort < LEAST_COHORT,
             f"privacy.min_cohort: a `gwas` needs at least {LEAST_COHORT} patients at each hospital"),
            (len(study.features) - 1 > MOST_COVARIATES, f"features: a `gwas` has at most {MOST_COVARIATES} beside `genotypes`"),
            *(_of_components(study, asked) if asked else ()),
            ("weights" not in study.release, "release: the `weights` of a `gwas` are its result"),
        )  # fmt: skip
    _raise_first(reasons)


def _of_components(study: "Study", asked: Components) -> tuple[tuple[bool, str], ...]:
    apart, regressions = asked.places(variants_of(study).variants), study.training.rounds - 1 - asked.rounds
    least = asked.least_cohort(regressions)
    return (
        (study.privacy.min_cohort < least,
         f"privacy.min_cohort: {asked.count} components in {asked.rounds} steps, and {regressions} rounds of regressions with them, need at "
         f"least {least} patients at each hospital"),
        (len(apart) < FEWEST_APART,
         f"model.components: fewer than {FEWEST_APART} of the variants are autosomal and {asked.apart:,} bases apart"),
    )  # fmt: skip


def _after(before: int) -> str:
    return f" after {before} that find the components" if before else ""


def _raise_first(reasons: tuple[tuple[bool, str], ...]) -> None:
    for wrong, sentence in reasons:
        if wrong:
            raise PydanticCustomError("association", "{sentence}", {"sentence": sentence})
