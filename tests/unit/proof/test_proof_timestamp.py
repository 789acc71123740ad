"""A time stamp says when, of these bytes, by this stamper: with one bit changed it says nothing."""

from datetime import UTC, datetime

import pytest
import small_authority

from rapha.errors import Unproven
from rapha.proof import timestamp

AT = datetime(2026, 11, 23, 8, 0, 1, 999_999, tzinfo=UTC)
HERE, THERE = small_authority.authority(), small_authority.authority(seed="another ")


def stamped(message: bytes = b"signature", serial: int = 7) -> bytes:
    return timestamp.stamp(message, AT, serial, HERE.stamper, HERE.stamping)


def test_it_says_when_to_the_second() -> None:
    assert timestamp.check_stamp(stamped(), b"signature", HERE.stamper) == AT.replace(microsecond=0)


def test_the_same_stamp_has_the_same_bytes_and_another_serial_has_not() -> None:
    assert stamped() == stamped()
    assert stamped(serial=8) != stamped()


def test_every_bit_counts() -> None:
    whole = stamped()
    for at in range(len(whole)):
        for bit in (1, 128):
            with pytest.raises(Unproven):
                timestamp.check_stamp(
                    whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :], b"signature", HERE.stamper
                )


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_part_is_no_stamp(cut: int) -> None:
    with pytest.raises(Unproven, match="RFC 3161"):
        timestamp.check_stamp(stamped()[:cut], b"signature", HERE.stamper)


def test_what_follows_it_is_refused() -> None:
    with pytest.raises(Unproven, match="RFC 3161"):
        timestamp.check_stamp(stamped() + b"\0", b"signature", HERE.stamper)


def test_another_message_and_another_stamper_are_refused() -> None:
    with pytest.raises(Unproven, match="another signature"):
        timestamp.check_stamp(stamped(), b"another", HERE.stamper)
    with pytest.raises(Unproven, match="another certificate"):
        timestamp.check_stamp(stamped(), b"signature", THERE.stamper)


def test_a_stamp_from_before_the_stamper_is_refused() -> None:
    early = timestamp.stamp(b"signature", AT.replace(year=2025), 7, HERE.stamper, HERE.stamping)
    with pytest.raises(Unproven, match="not good at the time"):
        timestamp.check_stamp(early, b"signature", HERE.stamper)


def test_a_very_long_one_is_not_read() -> None:
    with pytest.raises(Unproven, match="at most"):
        timestamp.check_stamp(bytes(timestamp.MAX_STAMP_BYTES + 1), b"signature", HERE.stamper)
