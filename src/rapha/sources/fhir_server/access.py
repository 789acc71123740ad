"""The token a server wants to see: a bearer's, out of a file, or one that SMART Backend Services gives for an assertion.

https://hl7.org/fhir/smart-app-launch/backend-services.html; RFC 7523. The assertion is a JWS of RS384 or ES384, lives
five minutes at most and is signed anew each time.
"""

import base64
import json
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from rapha.clock import Clock
from rapha.errors import ConfigurationError
from rapha.sources.fhir_server.answers import Token
from rapha.sources.fhir_server.server_file import Bearer, Smart

LIVES_SECONDS, SCALAR_BYTES, SHORTEST_RSA = 240, 48, 2048
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Ask = Callable[[str, dict[str, str]], Token]
"""Post a form to the address of tokens."""


class Access:
    """`token()` is good now; one of SMART is exchanged anew when it has nearly run out."""

    def __init__(self, way: str | Bearer | Smart, ask: Ask, clock: Clock) -> None:
        self._way, self._ask, self._clock = way, ask, clock
        self._held: tuple[str, datetime] | None = None

    def token(self) -> str | None:
        """None where the server wants none. Raises ConfigurationError; what `ask` raises."""
        if isinstance(self._way, str):
            return None
        if isinstance(self._way, Bearer):
            return _word(Path(self._way.token_file))
        now = self._clock()
        if self._held is None or self._held[1] <= now:
            given = self._ask(self._way.token_url, self._form(self._way, now))
            self._held = given.access_token, now + timedelta(seconds=min(given.expires_in, 86_400) * 0.8)
        return self._held[0]

    def _form(self, way: Smart, now: datetime) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "scope": way.scope,
            "client_assertion_type": ASSERTION,
            "client_assertion": assertion(way, now),
        }


def assertion(way: Smart, now: datetime) -> str:
    """The signed assertion, compact. Raises ConfigurationError: the key cannot be read or is of another kind."""
    key = _key(Path(way.key_file))
    header = {"alg": "RS384" if isinstance(key, rsa.RSAPrivateKey) else "ES384", "kid": way.kid, "typ": "JWT"}
    issued = int(now.timestamp())
    who = {"iss": way.client_id, "sub": way.client_id, "aud": way.token_url}
    claims = {**who, "iat": issued, "exp": issued + LIVES_SECONDS, "jti": secrets.token_hex(16)}
    signed = f"{_packed(json.dumps(header).encode())}.{_packed(json.dumps(claims).encode())}"
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed.encode(), padding.PKCS1v15(), SHA384())
    else:
        first, second = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA384())))
        signature = first.to_bytes(SCALAR_BYTES, "big") + second.to_bytes(SCALAR_BYTES, "big")
    return f"{signed}.{_packed(signature)}"


def _key(path: Path) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{path}: cannot be read as a private key in PEM without a password") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= SHORTEST_RSA:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        return key
    raise ConfigurationError(f"{path}: expected an RSA key of at least {SHORTEST_RSA} bits, or one on P-384")


def _word(path: Path) -> str:
    try:
        word = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path}: the token cannot be read") from None
    if not word or len(word) > 16_000 or not all("!" <= letter <= "~" for letter in word):
        raise ConfigurationError(f"{path}: expected one token, on one line")
    return word


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
