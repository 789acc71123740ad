"""The bytes a receipt signs: an in-toto Statement v1 whose predicate is SLSA provenance v1, with two build types.

`parse_statement` gives back the very record that was stated, and refuses a statement that has anything besides, so what
a verifier prints is all that was signed.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rapha.canonical import canonical_bytes, is_form_of, read_canonical_json, read_plain_json
from rapha.errors import Unproven
from rapha.proof.claim import (
    AGGREGATION_BUILD,
    POOLED_METRICS_FILE,
    PREDICATE_TYPE,
    SITE_BUILD,
    STATEMENT_TYPE,
    WEIGHTS_FILE,
    AggregationClaim,
    Json,
    SiteClaim,
    claim_json,
)
from rapha.proof.remarks import aggregation_remarks, release_remarks
from rapha.records.evidence import Evidence
from rapha.records.receipt import Aggregation
from rapha.records.record import Digest
from rapha.records.release import Release

_NONCE = re.compile(r"[0-9a-f]{32}")
MAX_REMARKS, MAX_REMARK_CHARS = 32, 300


def site_statement(release: Release, files: Mapping[str, Digest], nonce: str, at: datetime) -> bytes:
    """RFC 8785 bytes of a site's statement; `files` are the paths in the model folder and what was measured of them.

    Raises:
        Unproven: the files are not those of the release, the nonce is not 32 hex digits, or a round is there twice.
    """
    return _stated(SiteClaim(release, nonce, at, release_remarks(release)), files)


def aggregation_statement(aggregation: Aggregation, files: Mapping[str, Digest], nonce: str, at: datetime) -> bytes:
    """RFC 8785 bytes of the hub's statement.

    Raises:
        Unproven: as `site_statement`; or a round gives no weight to an update that went in.
    """
    return _stated(AggregationClaim(aggregation, nonce, at, aggregation_remarks(aggregation)), files)


def parse_statement(payload: bytes) -> SiteClaim | AggregationClaim:
    """The claim that these bytes state.

    Raises:
        Unproven: not canonical, another type of statement, a short nonce, or anything missing or besides.
    """
    value = read_canonical(payload)
    check_types(value, (SITE_BUILD, AGGREGATION_BUILD))
    check_nonce(value)
    return read_claim(value, payload)


def read_claim(value: Json, payload: bytes) -> SiteClaim | AggregationClaim:
    """The claim of a statement that is canonical and of a known type: `value` is what `payload` says.

    Raises:
        Unproven: anything is missing or besides.
    """
    build_type = check_types(value, (SITE_BUILD, AGGREGATION_BUILD))
    try:
        claim = _site_claim(value) if build_type == SITE_BUILD else _aggregation_claim(value)
        alike = is_form_of(payload, claim_json(claim))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise Unproven("the statement lacks a field of this format, or has one that cannot be read") from None
    if not alike:
        raise Unproven("the statement has a field that this format does not know, or a name that contradicts another")
    return claim


def read_at_once(payload: bytes) -> tuple[Json, SiteClaim | AggregationClaim] | None:
    """The value of these bytes, and its claim: canonical, of a known type and understood whole. Written once, not twice, to see that. None
    where any of it does not hold, or may not: `read_canonical` and `read_claim` say which."""
    try:
        value = read_plain_json(payload)
        return (value, read_claim(value, payload)) if isinstance(value, dict) else None
    except (Unproven, ValueError, TypeError, RecursionError):
        return None


def read_canonical(payload: bytes) -> Json:
    """A JSON object from its RFC 8785 bytes.

    Raises:
        Unproven: not JSON, not an object, or written in another way than the canonical one.
    """
    try:
        value = read_canonical_json(payload)
    except (ValueError, TypeError, RecursionError):
        raise Unproven(
            "the payload is not JSON in its canonical form (RFC 8785), so two readers might read two things"
        ) from None
    if not isinstance(value, dict):
        raise Unproven("the payload is no JSON object")
    return value


def check_types(value: Json, build_types: Iterable[str]) -> str:
    """The build type, once statement and predicate are of the expected types.

    Raises:
        Unproven: they are not.
    """
    if value.get("_type") != STATEMENT_TYPE:
        raise Unproven("this is not an in-toto Statement v1")
    if value.get("predicateType") != PREDICATE_TYPE:
        raise Unproven("the predicate is not SLSA provenance v1")
    build_type = _at(value, "predicate", "buildDefinition", "buildType")
    if build_type not in build_types:
        raise Unproven("the statement is of another kind than this receipt should hold (buildType)")
    return str(build_type)


def check_nonce(value: Json) -> str:
    """The 128-bit nonce.

    Raises:
        Unproven: it is not 32 lower-case hex digits.
    """
    nonce = _at(value, "predicate", "runDetails", "metadata", "invocationId")
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise Unproven("the nonce is not 128 bits in hex, so the statement might be guessed from its hash")
    return nonce


def _stated(claim: SiteClaim | AggregationClaim, files: Mapping[str, Digest]) -> bytes:
    if dict(files) != claim.files:
        raise Unproven(f"these are not the files to vouch for: expected {', '.join(claim.files)} as the record says")
    try:
        payload = canonical_bytes(claim_json(claim))
    except (TypeError, ValueError, KeyError) as error:
        raise Unproven(f"this cannot be stated: {error}") from None
    parse_statement(payload)
    return payload


def _site_claim(value: Json) -> SiteClaim:
    definition, details = value["predicate"]["buildDefinition"], value["predicate"]["runDetails"]
    went_in, came_out = _by_name(definition["resolvedDependencies"]), _by_name(details["byproducts"])
    subjects = _by_name(value["subject"])
    inside = dict(definition["internalParameters"])
    remarks, evidence = _remarks(inside), _evidence(inside)
    rounds = [
        {"round": number, "weights_in": went_in.get(f"round/{number}/weights-in"), "weights_out": update}
        for number, update in ((int(name.split("/")[1]), update) for name, update in came_out.items())
    ]
    release = Release.model_validate(
        {
            **definition["externalParameters"],
            **inside,
            "rounds": rounds,
            "weights": subjects[WEIGHTS_FILE],
            "metrics": subjects[f"metrics/{inside['site']}.json"],
            "code": went_in["code"],
            "packages": details["builder"]["version"],
        }
    )
    return SiteClaim(release, *_when(details), remarks, evidence=evidence)


def _aggregation_claim(value: Json) -> AggregationClaim:
    definition, details = value["predicate"]["buildDefinition"], value["predicate"]["runDetails"]
    subjects, inside = _by_name(value["subject"]), dict(definition["internalParameters"])
    remarks = _remarks(inside)
    rounds: dict[str, Json] = {}
    for name, weights in _by_name(details["byproducts"]).items():
        number = name.split("/")[1]
        rounds[number] = {"round": int(number), "updates": {}, "weights_of_sites": {}, "weights_out": weights}
    code, *updates = definition["resolvedDependencies"]
    for update in updates:
        _, number, _, site = update["name"].split("/")
        rounds[number]["updates"][site] = _digest(update)
        rounds[number]["weights_of_sites"][site] = update["annotations"]["weight"]
    aggregation = Aggregation.model_validate(
        {
            **definition["externalParameters"],
            **inside,
            "rounds": list(rounds.values()),
            "weights": subjects[WEIGHTS_FILE],
            "metrics": subjects[POOLED_METRICS_FILE],
            "code": _digest(code),
            "packages": details["builder"]["version"],
        }
    )
    return AggregationClaim(aggregation, *_when(details), remarks)


def _remarks(inside: Json) -> tuple[str, ...]:
    """Take tier and remarks out of the internal parameters: they belong to the claim, not to the record."""
    tier, remarks = inside.pop("tier"), inside.pop("not_shown")
    if tier != "T0":
        raise Unproven("the statement claims a tier that this version cannot judge: use a later one")
    if len(remarks) > MAX_REMARKS or not all(isinstance(r, str) and len(r) <= MAX_REMARK_CHARS for r in remarks):
        raise ValueError("remarks")
    return tuple(remarks)


def _evidence(inside: Json) -> Evidence | None:
    """Take it out of the internal parameters too. Where it is not wanted it is absent, and not null."""
    if "evidence" not in inside:
        return None
    return Evidence.model_validate_json(canonical_bytes(inside.pop("evidence")), strict=True)


def _when(details: Json) -> tuple[str, datetime]:
    return details["metadata"]["invocationId"], datetime.fromisoformat(details["metadata"]["finishedOn"])


def _digest(descriptor: Json) -> Digest:
    return "sha256:" + str(descriptor["digest"]["sha256"])


def _by_name(descriptors: list[Json]) -> dict[str, Digest]:
    return {descriptor["name"]: _digest(descriptor) for descriptor in descriptors}


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
