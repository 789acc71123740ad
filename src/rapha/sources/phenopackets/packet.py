"""One phenopacket -> what it states of its subject. Untrusted: read with limits, and refused where a key is not one of version 2.

An excluded feature is a statement too: it was looked for and is not there. In version 1 the key was `negated`; a reader of version 2
that passes over it would take an absent feature for a present one, so such a packet is not read at all.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rapha.sources.phenopackets.moments import Onset, moment_of, onset_of
from rapha.strict_json import NotStrict, strict_json

LARGEST_BYTES = 16 << 20
MOST_STATEMENTS = 10_000
_CURIE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,30}:[A-Za-z0-9_.-]{1,60}")
_KEYS = {"id", "subject", "phenotypicFeatures", "measurements", "biosamples", "interpretations", "diseases", "medicalActions",
         "files", "metaData"}  # fmt: skip
_FEATURE = {"description", "type", "excluded", "severity", "modifiers", "onset", "resolution", "evidence"}
_DISEASE = {
    "term",
    "excluded",
    "onset",
    "resolution",
    "diseaseStage",
    "clinicalTnmFinding",
    "primarySite",
    "laterality",
}
_SEXES = {"FEMALE": "female", "MALE": "male", "OTHER_SEX": "other"}


class Unread(Exception):
    """A packet that cannot be used; carries the reason, and nothing of the packet."""


class Statement(NamedTuple):
    """That a subject has, or is known not to have, what a code stands for."""

    place: str
    code: str
    excluded: bool
    onset: Onset


class Packet(NamedTuple):
    """What a packet says of its subject, and why some of it says nothing."""

    subject: str
    birth: datetime | None
    sex: str | None
    made: datetime
    statements: tuple[Statement, ...]
    aside: tuple[str, ...]


def read_packet(path: Path) -> Packet:
    """Raises Unread."""
    whole = _loaded(path)
    if unknown := set(whole) - _KEYS:
        family = unknown & {"proband", "relatives", "members", "pedigree"}
        raise Unread("is a family or a cohort, and not one subject" if family else "has a key that version 2 has not")
    data, subject = whole.get("metaData"), whole.get("subject")
    if not isinstance(data, dict) or not str(data.get("phenopacketSchemaVersion", "")).startswith("2"):
        raise Unread("is not of schema version 2")
    if not isinstance(subject, dict) or not isinstance(subject.get("id"), str) or not 0 < len(subject["id"]) <= 500:
        raise Unread("names no subject")
    made = moment_of(data.get("created"))
    if made is None:
        raise Unread("does not say when it was made")
    birth, aside = moment_of(subject.get("dateOfBirth")), list[str]()
    if birth and birth > made:
        raise Unread("was made before its subject was born")
    statements = tuple(_statements(whole, birth, aside))
    if len(statements) + len(aside) > MOST_STATEMENTS:
        raise Unread("states more than any subject has")
    return Packet(subject["id"], birth, _SEXES.get(str(subject.get("sex"))), made, statements, tuple(aside))


def _loaded(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise Unread("is larger than 16 MiB")
        whole = strict_json(path.read_bytes())
    except (OSError, NotStrict):
        raise Unread("is no JSON") from None
    if not isinstance(whole, dict):
        raise Unread("is no phenopacket")
    return whole


def _statements(whole: dict[str, Any], birth: datetime | None, aside: list[str]) -> Iterator[Statement]:
    for key, term, known in (("phenotypicFeatures", "type", _FEATURE), ("diseases", "term", _DISEASE)):
        listed = whole.get(key, [])
        if not isinstance(listed, list):
            raise Unread(f"has `{key}` that are no list")
        for at, one in enumerate(listed):
            said = _statement(f"{key}[{at}]", one, term, known, birth)
            if isinstance(said, str):
                aside.append(said)
            else:
                yield said


def _statement(place: str, one: Any, term: str, known: set[str], birth: datetime | None) -> Statement | str:
    if not isinstance(one, dict) or set(one) - known:
        return "has a feature or disease with a key that version 2 has not"
    named = one.get(term)
    code = named.get("id") if isinstance(named, dict) else None
    if not isinstance(code, str) or not _CURIE.fullmatch(code):
        return "has a feature or disease without an identifier"
    excluded = one.get("excluded", False)
    if not isinstance(excluded, bool):
        return "does not say plainly whether a feature or disease is excluded"
    return Statement(place, code, excluded, onset_of(one.get("onset"), birth))
