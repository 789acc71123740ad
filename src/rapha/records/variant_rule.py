"""Which variants a concept is made of, in the place of codes, and who has them how.

    {build: GRCh38, variants: [19-44908684-T-C]}                             who carries it
    {build: GRCh38, variants: [19-44908684-T-C], genotype: [reference]}      who is known not to
    {build: GRCh38, regions: ["19:44905000-44909500"], genotype: [homozygous]}
    {build: GRCh38, genes: [BRCA1], consequences: [stop_gained, frameshift_variant, splice_site_variant],
     frequency: {of: gnomad, at_most: 0}}                                    not seen in gnomAD
    {build: GRCh38, genes: [BRCA1], as_severe_as: missense_variant}
    {build: GRCh38, genes: [BRCA1], coordinates: "sha256:..."}               by where it lies, in a file that the study names
    {build: GRCh38, genes: [BRCA1], called: {at_least: 0.95}}                who carries it; whoever was not read there is left out
    {build: GRCh38, genes: [BRCA1], called: {at_least: 0.95}, genotype: [reference]}    who was read there and carries none

A variant is one of them if all that is said holds of it, at one transcript; of a list, one is enough. Each such variant of a patient
is an event, at the time of the sample, whose number is the copies: a count of events counts variants, a sum of them copies.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.consequence import Consequence, Term, as_severe_as, with_all_below
from rapha.records.record import Digest, Real, Record, Slug
from rapha.records.variant import Build, RegionName, TrimmedVariant

GeneName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""A symbol (BRCA1) or an Ensembl identifier without its version (ENSG00000012048), spelt as the annotation spells it."""

Genotype = Literal["heterozygous", "homozygous", "hemizygous", "reference"]
"""How a patient has a variant: one copy of two, both, the only one, or, known and not assumed, none."""

CARRIERS: tuple[Genotype, ...] = ("heterozygous", "homozygous", "hemizygous")


class Frequency(Record):
    """How common the variant is in a population that the site's annotation was made with. What is not in it counts as 0."""

    of: Slug
    at_most: Annotated[Real, Field(ge=0, le=1)]


class CalledWell(Record):
    """Whom the rule can be answered of: who carries such a variant, and who was called well in at least this share of the bases of
    its genes or regions, by one sample. Of everybody else it is unknown. `unknown`: their rows are set apart and counted (`exclude`), or
    stay in (`keep`), as of people who have no event of the concept."""

    at_least: Annotated[Real, Field(gt=0, le=1)]
    unknown: Literal["exclude", "keep"] = "exclude"

    @model_serializer(mode="wrap")
    def _as_said(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = plain(self)
        return {key: each for key, each in written.items() if (key, each) != ("unknown", "exclude")}


class VariantRule(Record):
    """See above. Signed is what is said, and nothing else."""

    build: Build
    variants: Annotated[tuple[TrimmedVariant, ...], Field(max_length=1000)] = ()
    regions: Annotated[tuple[RegionName, ...], Field(max_length=500)] = ()
    genes: Annotated[tuple[GeneName, ...], Field(max_length=500)] = ()
    coordinates: Digest | None = None
    consequences: Annotated[tuple[Term, ...], Field(max_length=60)] = ()
    as_severe_as: Consequence | None = None
    frequency: Frequency | None = None
    called: CalledWell | None = None
    genotype: Annotated[tuple[Genotype, ...], Field(min_length=1, max_length=4)] = CARRIERS

    @model_validator(mode="after")
    def _agrees(self) -> "VariantRule":
        if not (self.variants or self.regions or self.genes):
            raise _fault("say which: `variants`, `regions` or `genes`")
        for name in ("variants", "regions", "genes", "consequences", "genotype"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise _fault(f"`{name}` lists something twice")
        for region in self.regions:
            first, _, last = region.partition(":")[2].partition("-")
            if int(first) > int(last):
                raise _fault(f"the region {region} ends before it begins")
        if self.consequences and self.as_severe_as:
            raise _fault("say `consequences` or `as_severe_as`, not both")
        if self.coordinates and not self.genes:
            raise _fault("`coordinates` is the file that says where `genes` lie: name these")
        if self.coordinates and self.terms:
            raise _fault("a consequence is of the gene that the annotation names: leave `coordinates` out")
        if "reference" in self.genotype and not (self.only_named or self.called):
            raise _fault(
                "`reference` is known of `variants` that are named, and with `called` of who was read there: that nothing is "
                "found in a region or gene is no evidence that nothing is there"
            )
        if self.called:
            self._check_called(self.called)
        return self

    def _check_called(self, called: CalledWell) -> None:
        if self.variants or bool(self.regions) == bool(self.genes):
            raise _fault(
                "`called` is of the bases of `genes`, or of `regions`: name the one or the other, and no `variants`"
            )
        if called.unknown == "keep" and "reference" not in self.genotype:
            raise _fault(
                "`unknown: keep` is for a concept that asks who is free of the variants: say `reference` under `genotype`"
            )

    @model_serializer(mode="wrap")
    def _as_said(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = plain(self)
        if self.genotype == CARRIERS:
            del written["genotype"]
        return {key: each for key, each in written.items() if each not in (None, [], ())}

    @property
    def only_named(self) -> bool:
        """Nothing but its name decides whether a variant is one of them."""
        return bool(self.variants) and not (self.regions or self.genes or self.terms or self.frequency)

    @property
    def terms(self) -> frozenset[Consequence]:
        """What an annotation must say, one of it; nothing where it does not matter."""
        return as_severe_as(self.as_severe_as) if self.as_severe_as else with_all_below(self.consequences)


def _fault(what: str) -> PydanticCustomError:
    return PydanticCustomError("variant", "variant: {what}", {"what": what})
