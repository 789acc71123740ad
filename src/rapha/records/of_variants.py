"""What a study may do with concepts that are variants. Refused when written, in words that say what to change."""

from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from rapha.records.dense import DenseFeature
from rapha.records.variant import DOSAGE, VARIANT

if TYPE_CHECKING:
    from rapha.records.study import Study


def check_variants(study: "Study") -> None:
    """A variant is found at one moment, is no stay, and has copies and no array; how many carry it is not hidden among other codes. Raises PydanticCustomError."""
    ruled = study.variant_rules()
    if ruled and "genomics" not in study.data.modalities:
        raise _fault(next(iter(ruled)), "variants are of the modality `genomics`: name it under data.modalities")
    for name, concept in study.concepts.items():
        if len({system.partition(":")[0] in (VARIANT, DOSAGE) for system, _ in concept.written_codes()}) > 1:
            raise _fault(
                name, "codes of variants stand by themselves: put those of other systems into a concept of their own"
            )
    for name in (*study.outcome.concepts, *study.outcome.competing, *study.cohort.index.of):
        if name in ruled and (called := ruled[name].called) and called.unknown == "exclude":
            raise _fault(
                name,
                "`called` sets apart of whom nothing is known at the index: leave it out of an outcome, and of the index itself",
            )
    for name in study.cohort.encounter:
        if name in ruled:
            raise _fault(name, "a variant is no stay: it cannot be listed under cohort.encounter")
    for name in study.cohort.index.of:
        if name in ruled and study.cohort.index.at == "end":
            raise _fault(name, "a variant has no end to be the index")
    for feature in study.features:
        if isinstance(feature, DenseFeature) and feature.of in ruled:
            raise _fault(feature.of, f"`{feature.kind}` reads what an event points at: a variant has only its copies")


def _fault(name: str, what: str) -> PydanticCustomError:
    return PydanticCustomError("variant", "concepts.{name}: {what}", {"name": name, "what": what})
