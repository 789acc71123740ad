"""What variant calls do not say of themselves: whose samples they are, and which variants matter here."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Real, Record, Slug
from rapha.records.variant import Build, RegionName, VariantName
from rapha.timeline.mapping_file import SourceMapping

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 _.-]{0,199}$")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]
LARGEST_REGION = 5_000_000
"""Of a region of which every variant becomes events; a matrix may have whole chromosomes."""


class Samples(Record):
    """A CSV file with one row for each sample: whose it is, when it was taken, when its result was known. `several`: which one counts
    of a patient with several samples in the call files; where that is not said, such a patient is refused."""

    file: FileName
    sample: Column
    patient: Column
    taken: Column
    known: Column
    several: Literal["earliest", "latest"] | None = None

    @model_serializer(mode="wrap")
    def _as_said(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = plain(self)
        return {key: each for key, each in written.items() if (key, each) != ("several", None)}


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


class Population(Record):
    """Where the annotation looked a variant up: by `column` of CSQ (gnomADe_AF), or by a field of INFO. `population` is what studies
    call it; hospitals of a study agree on it."""

    population: Slug
    column: Column | None = None
    info: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,62}$")] | None = None

    @model_validator(mode="after")
    def _one(self) -> "Population":
        if bool(self.column) == bool(self.info):
            raise PydanticCustomError(
                "frequency", "say where the frequency stands: `column` of CSQ, or a field of `info`"
            )
        return self


class Annotation(Record):
    """What was written into the files beforehand: VEP's CSQ or SnpEff's ANN. `transcripts`: which of a gene's count."""

    field: Literal["CSQ", "ANN"]
    transcripts: Literal["all", "canonical", "mane"] = "all"
    frequency: Population | None = None

    @model_validator(mode="after")
    def _told(self) -> "Annotation":
        if self.field == "ANN" and (self.transcripts != "all" or (self.frequency and self.frequency.column)):
            raise PydanticCustomError(
                "annotation",
                "ANN does not say which transcript is canonical, nor how common a variant is: use CSQ, or `info`",
            )
        return self


class Lifting(Record):
    """Which build the calls are wanted in, and what leads there from `build`: a chain file as of UCSC. `genome`: the one that the calls are of, a FASTA file with its
    index: without it no insertion or deletion is lifted, and a reference block says nothing but the base that it shows."""

    to: Build
    chain: FileName
    genome: FileName | None = None


class Matrix(Record):
    """One array a sample: its copies of each of `variants` and of every variant in `regions`. `name` is what studies call it."""

    name: Slug
    variants: Annotated[tuple[VariantName, ...], Field(max_length=100_000)] = ()
    regions: Annotated[tuple[RegionName, ...], Field(max_length=10_000)] = ()

    @model_validator(mode="after")
    def _something(self) -> "Matrix":
        if not (self.variants or self.regions):
            raise PydanticCustomError("nothing", "a matrix has `variants`, or `regions`, or both")
        check_regions(self.regions, longest=300_000_000)
        return self


class CallsMapping(SourceMapping):
    """The whole file. `assay`: what the samples were read by, as studies call it. `genes`: a file that says where genes lie. Events are made of `variants`, of every variant in `regions`, of `scores`, and one for each of
    `matrices`; nothing else of the calls enters the timeline."""

    build: Build
    files: Annotated[tuple[FileName, ...], Field(min_length=1, max_length=100)]
    samples: Samples
    assay: Slug | None = None
    genes: FileName | None = None
    variants: Annotated[tuple[VariantName, ...], Field(max_length=10_000)] = ()
    regions: Annotated[tuple[RegionName, ...], Field(max_length=500)] = ()
    scores: Annotated[tuple[ScoreFile, ...], Field(max_length=50)] = ()
    matrices: Annotated[tuple[Matrix, ...], Field(max_length=50)] = ()

    @property
    def told_in(self) -> Build:
        """The build of all that is wanted and told; `build` is that of the files."""
        return self.build

    @model_validator(mode="after")
    def _something(self) -> "CallsMapping":
        if not (self.variants or self.regions or self.scores or self.matrices):
            raise PydanticCustomError(
                "nothing", "name `variants`, `regions`, `scores` or `matrices`: else nothing is read"
            )
        if len({matrix.name for matrix in self.matrices}) < len(self.matrices):
            raise PydanticCustomError("twice", "matrices: two have the same name")
        if self.genes and not (self.variants or self.regions):
            raise PydanticCustomError("nothing", "`genes` are of the events: name `variants` or `regions`")
        check_regions(self.regions, LARGEST_REGION)
        return self


