"""A certificate says whose key it is, for ten minutes, by an authority that is known."""

from dataclasses import replace
from datetime import timedelta

import pytest
import small_authority

from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.certificate import BACKDATED, LIFETIME, Issuer, check_certificate, in_der, issue, stamper_certificate

HERE, THERE = small_authority.authority(), small_authority.authority(seed="another ")
AT = small_authority.AT
KEY = small_authority.private_key("north")
NORTH = "https://rapha.dev/node/north"


def issued(issuer: Issuer = HERE.issuer, identity: str = NORTH) -> bytes:
    return in_der(issue(KEY.public_key(), identity, HERE.uri, issuer, AT))


def checked(der: bytes, at=AT, identity: str = NORTH) -> keys.PublicKey:
    issuer = HERE.issuer
    return check_certificate(der, issuer.certificate, issuer.stamping.public_key(), identity, at)


def test_it_names_the_key() -> None:
    assert checked(issued()) == KEY.public_key()
    assert issued() == issued(), "the same certificate asked for twice is the same"


def test_every_byte_counts() -> None:
    whole = issued()
    for at in range(len(whole)):
        with pytest.raises(Unproven):
            checked(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


def test_another_authority_is_refused() -> None:
    with pytest.raises(Unproven, match="authority that is known"):
        checked(issued(THERE.issuer))


def test_another_signer_is_refused() -> None:
    with pytest.raises(Unproven, match="another signer"):
        checked(issued(identity="https://rapha.dev/node/south"))


@pytest.mark.parametrize("away", [-BACKDATED - timedelta(seconds=1), LIFETIME + timedelta(seconds=1)])
def test_it_is_good_for_minutes(away: timedelta) -> None:
    checked(issued(), AT - BACKDATED)
    checked(issued(), AT + LIFETIME)
    with pytest.raises(Unproven, match="not good at the time"):
        checked(issued(), AT + away)


def test_issuing_that_another_stamped_is_refused() -> None:
    with pytest.raises(Unproven, match="stamped by another"):
        checked(issued(replace(HERE.issuer, stamping=THERE.issuer.stamping)))


def test_a_time_stampers_certificate_signs_no_receipt() -> None:
    issuer = HERE.issuer
    other = stamper_certificate("stamper", KEY.public_key(), issuer.certificate, issuer.private)
    with pytest.raises(Unproven, match="not one for signing"):
        checked(in_der(other))


@pytest.mark.parametrize("der", [b"", b"a certificate, honestly", bytes(9 << 10)])
def test_what_is_none_is_refused(der: bytes) -> None:
    with pytest.raises(Unproven):
        checked(der)
