"""When a key is believed: what the window beside a key in a keys file says of a receipt. Pure.

A receipt that was stamped and logged while its key was good stays good after the key has ended. Time is that of the RFC 3161 stamp and
never the signer's own; the place in the log bounds it as well, for whoever stole a key may have a stamper date back, and nobody can put
an entry before one that is logged.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from rapha.errors import Unproven
from rapha.records.wire import TrustedKey, Window


def second_of(at: datetime) -> str:
    """As windows have times: UTC, the fraction of a second cut off."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def check_window(key: TrustedKey, at: datetime, indices: Sequence[int]) -> None:
    """A signature that was stamped `at`, whose entries of the log are `indices`, was made while this key was good.

    Raises:
        Unproven: before or after, or logged after; says which.
    """
    window, stamped, short = key.window, second_of(at), key.keyid[:16]
    if window is None:
        return
    if window.start is not None and stamped < window.start:
        raise Unproven(
            f"stamped at {stamped}, before the key {short} of {key.owner} was good: it is believed from {window.start}"
        )
    if window.end is not None and stamped >= window.end:
        raise Unproven(
            f"stamped at {stamped}, when the key {short} of {key.owner} had ended: it is believed until {window.end}"
        )
    if window.below is not None and max(indices) >= window.below:
        raise Unproven(
            f"entry {max(indices)} of the log, where the key {short} of {key.owner} is not believed from entry {window.below} on: "
            "it was revoked there"
        )


def without_start(key: TrustedKey) -> TrustedKey:
    """A log's key as it is held against a stamp. What is stamped was there then, and may be logged, or shown under a later checkpoint, at any time
    after: a log that has another key by then promises again with that one what it promised before. So the stamp says nothing of whether that
    key had begun when it signed."""
    if key.window is None or key.window.start is None:
        return key
    return key.model_copy(update={"window": key.window.model_copy(update={"start": None})})


def window_in_words(key: TrustedKey) -> str:
    """For the sentence of the step that held; empty where the key has no end that is known."""
    return f"; the key is believed until {key.window.end}" if key.window and key.window.end else ""


def ending_with(key: TrustedKey, end: Window | None) -> TrustedKey:
    """The key, with that end where it is the earlier one."""
    if end is None or (end.end is None and end.below is None):
        return key
    return key.model_copy(update={"window": cut(key.window, end.end, end.below)})


def cut(window: Window | None, end: str | None, below: int | None) -> Window:
    """Ends only ever come earlier."""
    old = window or Window()
    ends = [one for one in (old.end, end) if one is not None]
    places = [one for one in (old.below, below) if one is not None]
    return Window(start=old.start, end=min(ends, default=None), below=min(places, default=None))
