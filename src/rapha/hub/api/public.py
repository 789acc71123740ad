"""What anybody may ask."""

from fastapi import APIRouter

import rapha
from rapha.hub.api.credentials import TheHub
from rapha.hub.delivery import trusted_keys
from rapha.records.certified import TrustConfig
from rapha.records.record import Record
from rapha.records.wire import TrustedKeys

router = APIRouter(tags=["public"])


class Health(Record):
    """It answers; this is who."""

    hub: str
    version: str


@router.get("/keys")
def keys(hub: TheHub) -> TrustedKeys:
    """The public keys of this hub, its log and its sites, to pin beforehand."""
    with hub.store.reading() as session:
        return trusted_keys(session, hub.signer, hub.desk)


@router.get("/trust-config")
def trust_config(hub: TheHub) -> TrustConfig:
    """What `sigstore --trust-config` needs to verify receipts of this hub, to fetch beforehand."""
    return hub.desk.trust_config


@router.get("/health")
def health(hub: TheHub) -> Health:
    """Alive."""
    return Health(hub=hub.signer.name, version=rapha.__version__)
