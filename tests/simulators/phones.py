"""Phones that hold one patient each, and a relay that is their site at a real hub. All in this process; every word between them is
bytes, as on a wire.

A phone answers for itself: it looks at its own consent before every round, whatever the relay says. The relay looks at every
consent too, and can open no answer: it has only the sum.
"""

import hashlib
import random
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
import phone_learning as learning
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fake_site import FakeSite, Tensors
from httpx2 import Response
from hub_at_hand import HubAtHand
from safetensors.numpy import load, save

from rapha.egress.statistics import canonical_statistics
from rapha.errors import NotPermitted
from rapha.hub.app import API
from rapha.proof import keys, masked_sum
from rapha.proof.consent import Said, check_stands, open_said, seal_said
from rapha.records.consent import Consent, DeviceEnvelope, Withdrawal
from rapha.records.device import BINS, Advert, DeviceAnswer, DeviceTask, Peer
from rapha.records.metrics import Count, Evaluation, Score, SiteMetrics
from rapha.records.record import Slug
from rapha.records.site import ConceptCoverage, SiteProfile
from rapha.records.study import Study
from rapha.records.task import Task
from rapha.records.tensors import declared_statistics

Clock = Callable[[], datetime]
HELD_OUT_OF = 4
"""One phone in so many is asked in the last round alone."""


class Phone:
    """`row`: its patient's features, None where missing; `case`: whether the outcome came."""

    def __init__(self, row: Sequence[float | None], case: bool, clock: Clock, seed: int) -> None:
        self.key, self.row, self.case, self.clock = keys.generate(), row, case, clock
        self.public = self.key.public_key()
        self.name = keys.keyid(self.public)
        self.consent: Consent | None = None
        self.reachable = True
        self.answered = 0
        self.withdrawn: set[str] = set()
        self._dice = random.Random(seed)
        self._mask_keys: dict[bytes, X25519PrivateKey] = {}

    def agree(self, study: Study, relay: str, at_least: int, for_days: int = 90) -> bytes:
        """The person has read the purpose and says yes."""
        now = self.clock()
        self.consent = Consent(
            study_digest=study.digest, relay=relay, device=self.name, sentence=study.purpose.sentence, nonce=secrets.token_hex(16),
            modalities=study.data.modalities, given=now, until=now + timedelta(days=for_days), at_least_devices=at_least,
        )  # fmt: skip
        return seal_said(self.consent, self.key).as_bytes()

    def withdraw(self) -> bytes:
        """And takes it back: this phone answers nothing more."""
        assert self.consent
        self.withdrawn.add(self.consent.digest)
        return seal_said(
            Withdrawal(consent=self.consent.digest, device=self.name, at=self.clock()), self.key
        ).as_bytes()

    def advertise(self, study_digest: str, number: int, attempt: int) -> bytes | None:
        """A mask key for this attempt, or nothing where the person's yes does not cover it."""
        if self.consent is None or not self.reachable:
            return None
        try:
            check_stands(
                self.consent,
                study_digest,
                self.consent.relay,
                self.consent.at_least_devices,
                self.clock(),
                self.withdrawn,
            )
        except NotPermitted:
            return None
        context = masked_sum.round_context(study_digest, number, attempt)
        secret = self._mask_keys[context] = X25519PrivateKey.generate()
        advert = Advert(
            study_digest=study_digest, round=number, attempt=attempt, device=self.name, consent=self.consent.digest,
            mask_key=secret.public_key().public_bytes_raw().hex(),
        )  # fmt: skip
        return seal_said(advert, self.key).as_bytes()

    def answer(self, task_bytes: bytes) -> bytes | None:
        """This phone's part of the sum.

        Raises:
            NotPermitted: the task is not one that this person said yes to, or not one it has a key for.
        """
        task = DeviceTask.from_bytes(task_bytes)
        assert self.consent
        if not self.reachable:
            return None
        check_stands(self.consent, task.study_digest, self.consent.relay, len(task.peers), self.clock(), self.withdrawn)
        context = masked_sum.round_context(task.study_digest, task.round, task.attempt)
        secret = self._mask_keys.pop(
            context, None
        )  # once: a second answer under the same masks would tell their difference
        peers = {peer.device: bytes.fromhex(peer.mask_key) for peer in task.peers}
        if (
            secret is None
            or peers.get(self.name) != secret.public_key().public_bytes_raw()
            or len(peers) != len(task.peers)
        ):
            raise NotPermitted("this round is not the one this phone gave its key for")
        words = masked_sum.fixed_point(self._computed(task))
        self.answered += 1
        answer = DeviceAnswer(
            study_digest=task.study_digest, round=task.round, attempt=task.attempt, device=self.name, consent=self.consent.digest,
            masked=tuple(masked_sum.masked(words, self.name, secret, peers, context)),
        )  # fmt: skip
        return seal_said(answer, self.key).as_bytes()

    def _computed(self, task: DeviceTask) -> list[float]:
        match task.do:
            case "prepare":
                return learning.prepared(task, self.row)
            case "train":
                assert self.consent
                deviation = learning.noise_deviation(task, self.consent.at_least_devices)
                return [x + self._dice.gauss(0, deviation) for x in learning.trained(task, self.row, self.case)]
            case "evaluate":
                return learning.placed(task, self.row, self.case)


