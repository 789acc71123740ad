"""Is it in the public log, and who has seen that log? Steps 12 to 15 of a receipt's judgement. Pure."""

from rapha.errors import Unproven
from rapha.proof import lasting
from rapha.proof.bundle import decoded
from rapha.proof.checkpoint import (
    Checkpoint,
    check_log,
    cosignature_time,
    keyid_of_pem,
    note_key_hash,
    public_from_pem,
)
from rapha.records.bundle import LogEntry
from rapha.records.wire import TrustedKey, TrustedKeys

NO_WITNESS = (
    "That everybody is shown the same log: no witness has seen this checkpoint, so whoever runs the log could keep one "
    "log for you and another for somebody else."
)


def check_signed_by_log(
    logged: LogEntry, checkpoint: Checkpoint, known: TrustedKeys, origin_of_keys: str
) -> TrustedKey:
    """The key, of a log that is known by name and key, that signed the checkpoint. Raises Unproven."""
    mine = [key for key in known.of_role("log") if key.owner == checkpoint.origin]
    if not mine:
        raise Unproven(f"the key of the log {checkpoint.origin} is not {origin_of_keys}")
    for key in mine:
        public = public_from_pem(key.public_key)
        if note_key_hash(checkpoint.origin, public) == decoded(logged.logId.keyId):
            if keyid_of_pem(key.public_key) != key.keyid:
                raise Unproven(f"the key listed as {key.keyid[:16]} is another one: its SHA-256 differs")
            check_log(checkpoint, public)
            return key
    raise Unproven(f"the bundle is from another log than the {checkpoint.origin} that is known")


def check_witnesses(checkpoint: Checkpoint, known: TrustedKeys) -> dict[str, str]:
    """The witnesses that have seen this checkpoint, by key id, each with the time: at least as many as the keys file asks for.

    Raises:
        Unproven: too few have, too few with ML-DSA-44 too, or a cosignature of one that is known does not fit.
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
        raise Unproven(
            f"{len(seen)} of {len(witnesses)} known witnesses have seen this checkpoint; "
            f"{known.witnesses_at_least} are asked for: fetch the folder again later, or ask the hub for more"
        )
    return seen


def _check_lasting(checkpoint: Checkpoint, known: TrustedKeys) -> None:
    """The second lines fit, of as many witnesses as the keys file asks for. Raises Unproven."""
    seconds = known.of_role(lasting.ROLE)
    seen = set()
    for key in seconds:
        public = lasting.public_from_pem(key.public_key)
        if lasting.cosignature_time(checkpoint, key.owner, public) is not None:
            seen.add(lasting.keyid(public))
    if len(seen) < known.ml_dsa_at_least:
        raise Unproven(
            f"{len(seen)} of {len(seconds)} known witnesses have signed this checkpoint with ML-DSA-44 too; "
            f"{known.ml_dsa_at_least} are asked for"
        )
