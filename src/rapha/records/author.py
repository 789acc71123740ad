"""Who writes notes, and in which language: closed words, so that neither a study nor a timeline can name a person by them.

{system: local, codes: [letter], written_by: [physician], language: [en]}
"""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import StringConstraints

Role = Literal[
    "physician", "nurse", "midwife", "pharmacist", "therapist", "psychologist", "dietitian", "technician", "social-worker",
    "student", "patient", "relative", "device",
]  # fmt: skip
ROLES: tuple[Role, ...] = get_args(Role)
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
"""The first subtag of BCP 47, such as `en` or `de`."""


def language_of(tag: str) -> str | None:
    """The language of a tag such as `en-GB` or `de_AT`; None where it is no such tag."""
    first = tag.strip().replace("_", "-").partition("-")[0].lower()
    return first if 2 <= len(first) <= 3 and first.isascii() and first.isalpha() else None


def role_of(word: str, site: Mapping[str, Role]) -> Role | None:
    """What a site's word for who wrote a note means, by the site's own list or as a role; None where it is neither, as a name would be."""
    said = word.strip()
    return site.get(said) or next((role for role in ROLES if role == said.lower()), None)