class Relay(FakeSite):
    """The site of many phones. It holds consents and sums; it never holds a row. `ranges`: public, of each feature."""

    def __init__(
        self, hub: HubAtHand, name: str, phones: Sequence[Phone], ranges: Sequence[tuple[float, float]], noise_multiplier: float = 0.0
    ) -> None:  # fmt: skip
        super().__init__(hub, name)
        self.phones, self.ranges, self.noise_multiplier = (
            {phone.name: phone for phone in phones},
            ranges,
            noise_multiplier,
        )
        self.consents: dict[str, Consent] = {}
        self.withdrawn: set[str] = set()
        self.seen: list[DeviceAnswer] = []
        self.rosters: list[tuple[int, int, int]] = []
        self._evaluated: list[float] = []

    def join_with(self, study: Study) -> "Relay":
        """Enrol as a site that has what the study asks for."""
        assert self.hub.http.post(f"{API}/node/enrol", content=self.enrolment(self.hub.code(self.name)).as_bytes(),
                                  headers={"content-type": "application/json"}).status_code == 200  # fmt: skip
        coverage = tuple(
            ConceptCoverage(system=listed.system, code=code, patients=Count(about=len(self.phones)))
            for concept in study.concepts.values() for listed in concept.any_of for code in listed.codes
        )  # fmt: skip
        profile = SiteProfile(
            site=Slug(self.name), name=self.name.title(), modalities=study.data.modalities,
            patients=Count(about=len(self.phones)), coverage=coverage, version="0.1.0",
        )  # fmt: skip
        assert self.send("PUT", "/node/profile", profile).status_code == 204
        return self

    def take_consent(self, envelope: bytes) -> None:
        """Keep a yes. Raises Unproven: its device did not sign it."""
        said = self.open(envelope, Consent)
        self.consents[said.device] = said

    def take_withdrawal(self, envelope: bytes) -> None:
        """From now on, for every round that begins. Raises Unproven."""
        self.withdrawn.add(self.open(envelope, Withdrawal).consent)

    def gather(self, draft: DeviceTask, held_out: bool) -> tuple[list[float], int]:
        """The sum over those who are there and have said yes, and how many they are. Who does not answer ends the attempt.

        Raises:
            NotPermitted: they are fewer than any of them wants to be among.
        """
        missing: set[str] = set()
        for attempt in range(10):
            adverts = self._adverts(draft, attempt, held_out, missing)
            wanted = max((self.consents[advert.device].at_least_devices for advert in adverts), default=10)
            if len(adverts) < wanted:
                raise NotPermitted(f"fewer than {wanted} devices are here and have said yes")
            peers = tuple(Peer(device=advert.device, mask_key=advert.mask_key) for advert in adverts)
            task = DeviceTask.model_validate(
                {**draft.as_json(), "attempt": attempt, "peers": [p.as_json() for p in peers]}
            )
            said = {peer.device: self.phones[peer.device].answer(task.as_bytes()) for peer in peers}
            self.rosters.append((task.round, attempt, len(peers)))
            missing |= {device for device, answer in said.items() if answer is None}
            if not missing & said.keys():
                answers = [self.open(answer, DeviceAnswer) for answer in said.values() if answer]
                self.seen += answers
                return masked_sum.real_numbers(masked_sum.summed([answer.masked for answer in answers])), len(answers)
        raise NotPermitted("devices kept going away: the round is given up")

    def _adverts(self, draft: DeviceTask, attempt: int, held_out: bool, missing: set[str]) -> list[Advert]:
        found = []
        for device, consent in self.consents.items():
            if device in missing or is_held_out(device, draft.study_digest) != held_out:
                continue
            try:
                check_stands(
                    consent, draft.study_digest, self.name, consent.at_least_devices, self.hub.clock(), self.withdrawn
                )
            except NotPermitted:
                continue
            if said := self.phones[device].advertise(draft.study_digest, draft.round, attempt):
                found.append(self.open(said, Advert))
        return found

    def tensors(self, task: Task) -> Tensors:
        """What the phones computed together, as a site's update."""
        assert self.study
        low, high = zip(*self.ranges, strict=True)
        if task.do == "prepare":
            total, devices = self.gather(_draft(task, low=low, high=high), held_out=False)
            self.rows = devices
            return self._statistics(total)
        model = self._model(task)
        draft = _draft(
            task, **_flat(model), learning_rate=0.5, steps=2, clip=1.0, noise_multiplier=self.noise_multiplier
        )
        total, devices = self.gather(draft, held_out=False)
        self.rows = devices
        change = np.array(total) / devices
        model["linear.weight"] = (model["linear.weight"] + change[None, :-1]).astype(np.float32)
        model["linear.bias"] = (model["linear.bias"] + change[-1:]).astype(np.float32)
        return model

    def release(self, task: Task, **changes: object) -> Response:
        total, self.tested = self.gather(_draft(task, **_flat(self._model(task))), held_out=True)
        self._evaluated = total
        return super().release(task, **changes)

    def metrics(self) -> SiteMetrics:
        controls, cases = np.array(self._evaluated[:BINS]), np.array(self._evaluated[BINS:])
        below = np.concatenate([[0.0], np.cumsum(controls)[:-1]])
        self.auroc = float((cases * (below + controls / 2)).sum() / (cases.sum() * controls.sum()))
        scores = (Score(name="auroc", value=round(self.auroc, 3)),)
        shown = Evaluation(
            model="federated",
            rows=Count(about=_tens(self.tested)),
            events=Count(about=_tens(cases.sum())),
            scores=scores,
        )
        return SiteMetrics(site=self.name, train_rows=Count(about=_tens(self.rows)), set_apart={}, evaluations=(shown,))

    def _statistics(self, total: list[float]) -> Tensors:
        """As every site's: through the gate of statistics."""
        assert self.study
        there, first, second = np.array(total).reshape(3, -1)
        low, width = np.array([a for a, _ in self.ranges]), np.array([b - a for a, b in self.ranges])
        there = np.round(there)
        mean = first / np.maximum(there, 1)
        variance = np.maximum(second / np.maximum(there, 1) - mean**2, 0)
        found = {"features.count": there, "features.mean": low + width * mean, "features.variance": width**2 * variance}
        return load(canonical_statistics(save(found), declared_statistics(self.study), self.study.privacy.min_cohort))

    def _model(self, task: Task) -> Tensors:
        assert self.study and task.weights
        path = f"{API}/blobs/{task.weights}"
        answer = self.hub.http.get(path, headers=self.headers("GET", path))
        assert answer.status_code == 200, answer.text
        width = 2 * len(self.ranges)
        start: Tensors = {"linear.weight": np.zeros((1, width), np.float32), "linear.bias": np.zeros(1, np.float32)}
        return start | load(answer.content)

    def open(self, envelope: bytes, kind: type[Said]) -> Said:
        """What one of its phones signed. Raises Unproven."""
        parsed = DeviceEnvelope.from_bytes(envelope)
        return open_said(parsed, self.phones[parsed.signatures[0].keyid].public, kind)


def is_held_out(device: str, study_digest: str) -> bool:
    """Whether a phone is asked in the last round alone: it follows from its name and the study."""
    return hashlib.sha256(f"{study_digest} {device}".encode()).digest()[0] % HELD_OUT_OF == 0


def _draft(task: Task, **terms: object) -> DeviceTask:
    """Without its peers, which come with each attempt: ten that nobody is."""
    nobody = [{"device": f"{n:064x}", "mask_key": "0" * 64} for n in range(10)]
    said = {
        "study_digest": task.study_digest,
        "round": task.round,
        "attempt": 0,
        "do": task.do,
        "peers": nobody,
        **terms,
    }
    return DeviceTask.model_validate(said)


def _flat(model: Tensors) -> dict[str, object]:
    return {
        "mean": model["features.mean"].tolist(), "scale": model["features.scale"].tolist(),
        "weight": model["linear.weight"][0].tolist(), "bias": float(model["linear.bias"][0]),
    }  # fmt: skip


def _tens(count: float) -> int:
    return max(10, round(count / 10) * 10)
