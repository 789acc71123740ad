"""A token is good for one site, hub, request and minute; whatever else it is, it is refused with its reason."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from rapha.errors import NotPermitted
from rapha.proof import keys, token

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PRIVATE = keys.generate()
PUBLIC = PRIVATE.public_key()
PATH = "/api/v1/node/work"


def issued(**changes: Any) -> str:
    asked: dict[str, Any] = {"site": "north", "audience": "hub", "now": NOW, "method": "POST", "path": PATH}
    return token.issue(PRIVATE, **(asked | changes))


def check(text: str, **changes: Any) -> token.Claims:
    asked: dict[str, Any] = {"audience": "hub", "now": NOW, "method": "POST", "path": PATH}
    return token.check(text, changes.pop("public_key", PUBLIC), **(asked | changes))


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header: Any = None, key: ec.EllipticCurvePrivateKey = PRIVATE, drop: str = "", **claims: Any) -> str:
    """A token signed by hand, with another header or other claims than `issue` would write."""
    at = int(NOW.timestamp())
    said = {"iss": "north", "aud": "hub", "iat": at, "exp": at + 60, "jti": "0" * 32, "htm": "POST", "htu": PATH}
    said = {name: value for name, value in (said | claims).items() if name != drop}
    signed = encoded(header or {"alg": "ES256", "kid": "north", "typ": "JWT"}) + "." + encoded(said)
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def test_a_good_token_says_who_and_until_when() -> None:
    text = issued()
    claims = check(text)
    assert (claims.site, claims.expires) == ("north", NOW + timedelta(seconds=60))
    assert len(claims.jti) == 32
    assert claims.jti != check(issued()).jti
    assert token.unverified_site(text) == "north"


def test_a_token_of_another_jwt_library_is_good_whatever_half_its_s_is_in() -> None:
    assert {check(forged(jti=f"{n:032x}")).site for n in range(20)} == {"north"}


@pytest.mark.parametrize(
    ("text", "changes", "reason"),
    [
        (issued(), {"public_key": keys.generate().public_key()}, "forged"),
        (issued(), {"audience": "another"}, "another hub"),
        (issued(), {"method": "PUT"}, "another request"),
        (issued(), {"path": PATH + "/"}, "another request"),
        (issued(), {"now": NOW + timedelta(seconds=91)}, "expired"),
        (issued(), {"now": NOW - timedelta(seconds=31)}, "future"),
        (forged(exp=int(NOW.timestamp()) + 121), {}, "longer than 120"),
        (forged(exp=int(NOW.timestamp())), {}, "longer than 120"),
        (forged(iss="south"), {}, "issued by another"),
        (forged({"alg": "none", "kid": "north", "typ": "JWT"}), {}, "ES256"),
        (forged({"alg": "HS256", "kid": "north", "typ": "JWT"}), {}, "ES256"),
        (forged({"alg": "ES256", "kid": "north", "typ": "JWT", "jwk": {}}), {}, "ES256"),
        (forged({"alg": "ES256", "typ": "JWT"}), {}, "names no site"),
        (forged({"alg": "ES256", "kid": "../hub", "typ": "JWT"}), {}, "names no site"),
        (forged(["north"]), {}, "object"),
        (forged(drop="jti"), {}, "claim exactly"),
        (forged(scope="all"), {}, "claim exactly"),
        (forged(iat=True), {}, "claim exactly"),
        (forged(exp=float(NOW.timestamp())), {}, "claim exactly"),
        (forged(jti="x"), {}, "jti"),
        (forged(iat=-5), {}, "out of range"),
        (issued()[:-1], {}, "base64url"),
        (issued()[:-2], {}, "64 bytes"),
        (issued().rpartition(".")[0] + "." + encoded(b"\x00" * 64), {}, "out of range"),
        (issued() + "=", {}, "base64url"),
        (issued() + ".x", {}, "three parts"),
        ("", {}, "three parts"),
        ("a" * 4097, {}, "longer than"),
        (encoded(b"[" * 2000) + ".e30.e30", {}, "not JSON"),
        ("é.è.ê", {}, "base64url"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) and len(value) < 30 else "",
)
def test_a_token_is_refused_with_its_reason(text: str, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotPermitted, match=reason):
        check(text, **changes)


def test_clocks_may_differ_by_the_leeway() -> None:
    for seconds in (-30, 90):
        assert check(issued(), now=NOW + timedelta(seconds=seconds)).site == "north"


def test_an_edited_token_is_forged() -> None:
    header, payload, signature = issued().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    with pytest.raises(NotPermitted, match="forged"):
        check(f"{header}.{encoded(claims | {'aud': 'another'})}.{signature}", audience="another")


@pytest.mark.parametrize("lifetime_seconds", [0, 121])
def test_no_token_is_issued_for_longer_than_any_hub_takes(lifetime_seconds: int) -> None:
    with pytest.raises(ValueError, match="1 to 120"):
        issued(lifetime_seconds=lifetime_seconds)


@given(st.text(max_size=200))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with pytest.raises(NotPermitted):
        check(text)
