"""How a hospital joins: its hub's steward hands it a one-time code, out of band; the node answers with its public key.

The key that comes with the code is the one every later token and receipt of that site is checked with.
"""

import hashlib
import re
import secrets
from datetime import timedelta

from rapha.errors import ConfigurationError, NotPermitted
from rapha.hub.site_keys import take_in
from rapha.hub.store.changes import Change
from rapha.hub.store.tables import CodeRow, SiteRow
from rapha.proof import keys
from rapha.records.wire import Enrolment

CODE_LIFETIME = timedelta(hours=24)
_SITE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def new_code(change: Change, site: str) -> str:
    """A code for that site, good once and for a day. For a site that is enrolled already: to replace its key.

    Raises:
        ConfigurationError: the name is not one for a site.
    """
    if not _SITE.fullmatch(site):
        raise ConfigurationError(f"{site!r} is no name for a site: lower-case letters, digits and hyphens, at most 63")
    code = "-".join(secrets.token_hex(4) for _ in range(4))
    change.session.add(CodeRow(code_hash=_hash(code), site=site, expires_at=change.at + CODE_LIFETIME))
    change.tell("site.invited", "steward", site=site)
    return code


def enrol(change: Change, enrolment: Enrolment) -> SiteRow:
    """Take the site in. The same code with the same key again gives the same answer, so a lost answer loses nothing.

    Raises:
        NotPermitted: the code is unknown, expired, for another site, or used by another key; or this key has ended, or was another's.
        Unproven: the key is not a P-256 public key.
    """
    public = keys.public_from_pem(enrolment.public_key)
    keyid = keys.keyid(public)
    code = change.session.get(CodeRow, _hash(enrolment.code))
    if code is None or code.site != enrolment.site or code.used_by not in (None, keyid):
        raise NotPermitted("this enrolment code is not good: unknown, used, or for another site; ask for a new one")
    site = change.session.get(SiteRow, enrolment.site)
    if code.used_by == keyid and site is not None and site.keyid == keyid and site.public_key:
        return site
    if code.used_by is not None or change.at > code.expires_at:
        raise NotPermitted("this enrolment code has expired: ask the hub's steward for a new one")
    code.used_by = keyid
    if site is None:
        site = SiteRow(id=enrolment.site, enrolled_at=change.at, public_key="", keyid="", name="")
        change.session.add(site)
        change.session.flush()
    site.name = enrolment.name
    take_in(change, site, public)
    change.tell("site.enrolled", f"node:{enrolment.site}", site=enrolment.site, facts={"keyid": keyid})
    return site


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
