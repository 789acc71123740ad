"""A statement holds all of its record, says it once, and reads back to it."""

import json
from datetime import UTC, datetime

import pytest

from rapha.canonical import canonical_bytes
from rapha.errors import Unproven
from rapha.proof.claim import (
    NO_AUDIT_NOT_SHOWN,
    NO_PRIVACY_NOT_SHOWN,
    NO_REPEAT_NOT_SHOWN,
    NO_WALLS_NOT_SHOWN,
    T0_NOT_SHOWN,
    TRANSCRIPT_NOT_SHOWN,
    AggregationClaim,
    Json,
    SiteClaim,
)
from rapha.proof.statement import (
    aggregation_statement,
    parse_statement,
    read_at_once,
    read_canonical,
    read_claim,
    site_statement,
)
from rapha.records.audit import AUDIT_PASSED
from rapha.records.receipt import Aggregation
from rapha.records.record import SiteId
from rapha.records.release import Release

NONCE = "00112233445566778899aabbccddeeff"
AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def of_site(release: Release) -> bytes:
    files = {"model.safetensors": release.weights, f"metrics/{release.site}.json": release.metrics}
    return site_statement(release, files, NONCE, AT)


def of_hub(aggregation: Aggregation) -> bytes:
    files = {"model.safetensors": aggregation.weights, "metrics.json": aggregation.metrics}
    return aggregation_statement(aggregation, files, NONCE, AT)


def test_a_release_reads_back_whole(release: Release) -> None:
    claim = parse_statement(of_site(release))
    assert isinstance(claim, SiteClaim)
    assert (claim.release, claim.nonce, claim.at, claim.tier) == (release, NONCE, AT, "T0")
    assert claim.not_shown == (*T0_NOT_SHOWN, TRANSCRIPT_NOT_SHOWN, NO_PRIVACY_NOT_SHOWN, NO_AUDIT_NOT_SHOWN)


def test_a_release_without_a_transcript_reads_back_whole_and_says_so(release: Release) -> None:
    bare = release.model_copy(update={"transcript": None})
    claim = parse_statement(of_site(bare))
    assert isinstance(claim, SiteClaim)
    assert claim.release == bare
    assert NO_REPEAT_NOT_SHOWN in claim.not_shown
    assert TRANSCRIPT_NOT_SHOWN not in claim.not_shown
    assert b'"transcript":' not in of_site(bare), "as receipts were before there were any"


def test_a_release_that_was_audited_says_so_among_its_rules_and_not_that_it_was_not(release: Release) -> None:
    passed = release.egress.model_copy(update={"rules": (*release.egress.rules, AUDIT_PASSED)})
    claim = parse_statement(of_site(release.model_copy(update={"egress": passed})))
    assert NO_AUDIT_NOT_SHOWN not in claim.not_shown


def test_an_aggregation_reads_back_whole(aggregation: Aggregation) -> None:
    claim = parse_statement(of_hub(aggregation))
    assert isinstance(claim, AggregationClaim)
    assert claim.aggregation == aggregation


def test_a_workload_without_walls_is_said(release: Release) -> None:
    bare = release.model_copy(update={"sandbox": release.sandbox.model_copy(update={"isolated": False})})
    assert NO_WALLS_NOT_SHOWN in parse_statement(of_site(bare)).not_shown


def test_it_is_an_in_toto_statement_with_slsa_provenance(release: Release) -> None:
    value = json.loads(of_site(release))
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "https://slsa.dev/provenance/v1"
    assert [subject["name"] for subject in value["subject"]] == ["metrics/north.json", "model.safetensors"]
    assert value["predicate"]["runDetails"]["metadata"] == {
        "invocationId": NONCE, "finishedOn": "2026-11-23T08:00:00.000Z",
    }  # fmt: skip
    assert value["predicate"]["runDetails"]["builder"]["id"] == "https://rapha.dev/node/north"


def test_every_leaf_that_is_changed_is_another_claim_or_refused(release: Release) -> None:
    """Nothing in a statement is decoration: no value can be changed without changing what is read."""
    original = of_site(release)
    whole = parse_statement(original)
    value = json.loads(original)
    for path in list(leaves(value)):
        changed = json.loads(original)
        put(changed, path, "something else")
        try:
            assert parse_statement(canonical_bytes(changed)) != whole, path
        except Unproven:
            continue


def test_no_leaf_can_be_left_out(release: Release, aggregation: Aggregation) -> None:
    for original in (of_site(release), of_hub(aggregation)):
        whole = parse_statement(original)
        for path in list(leaves(json.loads(original))):
            changed = json.loads(original)
            put(changed, path, None, drop=True)
            try:
                assert parse_statement(canonical_bytes(changed)) != whole, path
            except Unproven:
                continue


