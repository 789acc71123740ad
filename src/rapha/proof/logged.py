"""Is it in the public log, and who has seen that log? Steps 12 to 15 of a receipt's judgement. Pure."""

from collections.abc import Callable, Sequence

from rapha.errors import Unproven
from rapha.proof import lasting
from rapha.proof.bundle import decoded
from rapha.proof.checkpoint import (
    Checkpoint,
    check_log,
    cosignature_time,
    is_signed_by,
    keyid_of_pem,
    note_key_hash,
    public_from_pem,
)
from rapha.proof.window import without_start
from rapha.records.bundle import LogEntry
from rapha.records.wire import TrustedKey, TrustedKeys

NO_WITNESS = (
    "That everybody is shown the same log: no witness has seen this checkpoint, so whoever runs the log could keep one "
    "log for you and another for somebody else."
)


class TooFewWitnesses(Unproven):
    """Fewer than the keys file asks for have seen the checkpoint; what is there of them fits. `counted`: how many, as words without an end."""

    def __init__(self, counted: str, advice: str = "") -> None:
        super().__init__(counted + advice)
        self.counted = counted


def check_signed_by_log(
    logged: LogEntry, checkpoint: Checkpoint, known: TrustedKeys, origin_of_keys: str
) -> tuple[TrustedKey, ...]:
    """The key, of a log that is known by name and key, that signed the checkpoint; and those of its second line, where they are known and
    it is there. Raises Unproven."""
    mine = [key for key in known.of_role("log") if key.owner == checkpoint.origin]
    if not mine:
        raise Unproven(f"the key of the log {checkpoint.origin} is not {origin_of_keys}")
    for key in mine:
        public = public_from_pem(key.public_key)
        if note_key_hash(checkpoint.origin, public) == decoded(logged.logId.keyId):
            if keyid_of_pem(key.public_key) != key.keyid:
                raise Unproven(f"the key listed as {key.keyid[:16]} is another one: its SHA-256 differs")
            check_log(checkpoint, public)
            return (key, *check_second_line(checkpoint, known))
    raise Unproven(f"the bundle is from another log than the {checkpoint.origin} that is known")


def check_promised(checkpoint: Checkpoint, known: TrustedKeys) -> tuple[TrustedKey, ...]:
    """The key of the log, among those that are known and have not ended, that signed its newest checkpoint; and those of its second line, as
    `check_signed_by_log`. Raises Unproven: none did."""
    going_on = tuple(key for key in known.keys if key.window is None or key.window.end is None)
    mine = [key for key in going_on if key.role == "log" and key.owner == checkpoint.origin]
    if not mine:
        raise Unproven(f"no key of a log {checkpoint.origin} is known, or keys of it that have ended alone")
    key = next((key for key in mine if is_signed_by(checkpoint, public_from_pem(key.public_key))), mine[0])
    check_log(checkpoint, public_from_pem(key.public_key))
    if keyid_of_pem(key.public_key) != key.keyid:
        raise Unproven(f"the key listed as {key.keyid[:16]} is another one: its SHA-256 differs")
    return (key, *check_second_line(checkpoint, known.model_copy(update={"keys": going_on})))


def check_second_line(checkpoint: Checkpoint, known: TrustedKeys) -> tuple[TrustedKey, ...]:
    """The log's known keys of ML-DSA-44 that signed the checkpoint too.

    Raises:
        Unproven: one that has a line there did not, one is listed under another id, or none has and the keys file asks for it.
    """
    found = []
    for key in known.of_role(lasting.ROLE_OF_LOG):
        public = lasting.public_from_pem(key.public_key)
        if key.owner != checkpoint.origin or not lasting.is_signed_by_log(checkpoint, public):
            continue
        if lasting.keyid(public) != key.keyid:
            raise Unproven(f"the key listed as {key.keyid[:16]} is another one: its SHA-256 differs")
        found.append(key)
    if known.log_ml_dsa and not found:
        raise Unproven(
            f"the log {checkpoint.origin} has not signed this checkpoint with a key of ML-DSA-44 that is known, which is asked for"
        )
    return tuple(found)


def check_good(signed: Sequence[TrustedKey], check: Callable[[TrustedKey], None]) -> None:
    """The log's key passes, and one of its second keys, where there are any: while it goes over to another, two have signed. No log's key
    has a beginning: it promises again what the one before it did. Raises what `check` does."""
    first, *seconds = map(without_start, signed)
    check(first)
    for left, key in zip(range(len(seconds))[::-1], seconds, strict=True):
        try:
            check(key)
        except Unproven:
            if not left:
                raise
        else:
            return


def check_witnesses(checkpoint: Checkpoint, known: TrustedKeys) -> dict[str, str]:
    """The witnesses that have seen this checkpoint, by key id, each with the time: at least as many as the keys file asks for.

    Raises:
        TooFewWitnesses: too few have, or too few with ML-DSA-44 too.
        Unproven: a cosignature of one that is known does not fit.
    """
    witnesses = known.of_role("witness")
    seen = {}
    for key in witnesses:
        public = public_from_pem(key.public_key)
        at = cosignature_time(checkpoint, key.owner, public)
        if at is not None:
            seen[keyid_of_pem(key.public_key)] = f"{key.owner} at {at:%Y-%m-%d %H:%M:%S} UTC"
    _check_lasting(checkpoint, known)
    if len(seen) < known.witnesses_at_least:
        raise TooFewWitnesses(
            f"{len(seen)} of {len(witnesses)} known witnesses have seen this checkpoint; "
            f"{known.witnesses_at_least} are asked for",
            ". A hub asks its witnesses once, when it logs: ask its steward why fewer answered",
        )
    return seen


def _check_lasting(checkpoint: Checkpoint, known: TrustedKeys) -> None:
    """The second lines fit, of as many witnesses as the keys file asks for. Raises as `check_witnesses`."""
    seconds = known.of_role(lasting.ROLE)
    seen = set()
    for key in seconds:
        public = lasting.public_from_pem(key.public_key)
        if lasting.cosignature_time(checkpoint, key.owner, public) is not None:
            seen.add(lasting.keyid(public))
    if len(seen) < known.ml_dsa_at_least:
        raise TooFewWitnesses(
            f"{len(seen)} of {len(seconds)} known witnesses have signed this checkpoint with ML-DSA-44 too; "
            f"{known.ml_dsa_at_least} are asked for"
        )
