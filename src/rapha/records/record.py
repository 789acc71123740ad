"""What every record shares."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from itertools import takewhile
from typing import Annotated, Any, NewType, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from rapha.canonical import canonical_bytes, digest

SiteId = NewType("SiteId", str)
StudyId = NewType("StudyId", str)
DispatchId = NewType("DispatchId", str)
TaskId = NewType("TaskId", str)

SLUG = r"^[a-z0-9][a-z0-9-]{0,62}$"
Slug = Annotated[str, StringConstraints(pattern=SLUG)]
"""A short name: lower-case letters, digits, hyphens; at most 63."""

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
"""A concept or tensor name: letters, digits, `_`, `.`, `-`; at most 63."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

Sentence = Annotated[str, StringConstraints(min_length=3, max_length=500, strip_whitespace=True)]

Real = Annotated[
    float,
    Field(allow_inf_nan=False),
    PlainSerializer(lambda x: repr(float(x)), return_type=str, when_used="json"),
]
"""A finite float64, written as a string (shortest that reads back the same), read from a number or a string."""


def is_none(value: object) -> bool:
    """For `exclude_if`: a field that came later, and is not written where there is none."""
    return value is None


class Record(BaseModel):
    """Frozen; unknown keys refused; equal by value; one canonical form."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", hide_input_in_errors=True)

    def as_json(self) -> dict[str, Any]:
        """The record as a JSON value; reals as strings."""
        return self.model_dump(mode="json")

    def as_bytes(self) -> bytes:
        """RFC 8785 bytes."""
        return canonical_bytes(self.as_json())

    @cached_property
    def digest(self) -> str:
        """`sha256:...` of the canonical bytes; worked out once, as a record does not change."""
        return digest(self.as_bytes())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Another record: it has a digest of its own, and whatever else is worked out once."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(copied).model_fields.keys():
            del copied.__dict__[name]  # what was worked out of the fields before
        return copied

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read back what `as_bytes` wrote. Raises pydantic.ValidationError."""
        return cls.model_validate_json(data)


def nearest_key(key: str, keys: Iterable[str]) -> str:
    """What is said of a key of a settings file that is not among `keys`: which of them is meant, else all of them. Of those that are close it is the
    one that begins alike for longest: `limit_mbits` is no `limits`."""
    known = list(keys)
    if close := get_close_matches(key, known, n=3):
        return f"did you mean `{max(close, key=lambda one: _alike(key, one))}`?"
    return "expected one of " + ", ".join(known)


def _alike(one: str, other: str) -> int:
    """With how many letters both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
