"""Which tokens were used, for several hubs on one database: used at one hub is used at all.

A row is kept before its request is answered, by a commit that does not wait for the server's disk: it outlives every hub that
is killed, and a server that is killed, but not a server's machine that loses power and is back within minutes.
"""

import threading
from datetime import datetime, timedelta

from sqlalchemy import Delete, delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import ReturningInsert

from rapha.errors import NotPermitted
from rapha.hub.seen_tokens import LONGEST, REMEMBERED_PER_SITE
from rapha.hub.store.postgres import PostgresServer
from rapha.hub.store.tables import SeenTokenRow

KEPT_LONGER = timedelta(hours=1)
"""Than a token can be used: the clocks of two hubs are no further apart."""
_NOT_WAITING = text("SET LOCAL synchronous_commit = off")


class SharedSeenTokens:
    """As `SeenTokens`; the bound for one site holds for each hub by itself."""

    def __init__(self, database: PostgresServer, now: datetime, per_site: int = REMEMBERED_PER_SITE) -> None:
        self._database, self._per_site = database, per_site
        self._lock = threading.Lock()
        self._counted: dict[str, int] = {}
        self._since = now

    def check_first(self, site: str, jti: str, forget_at: datetime, now: datetime) -> None:
        """Remember this one.

        Raises:
            NotPermitted: it was used before, at whichever hub, or the site has used too many of late.
            Unreachable, DiskFull: it could not be written down, so it does not count as shown.
        """
        if self._begins_anew(now):
            self._run(delete(SeenTokenRow).where(SeenTokenRow.forget_at < now - KEPT_LONGER))
        with self._lock:
            if self._counted.get(site, 0) >= self._per_site:
                raise NotPermitted("too many requests from this site within a minute: wait a little")
            self._counted[site] = self._counted.get(site, 0) + 1
        row = {"site": site, "jti": jti, "forget_at": forget_at}
        added = insert(SeenTokenRow).values(row).on_conflict_do_nothing().returning(SeenTokenRow.jti)
        if self._run(added) is None:
            raise NotPermitted("this token was used before: sign a new one for each request")

    def _begins_anew(self, now: datetime) -> bool:
        with self._lock:
            if abs(now - self._since) <= LONGEST:
                return False
            self._since, self._counted = now, {}
            return True

    def _run(self, statement: ReturningInsert[str] | Delete) -> str | None:
        """What it gives back, if anything. Beside the changes of the hubs: it waits for none of them."""
        try:
            with self._database.writes.begin() as connection:
                connection.execute(_NOT_WAITING)
                result = connection.execute(statement)
                return result.scalar() if result.returns_rows else None
        except DBAPIError as error:
            raise self._database.said(error) or error from None
