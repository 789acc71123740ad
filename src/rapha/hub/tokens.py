"""Researchers' tokens: `rapha_<id>_<secret>`. The hub keeps a hash of the secret (192 random bits, so plain SHA-256 is
enough), the researcher's name and the scopes; a token is revoked by its id and never comes back."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from rapha.errors import ConfigurationError, NotPermitted
from rapha.hub.store.changes import Change
from rapha.hub.store.tables import TokenRow

Scope = Literal["study:write", "study:read", "sites:read"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "rapha_"

_FORM = re.compile(r"rapha_([0-9a-f]{12})_([0-9a-f]{48})")
_NAME = re.compile(r"[^\s\x00-\x1f](?:[^\x00-\x1f]{0,118}[^\s\x00-\x1f])?")


@dataclass(frozen=True)
class Researcher:
    """Who asks, and what they may ask for."""

    name: str
    scopes: frozenset[str]

    def check_scope(self, scope: Scope) -> None:
        """Raises NotPermitted where the token does not allow it."""
        if scope not in self.scopes:
            raise NotPermitted(f"this token does not allow {scope}: ask the hub's steward for one that does")


def new_token(change: Change, researcher: str, scopes: Iterable[str]) -> str:
    """Make a token; it is shown this once.

    Raises:
        ConfigurationError: an unknown scope, none at all, or a name that is empty or longer than 120 characters.
    """
    wanted = list(dict.fromkeys(scopes))
    if unknown := [scope for scope in wanted if scope not in SCOPES]:
        raise ConfigurationError(f"there is no scope {unknown[0]!r}: it is one of {', '.join(SCOPES)}")
    if not wanted or not _NAME.fullmatch(researcher):
        raise ConfigurationError("a token needs a researcher's name of 1 to 120 characters and at least one scope")
    token_id, secret = secrets.token_hex(6), secrets.token_hex(24)
    row = TokenRow(
        id=token_id, secret_hash=_hash(secret), researcher=researcher, scopes=" ".join(wanted), created_at=change.at
    )
    change.session.add(row)
    change.tell("token.made", "steward", facts={"token": token_id, "researcher": researcher, "scopes": row.scopes})
    return f"{PREFIX}{token_id}_{secret}"


def revoke(change: Change, token_id: str) -> None:
    """End a token. Twice is the same as once.

    Raises:
        ConfigurationError: there is no such token.
    """
    row = change.session.get(TokenRow, token_id)
    if row is None:
        raise ConfigurationError(f"there is no token {token_id}: `rapha hub token HOME --list` shows them")
    if row.revoked_at is None:
        row.revoked_at = change.at
        change.tell("token.revoked", "steward", facts={"token": token_id, "researcher": row.researcher})


def tokens(session: Session) -> Sequence[TokenRow]:
    """All tokens ever made, oldest first."""
    return session.scalars(select(TokenRow).order_by(TokenRow.created_at)).all()


def check(session: Session, token: str) -> Researcher:
    """Who holds this token.

    Raises:
        NotPermitted: malformed, unknown, wrong or revoked; it is not said which.
    """
    found = _FORM.fullmatch(token)
    row = session.get(TokenRow, found[1]) if found else None
    right = found is not None and row is not None and hmac.compare_digest(row.secret_hash, _hash(found[2]))
    if row is None or not right or row.revoked_at is not None:
        raise NotPermitted("this token is not known here, or was revoked: ask the hub's steward for a new one")
    return Researcher(row.researcher, frozenset(row.scopes.split()))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