class Mapping(CallsMapping):
    """Of VCF, BCF and gVCF. `called`: keep where in `regions` each sample was called well enough, so that a study can tell who is
    free of a gene's variants from who was not read there. `reference`: the genome of the build that is told, a FASTA file with its index
    beside it, by which insertions and deletions are moved to their leftmost place. `lift`: the calls are told in another build than they are of."""

    format: Literal["vcf"]
    quality: Quality = Quality()
    annotation: Annotation | None = None
    called: bool = False
    reference: FileName | None = None
    lift: Lifting | None = None

    @model_serializer(mode="wrap")
    def _as_said(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = plain(self)
        return {key: each for key, each in written.items() if each is not None or key not in ("reference", "lift")}

    @property
    def told_in(self) -> Build:
        return self.lift.to if self.lift else self.build

    @property
    def genomes(self) -> tuple[str, ...]:
        """The FASTA files."""
        return tuple(name for name in (self.reference, self.lift.genome if self.lift else None) if name)

    @property
    def parts(self) -> tuple[str, ...]:
        """The files that hold the calls."""
        return self.files

    @model_validator(mode="after")
    def _of_events(self) -> "Mapping":
        if self.annotation and not (self.variants or self.regions):
            raise PydanticCustomError("nothing", "`annotation` is of the events: name `variants` or `regions`")
        if self.called and not self.regions:
            raise PydanticCustomError("nothing", "`called` is of `regions`: name them")
        return self

    @model_validator(mode="after")
    def _can_be_lifted(self) -> "Mapping":
        if self.lift and self.lift.to == self.build:
            raise PydanticCustomError("lift", "lift: `to` is the build that the calls are of: leave `lift` out")
        if self.lift and not self.reference:
            raise PydanticCustomError("lift", "`lift` needs the `reference` genome of the build that it leads to")
        if self.lift and self.lift.genome == self.reference:
            raise PydanticCustomError(
                "lift", "lift: `genome` is the one that the calls are of, `reference` that of the other build: name two"
            )
        if self.lift and self.called:
            raise PydanticCustomError(
                "lift",
                "`called` cannot be told with `lift`: where the two builds differ inside a region, nobody knows who is free "
                "of its variants: leave `called` out, and name the `variants` whose absence matters",
            )
        return self


class PlinkMapping(CallsMapping):
    """Of PLINK 1: `files` are names without .bed, .bim and .fam, and a sample is the second column of .fam. `a2`: whether the
    second allele of .bim is the one of the reference genome, as it is where PLINK 2 wrote the files from a VCF; PLINK 1 makes it
    the more frequent one. Where that is `unknown`, a variant is read only where its name says which allele is which."""

    format: Literal["plink"]
    a2: Literal["reference", "unknown"]

    @property
    def parts(self) -> tuple[str, ...]:
        """The files that hold the calls."""
        return tuple(f"{name}.{part}" for name in self.files for part in ("bed", "bim", "fam"))

    @model_validator(mode="after")
    def _told_apart(self) -> "PlinkMapping":
        if self.a2 == "unknown" and (self.regions or any(matrix.regions for matrix in self.matrices)):
            raise PydanticCustomError(
                "a2",
                "of a variant in a region nothing says which allele is the reference: name `variants`, or say `a2: reference`",
            )
        return self


def check_regions(regions: tuple[str, ...], longest: int) -> None:
    """Raises PydanticCustomError where one is empty or too long."""
    for region in regions:
        start, end = map(int, region.partition(":")[2].split("-"))
        if not 0 <= end - start < longest:
            raise PydanticCustomError(
                "region", "regions: {region} is empty or longer than {longest} million bases",
                {"region": region, "longest": longest // 1_000_000},
            )  # fmt: skip
