"""Who is asking: a node by its signed token, a researcher by a bearer token."""

import threading
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import select

from rapha.clock import Clock
from rapha.errors import NotPermitted
from rapha.hub import tokens
from rapha.hub.store.database import Store
from rapha.hub.store.tables import SiteRow
from rapha.proof import keys, token
from rapha.records.record import SiteId

TOKENS_REMEMBERED_PER_SITE = 20_000


class Doorkeeper:
    """Checks credentials. Remembers, for as long as a token could live, that it was used."""

    def __init__(self, store: Store, hub: str, clock: Clock) -> None:
        self._store, self._hub, self._clock = store, hub, clock
        self._seen = SeenTokens()

    def node(self, credential: str, method: str, path: str) -> SiteId:
        """The site whose key signed this token for this very request.

        Raises:
            NotPermitted: it is malformed, forged, expired, for another request or hub, used before, or of no site here.
        """
        # 1. The site is enrolled; its enrolled key is the one that counts.
        site = token.unverified_site(credential)
        with self._store.reading() as session:
            enrolled = session.scalar(select(SiteRow.public_key).where(SiteRow.id == site))
        if enrolled is None:
            raise NotPermitted(
                f"the site {site} is not enrolled at this hub: `rapha node init` with a code of its steward"
            )
        # 2. That key signed exactly this, lately.
        now = self._clock()
        claims = token.check(credential, _key_of(enrolled), self._hub, now, method=method, path=path)
        # 3. For the first time.
        forget_at = claims.expires + timedelta(seconds=token.LEEWAY_SECONDS)
        self._seen.check_first(claims.site, claims.jti, forget_at, now)
        return SiteId(claims.site)

    def researcher(self, credential: str) -> tokens.Researcher:
        """Who holds this token, and what it allows.

        Raises:
            NotPermitted: it is unknown or revoked.
        """
        with self._store.reading() as session:
            return tokens.check(session, credential)


_key_of = lru_cache(maxsize=4096)(keys.public_from_pem)
"""The key of a PEM: that of a busy site is asked for many times a second."""


class SeenTokens:
    """The ids of tokens used, each until it could no longer be used again; so many per site and no more."""

    def __init__(self, per_site: int = TOKENS_REMEMBERED_PER_SITE) -> None:
        self._per_site = per_site
        self._lock = threading.Lock()
        self._sites: dict[str, dict[str, datetime]] = {}

    def check_first(self, site: str, jti: str, forget_at: datetime, now: datetime) -> None:
        """Remember this one.

        Raises:
            NotPermitted: it was used before, or the site has so many alive that no more can be remembered.
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
            seen[jti] = forget_at
