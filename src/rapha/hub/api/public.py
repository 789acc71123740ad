"""What anybody may ask."""

from typing import Literal

from fastapi import APIRouter

import rapha
from rapha.hub import site_keys
from rapha.hub.api.credentials import TheHub
from rapha.hub.delivery import trusted_keys
from rapha.hub.site_keys import log_changes
from rapha.records.certified import TrustConfig
from rapha.records.key_change import KeyChanges
from rapha.records.record import Record
from rapha.records.wire import TrustedKeys

router = APIRouter(tags=["public"])


class Health(Record):
    """It answers; this is who."""

    hub: str
    version: str


@router.get("/keys")
def keys(hub: TheHub) -> TrustedKeys:
    """The public keys of this hub, its log and its sites, to pin beforehand. One that has ended, or follows another, has a window."""
    log_changes(hub.store, hub.desk, hub.signer)
    with hub.store.reading() as session:
        return trusted_keys(session, hub.signer, hub.desk)


@router.get("/key-changes")
def key_changes(hub: TheHub, of: Literal["hub"] | None = None) -> KeyChanges:
    """Every rotation and revocation of a key, as the log has it: for who pinned keys and trusts no list of the hub's. `of=hub`: of the hub's own
    alone, for who follows its log and no hospital: there are few of these, however many hospitals there are."""
    log_changes(hub.store, hub.desk, hub.signer)
    with hub.store.reading() as session:
        return site_keys.key_changes(session, hub.desk, own_alone=of == "hub")


@router.get("/trust-config")
def trust_config(hub: TheHub) -> TrustConfig:
    """What `sigstore --trust-config` needs to verify receipts of this hub, to fetch beforehand."""
    return hub.desk.trust_config


@router.get("/health")
def health(hub: TheHub) -> Health:
    """Alive."""
    return Health(hub=hub.signer.name, version=rapha.__version__)
