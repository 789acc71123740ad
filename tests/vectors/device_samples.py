"""What a phone computes and signs, byte by byte: `bridge/ios` reads the same files. device-*.json, below devices/."""

import base64
from datetime import UTC, datetime

import phone_learning as learning
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from record_samples import example, private_key

from rapha.canonical import canonical_bytes, digest
from rapha.proof import keys, masked_sum
from rapha.proof.consent import DEVICE_TYPE, seal_said
from rapha.proof.envelope import pae
from rapha.records.consent import Consent, DeviceEnvelope, Withdrawal
from rapha.records.device import Advert, DeviceAnswer, DeviceTask, Peer

AT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
OWNER = "device"
ROW = (6.5, None, 61.0)


def device() -> str:
    return keys.keyid(private_key(OWNER).public_key())


def consent() -> Consent:
    study = example("diabetes-within-5-years")
    return Consent(
        study_digest=study.digest, relay="phone-town", device=device(), sentence="Predict a notice of an irregular rhythm.",
        modalities=("wearables",), given=AT, until=AT.replace(year=2027), at_least_devices=100, nonce="0f" * 16,
    )  # fmt: skip


def withdrawal() -> Withdrawal:
    return Withdrawal(consent=consent().digest, device=device(), at=AT.replace(month=12))


def envelope() -> DeviceEnvelope:
    return seal_said(consent(), private_key(OWNER))


def advert() -> Advert:
    return Advert(
        study_digest=consent().study_digest, round=3, attempt=1, device=device(), consent=consent().digest,
        mask_key=mask_secret(0).public_key().public_bytes_raw().hex(),
    )  # fmt: skip


def answer() -> DeviceAnswer:
    return DeviceAnswer(
        study_digest=consent().study_digest, round=3, attempt=1, device=device(), consent=consent().digest, masked=(0, 4294967295, 7)
    )  # fmt: skip


def mask_secret(number: int) -> X25519PrivateKey:
    return X25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32)


def peers() -> tuple[Peer, ...]:
    names = [device(), *(digest(bytes([number])).removeprefix("sha256:") for number in range(1, 14))]
    return tuple(
        Peer(device=name, mask_key=mask_secret(number).public_key().public_bytes_raw().hex())
        for number, name in enumerate(names)
    )


def task(do: str = "train") -> DeviceTask:
    terms = {
        "prepare": {"low": (0.0, 0.0, 30.0), "high": (14.0, 250.0, 110.0)},
        "train": {"learning_rate": 0.5, "steps": 3, "clip": 0.25, "noise_multiplier": 1.0},
        "evaluate": {},
    }[do]
    model = {
        "mean": (7.0, 50.0, 60.0),
        "scale": (0.5, 12.0, 6.0),
        "weight": (-0.25, 0.125, 0.5, 0.0, 0.75, 0.0),
        "bias": -0.5,
    }
    said = {
        "study_digest": consent().study_digest,
        "round": 3,
        "attempt": 1,
        "do": do,
        "peers": [p.as_json() for p in peers()],
    }
    return DeviceTask.model_validate({**said, **terms, **({} if do == "prepare" else model)})


def files() -> dict[str, object]:
    """Name -> JSON value of each file. Reals are texts, bytes are base64."""
    return {"canonical": _canonical(), "consent": _consent(), "masks": _masks(), "update": _update()}


def _canonical() -> list[object]:
    values: list[object] = [
        {"b": 1, "a": [True, False, None], "": -3}, {"é": "\u2028", "z": "\"\\\n\t\b\f\r\u0001/", "Z": ""},
        {"\U0001f600": 1, "\ufb33": 2}, [], {}, "Anna’s", 9007199254740991, [[{"x": {}}]],
    ]  # fmt: skip
    return [{"value": value, "bytes": _base64(canonical_bytes(value))} for value in values]


def _consent() -> dict[str, object]:
    private = private_key(OWNER)
    scalar = private.private_numbers().private_value.to_bytes(32, "big")
    payload = consent().as_bytes()
    return {
        "private_scalar": _base64(scalar), "keyid": device(), "record": consent().as_json(), "bytes": _base64(payload),
        "digest": consent().digest, "pae": _base64(pae(payload, DEVICE_TYPE)), "envelope": envelope().as_json(),
        "withdrawal": {"record": withdrawal().as_json(), "bytes": _base64(withdrawal().as_bytes())},
    }  # fmt: skip


def _masks() -> dict[str, object]:
    asked = task()
    context = masked_sum.round_context(asked.study_digest, asked.round, asked.attempt)
    public = {peer.device: bytes.fromhex(peer.mask_key) for peer in asked.peers}
    words = masked_sum.fixed_point([0.5, -0.25, 1e-6, -1.0, 3.0])
    near = masked_sum.neighbours(public, device(), context)
    return {
        "study_digest": asked.study_digest, "round": asked.round, "attempt": asked.attempt, "device": device(),
        "context": _base64(context), "peers": [peer.as_json() for peer in asked.peers], "secret": _base64(bytes([1]) * 32),
        "neighbours": near, "stream_with": near[0], "stream": masked_sum.stream(mask_secret(0), public[near[0]], context, 11),
        "values": ["0.5", "-0.25", "1e-06", "-1.0", "3.0"], "words": words,
        "masked": masked_sum.masked(words, device(), mask_secret(0), public, context),
    }  # fmt: skip


def _update() -> dict[str, object]:
    found = {
        "prepare": learning.prepared(task("prepare"), ROW),
        "train": learning.trained(task(), ROW, case=True),
        "evaluate": learning.placed(task("evaluate"), ROW, case=True),
    }
    return {
        "row": [None if x is None else repr(x) for x in ROW], "case": True,
        "noise_deviation": repr(learning.noise_deviation(task(), consent().at_least_devices)),
        "tasks": {do: task(do).as_json() for do in found},
        "values": {do: [repr(x) for x in values] for do, values in found.items()},
        "words": {do: masked_sum.fixed_point(values) for do, values in found.items()},
    }  # fmt: skip


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
