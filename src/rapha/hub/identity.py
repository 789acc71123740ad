"""Who is asking: a node by its signed token, a researcher by a bearer token."""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

from rapha.canonical import canonical_bytes
from rapha.clock import Clock
from rapha.errors import ConfigurationError, NotPermitted
from rapha.hub import tokens
from rapha.hub.seen_tokens import SeenTokens
from rapha.hub.shared_tokens import SharedSeenTokens
from rapha.hub.store.database import Store
from rapha.hub.store.tables import IdentityRow
from rapha.proof import keys, token
from rapha.records.record import SiteId


class Doorkeeper:
    """Checks credentials. `seen` remembers, for as long as a token could live, that it was used."""

    def __init__(self, store: Store, hub: str, clock: Clock, seen: SeenTokens | SharedSeenTokens) -> None:
        self._store, self._hub, self._clock, self._seen = store, hub, clock, seen

    def node(self, credential: str, method: str, path: str) -> SiteId:
        """The site whose key signed this token for this very request.

        Raises:
            NotPermitted: it is malformed, forged, expired, for another request or hub, used before, or of no site here.
        """
        # 1. The site is enrolled; its enrolled key is the one that counts.
        site = token.unverified_site(credential)
        enrolled = self._store.enrolled_key(site)
        if enrolled == "":
            raise NotPermitted(f"the key of {site} was revoked: enrol with a new one and a code of the hub's steward")
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


def check_identity(store: Store, name: str, log_origin: str, own: Sequence[str]) -> None:
    """Return if every hub on this database has this name, log and public keys; the first one says which they are.

    Raises:
        ConfigurationError: the database is of a hub with others.
    """
    said = canonical_bytes({"name": name, "log_origin": log_origin, "keys": sorted(own)})
    with store.changing() as change:
        known = change.session.get(IdentityRow, "hub")
        if known is None:
            change.session.add(IdentityRow(what="hub", keys=said))
        elif known.keys != said:
            raise ConfigurationError(
                "this database is another hub's, or this home has other keys than the first hub on it: "
                "make the home with `rapha hub init HOME --beside THE_FIRST_HOME`"
            )


_key_of = lru_cache(maxsize=4096)(keys.public_from_pem)
"""The key of a PEM: that of a busy site is asked for many times a second."""
