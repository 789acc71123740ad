"""The token a node shows with each request: a compact JWS (RFC 7515, 7519), ES256 and nothing else.

It is bound to one site, one hub, one method and one path, and lives a minute. `jti` is for the hub to remember until
`exp` has passed (plus the leeway), so that a token works once. A clock may be wrong by `LEEWAY_SECONDS`, either way.
"""

import base64
import binascii
import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from rapha.canonical import canonical_bytes
from rapha.errors import NotPermitted, Unproven
from rapha.proof import keys

LEEWAY_SECONDS = 30
MAX_LIFETIME_SECONDS = 120
MAX_TOKEN_CHARS = 4096

_SCALAR_BYTES = 32
_CLAIMS = {"iss": str, "aud": str, "iat": int, "exp": int, "jti": str, "htm": str, "htu": str}
_SITE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_JTI = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Claims:
    """What a checked token said. `expires` is UTC; remember `jti` until `expires` + LEEWAY_SECONDS."""

    site: str
    jti: str
    expires: datetime


def issue(
    private: keys.PrivateKey,
    site: str,
    audience: str,
    now: datetime,
    *,
    method: str,
    path: str,
    lifetime_seconds: int = 60,
) -> str:
    """A token for one request. `path` is the path as sent, without host and query.

    Raises:
        ValueError: the lifetime is not within 1 to MAX_LIFETIME_SECONDS.
    """
    if not 1 <= lifetime_seconds <= MAX_LIFETIME_SECONDS:
        raise ValueError(f"a token lives 1 to {MAX_LIFETIME_SECONDS} seconds, not {lifetime_seconds}")
    issued = int(now.timestamp())
    claims = {
        "iss": site,
        "aud": audience,
        "iat": issued,
        "exp": issued + lifetime_seconds,
        "jti": secrets.token_hex(16),
        "htm": method.upper(),
        "htu": path,
    }
    signed = _encoded_header(site) + "." + _encode(canonical_bytes(claims))
    r, s = decode_dss_signature(keys.sign(private, signed.encode()))
    return signed + "." + _encode(r.to_bytes(_SCALAR_BYTES, "big") + s.to_bytes(_SCALAR_BYTES, "big"))


def unverified_site(token: str) -> str:
    """The site that the token says it is from. Fit for one thing: to find the key to `check` it with.

    Raises:
        NotPermitted: it is not a token of this form.
    """
    return _site_named(_parts(token)[0])


def check(token: str, public_key: keys.PublicKey, audience: str, now: datetime, *, method: str, path: str) -> Claims:
    """What the token says, once all of it holds. `public_key` is the one enrolled for `unverified_site(token)`.

    Raises:
        NotPermitted: malformed, forged, expired, from the future, too long-lived, or for another hub or request.
    """
    header, payload, signature = _parts(token)
    # 1. The header is exactly ours: no other algorithm, no key or extension smuggled in.
    site = _site_of_ours(header)
    # 2. The enrolled key made the signature.
    _check_signature(public_key, signature, f"{header}.{payload}".encode(), site)
    # 3. The claims are all there, of the right type, with nothing beside them.
    claims = _typed_claims(payload)
    # 4. It is from this site, for this hub, for this request.
    if claims["iss"] != site:
        raise NotPermitted("this token is signed for one site and issued by another")
    if claims["aud"] != audience:
        raise NotPermitted("this token is for another hub")
    if (claims["htm"], claims["htu"]) != (method.upper(), path):
        raise NotPermitted("this token is for another request: its method or path differs")
    # 5. It is alive.
    _check_times(claims["iat"], claims["exp"], now)
    return Claims(site, claims["jti"], datetime.fromtimestamp(claims["exp"], UTC))


def _check_signature(public_key: keys.PublicKey, signature: str, message: bytes, site: str) -> None:
    raw = _decode(signature)
    if len(raw) != 2 * _SCALAR_BYTES:
        raise _malformed("an ES256 signature has 64 bytes")
    r, s = int.from_bytes(raw[:_SCALAR_BYTES], "big"), int.from_bytes(raw[_SCALAR_BYTES:], "big")
    if not (0 < r < keys.GROUP_ORDER and 0 < s < keys.GROUP_ORDER):
        raise _malformed("the signature is out of range")
    try:
        # RFC 7518 allows either S; `jti` makes a second form of the same token useless.
        keys.verify(public_key, encode_dss_signature(r, min(s, keys.GROUP_ORDER - s)), message)
    except Unproven:
        raise NotPermitted(f"this token is forged: the key enrolled for {site} did not sign it") from None


def _check_times(issued: int, expires: int, now: datetime) -> None:
    present = now.timestamp()
    if not 1 <= expires - issued <= MAX_LIFETIME_SECONDS:
        raise NotPermitted(f"this token would live longer than {MAX_LIFETIME_SECONDS} seconds, or not at all")
    if issued > present + LEEWAY_SECONDS:
        raise NotPermitted("this token is from the future: the clocks of node and hub differ, set them by NTP")
    if present > expires + LEEWAY_SECONDS:
        raise NotPermitted("this token has expired: send the request with a new one, and compare the clocks")


def _typed_claims(payload: str) -> dict[str, Any]:
    claims = _object(payload, "payload")
    if claims.keys() != _CLAIMS.keys() or any(type(claims[name]) is not kind for name, kind in _CLAIMS.items()):
        raise _malformed(f"it must claim exactly {', '.join(_CLAIMS)}")
    if not _JTI.fullmatch(claims["jti"]):
        raise _malformed("jti is not 32 hex digits")
    if not (0 <= claims["iat"] < 2**40 and 0 <= claims["exp"] < 2**40):
        raise _malformed("its times are out of range")
    return claims


def _site_named(header: str) -> str:
    site = _object(header, "header").get("kid")
    if not isinstance(site, str) or not _SITE.fullmatch(site):
        raise _malformed("the header names no site")
    return site


@lru_cache(maxsize=4096)
def _site_of_ours(header: str) -> str:
    """The site that a header names; it is the same text in every token of that site."""
    site = _site_named(header)
    if _object(header, "header") != _header(site):
        raise _malformed("the header is not that of an ES256 token")
    return site


@lru_cache(maxsize=16)
def _encoded_header(site: str) -> str:
    return _encode(canonical_bytes(_header(site)))


def _header(site: str) -> dict[str, str]:
    return {"alg": "ES256", "kid": site, "typ": "JWT"}


def _parts(token: str) -> tuple[str, str, str]:
    if len(token) > MAX_TOKEN_CHARS:
        raise _malformed(f"it is longer than {MAX_TOKEN_CHARS} characters")
    parts = token.split(".")
    if len(parts) != 3:
        raise _malformed("it has not three parts")
    return parts[0], parts[1], parts[2]


def _object(part: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode(part))
    except (ValueError, RecursionError):
        raise _malformed(f"its {what} is not JSON") from None
    if not isinstance(value, dict):
        raise _malformed(f"its {what} is not a JSON object")
    return value


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _malformed("a part is not base64url") from None
    if _encode(data) != text:
        raise _malformed("a part is not base64url in its one form")
    return data


def _malformed(why: str) -> NotPermitted:
    return NotPermitted(f"this is not a node's token: {why}")
