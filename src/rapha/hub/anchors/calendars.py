"""Calendars of OpenTimestamps, by HTTP. What they answer is foreign: bounded in size and time, and read as a tree or refused.

Only addresses that the person named are asked, never one that stands in a proof alone.
"""

import time
from urllib.parse import urlsplit

import httpx2

from rapha.errors import ConfigurationError, Unproven, Unreachable
from rapha.proof.anchor.opentimestamps import Branch, Stamp, read_tree, start_of

TIMEOUT_SECONDS, WHOLE_ANSWER_SECONDS = 20.0, 60.0
MAX_ANSWER_BYTES = 10_000
MAX_CALENDARS = 16
HERE = ("localhost", "127.0.0.1", "::1")
_HEADERS = {"accept": "application/vnd.opentimestamps.v1", "accept-encoding": "identity"}


class Calendars:
    """Some calendars by their addresses. `away` says, after a question, which gave no answer that counts, and why."""

    def __init__(self, addresses: list[str], transport: httpx2.BaseTransport | None = None) -> None:
        if not 0 < len(addresses) <= MAX_CALENDARS:
            raise ConfigurationError(f"name 1 to {MAX_CALENDARS} calendars with --calendar")
        self._addresses = tuple(dict.fromkeys(_address(text) for text in addresses))
        self._transport = transport
        self.away: list[str] = []

    def stamped(self, digest: bytes) -> Stamp:
        """A proof with the promise of each that answered. Raises Unreachable where none did."""
        stamp = Stamp(digest, ())
        for address in self._addresses:
            stamp = self._more(stamp, address, "POST", "/digest", start_of(digest))
        if not stamp.branches:
            raise Unreachable("no calendar gave a promise: " + "; ".join(self.away))
        return stamp

    def upgraded(self, stamp: Stamp) -> Stamp:
        """The proof with what these calendars have of their promises. A promise stays beside what it became: a calendar that
        lies about a block takes nothing away."""
        for branch in stamp.pending:
            address = (branch.attestation.calendar or "").rstrip("/")
            if address in self._addresses:
                stamp = self._more(stamp, address, "GET", f"/timestamp/{branch.message.hex()}", branch)
        return stamp

    def _more(self, stamp: Stamp, address: str, method: str, path: str, branch: Branch) -> Stamp:
        try:
            said = read_tree(_asked(address, method, path, branch.message, self._transport), branch)
            counts = tuple(one for one in said if one.attestation.calendar or one.attestation.height is not None)
            if not counts:
                raise Unproven("neither a promise nor a block")
            return stamp.with_branches(counts)
        except (Unreachable, Unproven) as problem:
            self.away.append(f"{address}: {problem}")
            return stamp


def _address(text: str) -> str:
    """Without a slash at its end. Raises ConfigurationError where it is no address of https, or of http on this machine."""
    try:
        parts = urlsplit(text)
        good = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)
        good = good and bool(parts.hostname) and not (parts.query or parts.fragment or parts.username or parts.password)
    except ValueError:
        good = False
    if not good or len(text) > 500 or not text.isprintable():
        raise ConfigurationError("--calendar is an address like https://calendar.example (http on this machine alone)")
    return text.rstrip("/")


def _asked(address: str, method: str, path: str, message: bytes, transport: httpx2.BaseTransport | None) -> bytes:
    body = message if method == "POST" else None
    headers = _HEADERS | ({"content-type": "application/octet-stream"} if body else {})
    until, data = time.monotonic() + WHOLE_ANSWER_SECONDS, bytearray()
    try:
        with (
            httpx2.Client(timeout=TIMEOUT_SECONDS, transport=transport, trust_env=False) as client,
            client.stream(method, address + path, headers=headers, content=body) as answer,
        ):
            if method == "GET" and answer.status_code == 404:
                raise Unreachable("it has no block for this yet")
            if answer.status_code != 200 or "content-encoding" in answer.headers:
                raise Unreachable(f"it answered with status {answer.status_code}")
            for part in answer.iter_bytes():
                data += part
                if len(data) > MAX_ANSWER_BYTES or time.monotonic() > until:
                    raise Unreachable("it answered with more than is read, or too slowly")
    except httpx2.HTTPError as problem:
        raise Unreachable(f"no answer ({type(problem).__name__})") from None
    return bytes(data)
