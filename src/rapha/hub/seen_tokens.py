"""Which tokens were used, each until it could no longer be used again: remembered across a restart, so many per site.

Two files: what is written now, and what was before it. Each is written for as long as any token can live, so that
whatever stands in the older one is dead when it is replaced. A line is handed to the kernel before its request is
answered: it outlives a hub that is killed at any moment, but not a machine that loses power and is back within minutes.
"""

import os
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rapha.errors import DiskFull, NotPermitted
from rapha.proof import token

REMEMBERED_PER_SITE = 20_000
LONGEST = timedelta(seconds=token.MAX_LIFETIME_SECONDS + 2 * token.LEEWAY_SECONDS)
"""From the use of a token to the end of what it could be used for: one from a clock that is fast, that lives longest."""

_LINE = re.compile(rb"([0-9]{1,11}) ([a-z0-9][a-z0-9-]{0,62}) ([0-9a-f]{32})\n")


class SeenTokens:
    """`folder` is this hub's alone; it is made where it is missing."""

    def __init__(self, folder: Path, now: datetime, per_site: int = REMEMBERED_PER_SITE) -> None:
        self._now, self._before = folder / "now", folder / "before"
        self._per_site = per_site
        self._lock = threading.Lock()
        self._sites: dict[str, dict[str, datetime]] = {}
        self._since = now
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in (self._before, self._now):
            self._read(file, now)

    def check_first(self, site: str, jti: str, forget_at: datetime, now: datetime) -> None:
        """Remember this one.

        Raises:
            NotPermitted: it was used before, or the site has so many alive that no more can be remembered.
            DiskFull: it could not be written down, so it does not count as shown.
        """
        with self._lock:
            seen = self._sites.setdefault(site, {})
            if jti in seen:
                raise NotPermitted("this token was used before: sign a new one for each request")
            if len(seen) >= self._per_site:
                for old in [key for key, until in seen.items() if until < now]:
                    del seen[old]
            if len(seen) >= self._per_site:
                raise NotPermitted("too many requests from this site within a minute: wait a little")
            self._write(f"{int(forget_at.timestamp()) + 1} {site} {jti}\n".encode(), now)
            seen[jti] = forget_at

    def _write(self, line: bytes, now: datetime) -> None:
        try:
            if now - self._since > LONGEST:
                if self._now.exists():  # else nobody has come since the hub began
                    self._now.replace(self._before)
                self._since = now
            file = os.open(self._now, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                whole = os.write(file, line) == len(line)
            finally:
                os.close(file)
        except OSError as error:
            raise DiskFull(f"the hub cannot write down which tokens were used: {error.strerror}") from error
        if not whole:
            raise DiskFull("no space left for the tokens that were used: make room in the hub's home folder")

    def _read(self, file: Path, now: datetime) -> None:
        if not file.exists():
            return
        for until, site, jti in _LINE.findall(file.read_bytes()):
            forget_at = datetime.fromtimestamp(int(until), UTC)
            if forget_at >= now:
                self._sites.setdefault(site.decode(), {})[jti.decode()] = forget_at
