"""Which of the reader's launches a trust domain is of. Pure."""

from rapha.errors import Unproven
from rapha.proof.evidence.tdx.check import TdxSound
from rapha.records.evidence import TdxLaunch


def trusted_domain(sound: TdxSound, launches: list[TdxLaunch]) -> TdxLaunch:
    """Raises Unproven, with the first thing that no launch of the reader's agrees on."""
    domain = sound.domain
    left = [one for one in launches if one.measurement == domain.mrtd.hex()]
    if not left:
        raise Unproven(f"the launch {domain.mrtd.hex()} is not one that you trust")
    for place, register in enumerate(domain.rtmr):
        left = [one for one in left if one.rtmr[place] in (None, register.hex())]
        if not left:
            raise Unproven(f"what was measured into RTMR{place}, {register.hex()}, is not what you trust")
    for name in ("xfam", "mrconfigid", "mrowner", "mrownerconfig"):
        found: bytes = getattr(domain, name)
        left = [one for one in left if getattr(one, name) == found.hex()]
        if not left:
            raise Unproven(f"its {name.upper()} is {found.hex()}, which is not what you trust")
    left = [one for one in left if one.mrseam is None or domain.mrseam.hex() in one.mrseam]
    if not left:
        raise Unproven(f"the TDX module {domain.mrseam.hex()} is not one that you trust")
    left = [one for one in left if one.evaluated_at_least is None or min(sound.evaluations) >= one.evaluated_at_least]
    if not left:
        raise Unproven(f"Intel says it {_evaluations(sound)}, which is older than you ask for")
    left = [one for one in left if sound.standing.status in one.statuses]
    if not left:
        raise Unproven(f"Intel says of its platform {_status(sound)}, which you do not accept")
    return left[0]


def in_tdx_words(sound: TdxSound) -> str:
    """What holds, on one line."""
    return f"{sound.domain.mrtd.hex()[:16]}; the key of a platform {sound.platform.fmspc.hex()}; Intel says {_status(sound)} {_evaluations(sound)}, at levels of {sound.standing.date:%Y-%m-%d}"


def _evaluations(sound: TdxSound) -> str:
    platform, enclave = sound.evaluations
    return f"by its evaluation {platform} of the platform and {enclave} of the quoting enclave"


def _status(sound: TdxSound) -> str:
    named = sound.standing.advisories
    return sound.standing.status + (f" ({', '.join(named)})" if named else "")