def test_other_files_than_the_record_names_are_not_stated(release: Release, aggregation: Aggregation) -> None:
    good = {"model.safetensors": release.weights, "metrics/north.json": release.metrics}
    for files in ({}, good | {"README.md": release.code}, good | {"model.safetensors": release.code}):
        with pytest.raises(Unproven, match="not the files"):
            site_statement(release, files, NONCE, AT)
    with pytest.raises(Unproven, match="not the files"):
        aggregation_statement(aggregation, good, NONCE, AT)


@pytest.mark.parametrize("nonce", ["", "00" * 15, "0" * 33, "G" * 32, "AB" * 16])
def test_a_nonce_has_128_bits(nonce: str, release: Release) -> None:
    with pytest.raises(Unproven, match="128 bits"):
        site_statement(
            release, {"model.safetensors": release.weights, "metrics/north.json": release.metrics}, nonce, AT
        )


def test_a_record_that_contradicts_itself_is_not_stated(release: Release, aggregation: Aggregation) -> None:
    with pytest.raises(Unproven, match="twice"):
        of_site(release.model_copy(update={"rounds": release.rounds + release.rounds[:1]}))
    with pytest.raises(Unproven, match="name"):
        of_site(release.model_copy(update={"site": SiteId("../north")}))
    with pytest.raises(Unproven, match="twice"):
        of_hub(aggregation.model_copy(update={"rounds": aggregation.rounds + aggregation.rounds[:1]}))
    unweighed = aggregation.rounds[0].model_copy(update={"weights_of_sites": {}})
    with pytest.raises(Unproven, match="weigh"):
        of_hub(aggregation.model_copy(update={"rounds": (unweighed, *aggregation.rounds[1:])}))


@pytest.mark.parametrize(
    ("name", "new", "reason"),
    [
        ("tier", "T2", "a tier that this version cannot judge"),
        ("not_shown", ["x"] * 33, "cannot be read"),
        ("not_shown", ["x" * 301], "cannot be read"),
        ("not_shown", [1], "cannot be read"),
    ],
)
def test_a_higher_tier_and_endless_remarks_are_refused(name: str, new: object, reason: str, release: Release) -> None:
    value = json.loads(of_site(release))
    value["predicate"]["buildDefinition"]["internalParameters"][name] = new
    with pytest.raises(Unproven, match=reason):
        parse_statement(canonical_bytes(value))


def leaves(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for place, item in enumerate(value) for leaf in leaves(item, (*path, place))]
    return [path]


def put(value: Json, path: tuple[str | int, ...], new: object, drop: bool = False) -> None:
    place: object = value
    for key in path[:-1]:
        place = place[key]  # type: ignore[index]
    if drop:
        del place[path[-1]]  # type: ignore[attr-defined]
    else:
        place[path[-1]] = new  # type: ignore[index]


def test_what_is_read_at_once_is_what_is_read_step_by_step(release: Release, aggregation: Aggregation) -> None:
    for payload in (of_site(release), of_hub(aggregation)):
        value = read_canonical(payload)
        assert read_at_once(payload) == (value, read_claim(value, payload))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"deterministic":true', b'"deterministic":1'),
        (b'"threads":1', b'"threads":true'),
        (b'"threads":1', b'"threads":1.0'),
        (b'"threads":1', b'"threads": 1'),
        (b'"_type"', b'"\\u005ftype"'),
        (b'"threads":1', b'"threads":1,"threads":1'),
    ],
)
def test_what_is_alike_in_another_form_is_not_read_at_once(old: bytes, new: bytes, release: Release) -> None:
    payload = of_site(release)
    assert payload.count(old) == 1
    changed = payload.replace(old, new)
    assert read_at_once(changed) is None
    with pytest.raises(Unproven):
        parse_statement(changed)


@pytest.mark.parametrize("payload", [b"[]", b"", b"{}", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_statement_is_not_read_at_once(payload: bytes) -> None:
    assert read_at_once(payload) is None


def test_names_in_the_order_of_code_points_are_not_canonical(release: Release) -> None:
    """RFC 8785 sorts by UTF-16: a name beyond U+FFFF comes before one of U+E000."""
    named = release.model_copy(update={"packages": {"\ue000": "1", "\U00010000": "2"}})
    payload = of_site(named)
    first, second = b'"\xf0\x90\x80\x80":"2"', b'"\xee\x80\x80":"1"'
    assert first + b"," + second in payload and read_at_once(payload) is None and parse_statement(payload)
    turned = payload.replace(first + b"," + second, second + b"," + first)
    assert read_at_once(turned) is None
    with pytest.raises(Unproven):
        parse_statement(turned)
