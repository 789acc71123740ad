"""What variant calls do not say of themselves: whose samples they are, and which variants matter here."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Real, Record
from rapha.timeline.mapping_file import SourceMapping

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 _.-]{0,199}$")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]
VariantName = Annotated[
    str, StringConstraints(pattern=r"^([1-9]|1\d|2[0-2]|X|Y|MT)-[1-9]\d{0,8}-[ACGT]{1,200}-[ACGT]{1,200}$")
]
"""chromosome-position-reference-alternative, trimmed: 19-44908684-T-C."""

RegionName = Annotated[str, StringConstraints(pattern=r"^([1-9]|1\d|2[0-2]|X|Y|MT):[1-9]\d{0,8}-[1-9]\d{0,8}$")]
LARGEST_REGION = 5_000_000


class Samples(Record):
    """A CSV file with one row for each sample: whose it is, when it was taken, when its result was known."""

    file: FileName
    sample: Column
    patient: Column
    taken: Column
    known: Column


class Quality(Record):
    """A call that does not reach this is unknown. `filters`: the FILTER values of a record that is taken, PASS and none are
    the same. A limit of 0 is not asked, and passes calls without such a figure."""

    filters: Annotated[tuple[Column, ...], Field(min_length=1, max_length=50)] = ("PASS",)
    least_quality: Annotated[int, Field(ge=0, le=99)] = 20
    least_depth: Annotated[int, Field(ge=0, le=1000)] = 0


class ScoreFile(Record):
    """A PGS Catalog scoring file. `least_coverage`: the share of its variants that must be called here, or nobody has the
    score. `missing`: whoever has no call for one of them has no score (`none`), or the mean of this site's samples counts."""

    file: FileName
    least_coverage: Annotated[Real, Field(gt=0, le=1)] = 0.9
    missing: Literal["none", "mean"] = "none"


class Mapping(SourceMapping):
    """The whole file. Events are made of `variants`, of every variant in `regions`, and of `scores`; nothing else of the
    calls enters the timeline."""

    format: Literal["vcf"]
    build: Literal["GRCh37", "GRCh38"]
    files: Annotated[tuple[FileName, ...], Field(min_length=1, max_length=100)]
    samples: Samples
    quality: Quality = Quality()
    variants: Annotated[tuple[VariantName, ...], Field(max_length=10_000)] = ()
    regions: Annotated[tuple[RegionName, ...], Field(max_length=500)] = ()
    scores: Annotated[tuple[ScoreFile, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _something(self) -> "Mapping":
        if not (self.variants or self.regions or self.scores):
            raise PydanticCustomError("nothing", "name `variants`, `regions` or `scores`: else nothing is read")
        for region in self.regions:
            start, end = map(int, region.partition(":")[2].split("-"))
            if not 0 <= end - start < LARGEST_REGION:
                raise PydanticCustomError(
                    "region", "regions: {region} is empty or longer than 5 million bases", {"region": region}
                )
        return self
