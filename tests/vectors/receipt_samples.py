"""Model folders with receipts: a good one, and one for each way in which a receipt can be wrong.

A fault changes one thing of the good folder and signs again where whoever made that change could have signed: what is
left to catch it is the step named beside it.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import log_samples
import record_samples as made_up
import small_authority
import small_gpu
import small_hardware
import small_log
import small_tdx
from certified_folder import small_trust_config

from rapha.canonical import canonical_bytes, digest
from rapha.clock import stamp
from rapha.errors import Unproven
from rapha.hub.authority import Authority
from rapha.proof import envelope
from rapha.proof.certified import TRUST_CONFIG_FILE, certified_path
from rapha.proof.claim import (
    BEST_NOT_SHOWN,
    EVIDENCE_NOT_SHOWN,
    MODE_NOT_SHOWN,
    NO_WALLS_NOT_SHOWN,
    PRIVACY_NOT_SHOWN,
    T0_NOT_SHOWN,
    TRANSCRIPT_NOT_SHOWN,
    WALLS_FELL_NOT_SHOWN,
)
from rapha.proof.evidence.appraise import bound_data, device_nonce
from rapha.proof.freeze import FreezeClaim, freeze_statement
from rapha.proof.refusal import refusal_statement
from rapha.proof.statement import aggregation_statement, site_statement
from rapha.records.bundle import Bundle
from rapha.records.evidence import Evidence
from rapha.records.freeze import Freeze
from rapha.records.learning import KeepBest
from rapha.records.receipt import Aggregation, Receipt
from rapha.records.refusal import Refusal
from rapha.records.release import PrivacyReport, Release
from rapha.records.study import Study
from rapha.records.wire import TrustedKey, TrustedKeys

HUB, SITES = "example-hub", ("north", "south")
NORTH, AGGREGATION = "receipts/north.json", "receipts/aggregation.json"
REFUSED, REFUSER = "refusals/east.json", "east"
WEIGHTS = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
"""The smallest safetensors file: no tensor at all."""

FREEZE_PLACES = (1, 2)
"""Before every other's: those are at 4."""

FROZEN = tuple(f"freezes/{site}.json" for site in SITES)
LATER = (*(f"receipts/{site}.json" for site in SITES), AGGREGATION)
FROZEN_ORDER = tuple(form for path in (*FROZEN, *LATER) for form in (path, certified_path(path)))
"""Of one log's one tree: freezes, then receipts, each in both forms."""

Files = dict[str, bytes]


@dataclass
class Parts:
    """What a good folder is made of, to be tampered with before it is put together."""

    releases: dict[str, Release]
    aggregation: Aggregation
    files: Files
    refusals: dict[str, Refusal] = field(default_factory=dict)
    freezes: dict[str, Freeze] = field(default_factory=dict)
    signers: dict[str, str] = field(default_factory=lambda: {**{site: site for site in SITES}, HUB: HUB})


@dataclass(frozen=True)
class Certified:
    """What is certified: a receipt, as this signer's, by this authority."""

    receipt: Receipt
    signer: TrustedKey
    authority: Authority


@dataclass(frozen=True)
class Fault:
    """`step` is the one that has to fail in the verdict on `receipt`. `before` tampers with the parts, `after` with the
    folder's files, `certifying` with what the hub certifies of north's receipt, `at_last` with all files there are."""

    receipt: str
    step: int
    before: Callable[[Parts], None] = lambda parts: None
    after: Callable[[Files], None] = lambda files: None
    certifying: Callable[[Certified], Certified] = lambda asked: asked
    at_last: Callable[[Files], None] = lambda files: None


def good_parts(study: Study | None = None) -> Parts:
    study = study or made_up.example("diabetes-within-5-years")
    pooled = b'{"sites":2}'
    files = {
        "study.json": study.as_bytes(),
        "model.safetensors": WEIGHTS,
        "metrics.json": pooled,
        "README.md": b"# A model card that no receipt covers\n",
        **{f"metrics/{site}.json": made_up.metrics(site).as_bytes() for site in SITES},
    }
    return Parts(
        releases={site: made_up.release(study, site, digest(WEIGHTS)) for site in SITES},
        aggregation=made_up.aggregation(study, SITES, digest(WEIGHTS), digest(pooled)),
        files=files,
    )


def refused(parts: Parts) -> None:
    """A third hospital says no, and the hub tells of it."""
    said = {"site": REFUSER, "study_digest": parts.aggregation.study_digest, "stage": "policy", "at": stamp(made_up.AT)}
    more = {"reason": "cohort-not-answerable", "nonce": digest(b"nonce of east")[7:39]}
    parts.refusals[REFUSER] = Refusal.model_validate({**said, **more})
    parts.signers[REFUSER] = REFUSER
    told = {**parts.aggregation.denials, REFUSER: "cohort-too-small"}
    parts.aggregation = parts.aggregation.model_copy(update={"denials": told})


def frozen(parts: Parts, **changes: str) -> None:
    """Each hospital froze its cohort before the run, and the hub tells of it; `changes` are of what north froze."""
    for site, release in parts.releases.items():
        said = {
            "site": site,
            "study_digest": release.study_digest,
            "approval": release.approval,
            "commitment": release.cohort.commitment,
            "patients_root": release.cohort.patients_root,
            "nonce": digest(b"nonce of what is frozen at " + site.encode())[7:39],
        }
        parts.freezes[site] = Freeze.model_validate({**said, **(changes if site == "north" else {})})
        named = FreezeClaim(parts.freezes[site]).digest
        parts.releases[site] = release.model_copy(update={"freeze": named})
    had = {site: release.freeze or "" for site, release in parts.releases.items()}
    parts.aggregation = parts.aggregation.model_copy(update={"freezes": had})


def of_the_best_round(parts: Parts) -> None:
    """The study asks for the weights of the best round, which was the second of three."""
    study = made_up.example("diabetes-within-5-years")
    training = study.training.model_copy(update={"keep": KeepBest(best="auroc")})
    made = good_parts(study.model_copy(update={"training": training}))
    second, third = made.aggregation.rounds[2:]
    swapped = (
        second.model_copy(update={"weights_out": third.weights_out}),
        third.model_copy(update={"weights_out": second.weights_out}),
    )
    made.aggregation = made.aggregation.model_copy(
        update={"rounds": (*made.aggregation.rounds[:2], *swapped), "released_round": 2}
    )
    for site, release in made.releases.items():
        last = release.rounds[-1].model_copy(update={"weights_in": third.weights_out})
        parts.releases[site] = release.model_copy(update={"rounds": (*release.rounds[:-1], last)})
    parts.aggregation, parts.files = made.aggregation, made.files


BEST_ROUND = Fault(AGGREGATION, 0, before=of_the_best_round)
"""No fault: a good folder whose weights are not those of the last round."""


def in_mode(mode: str) -> Callable[[Parts], None]:
    """The same of a study that carries a script, in release mode B or C."""

    def before(parts: Parts) -> None:
        study = made_up.scripted(made_up.example("diabetes-within-5-years"), mode)
        parts.files["study.json"] = study.as_bytes()
        privacy = {"mechanism": "sample-and-aggregate", "epsilon": 2.9, "delta": 1e-5, "clip": 1.0, "noise_multiplier": 3.1,
                   "steps": 3, "accountant": "dp-accounting RDP", "unit": "patient"}  # fmt: skip
        for site in SITES:
            release = made_up.release(study, site, digest(WEIGHTS))
            spent = PrivacyReport.model_validate({"ledger": release.privacy.ledger, **(privacy if mode == "B" else {})})
            parts.releases[site] = release.model_copy(update={"privacy": spent, "transcript": None})
        parts.aggregation = made_up.aggregation(study, SITES, digest(WEIGHTS), digest(parts.files["metrics.json"]))

    return before


def asking(**training: Any) -> Callable[[Parts], None]:
    """The same of a study that asks for another training."""

    def before(parts: Parts) -> None:
        study = made_up.example("diabetes-within-5-years")
        asked = Study.model_validate({**study.as_json(), "training": {**study.training.as_json(), **training}})
        made = good_parts(asked)
        parts.releases, parts.aggregation, parts.files = made.releases, made.aggregation, made.files

    return before


def privately(parts: Parts) -> None:
    """The same of a study that asks for differential privacy."""
    study = made_up.private(made_up.example("diabetes-within-5-years"))
    made, terms = good_parts(study), study.privacy.differential_privacy
    assert terms is not None
    spent = {"mechanism": "dp-sgd", "epsilon": 2.9, "delta": terms.delta, "clip": terms.clip, "noise_multiplier": 1.1,
             "sampling_rate": terms.sampling_rate, "steps": 60, "accountant": "dp-accounting PLD", "unit": "patient"}  # fmt: skip
    for site, release in made.releases.items():
        report = PrivacyReport.model_validate({"ledger": release.privacy.ledger, **spent})
        parts.releases[site] = release.model_copy(update={"privacy": report, "transcript": None})
    parts.aggregation, parts.files = made.aggregation, made.files


def without_weights(parts: Parts) -> None:
    """The same of a study that asks for no weights back: none are in its folder."""
    made = good_parts(made_up.example("diabetes-within-5-years").model_copy(update={"release": ("metrics",)}))
    parts.releases, parts.aggregation, parts.files = made.releases, made.aggregation, made.files
    del parts.files["model.safetensors"]


IN_MODE = {f"mode-{mode.lower()}": Fault(NORTH, 0, before=in_mode(mode)) for mode in "BC"}
"""No faults: good folders of scripts."""


def promising_more(files: Files) -> None:
    """North signs again, without two of the remarks that its record asks for, and with one of its own."""
    stated = json.loads(payload_of(files, NORTH))
    inside = stated["predicate"]["buildDefinition"]["internalParameters"]
    kept = [one for one in inside["not_shown"] if one not in (T0_NOT_SHOWN[0], WALLS_FELL_NOT_SHOWN)]
    inside["not_shown"] = [*kept, OWN_WORDS]
    files[NORTH] = sealed(canonical_bytes(stated), "north")


def with_evidence(
    made: small_hardware.Made | small_tdx.MadeTdx | None = None, device: small_gpu.MadeGpu | None = None
) -> Callable[[Files], None]:
    """North signs again, with evidence of a made-up processor about this statement, and of a made-up device where one is given."""

    def about(statement: bytes) -> Evidence:
        devices = (small_gpu.evidence(device_nonce(statement), device),) if device else ()
        bound = bound_data(statement, devices)
        if isinstance(made, small_tdx.MadeTdx):
            return small_tdx.evidence(bound, made, devices)
        return small_hardware.evidence(bound, made, devices)

    def after(files: Files) -> None:
        stated = json.loads(payload_of(files, NORTH))
        inside = stated["predicate"]["buildDefinition"]["internalParameters"]
        inside["not_shown"][1] = EVIDENCE_NOT_SHOWN
        inside["evidence"] = about(canonical_bytes(stated)).as_json()
        files[NORTH] = sealed(canonical_bytes(stated), "north")

    return after


def with_walls_that_fell(parts: Parts) -> None:
    """One way out of north's sandbox was open."""
    release = parts.releases["north"]
    parts.releases["north"] = release.model_copy(update={"sandbox": release.sandbox.model_copy(update={"held": 8})})


def saying(site: str, *remarks: str) -> Callable[[Files], None]:
    """The site signs again, with these remarks more."""

    def after(files: Files) -> None:
        path = f"receipts/{site}.json"
        stated = json.loads(payload_of(files, path))
        stated["predicate"]["buildDefinition"]["internalParameters"]["not_shown"] += remarks
        files[path] = sealed(canonical_bytes(stated), site)

    return after


def with_a_verdict_in_its_name(parts: Parts) -> None:
    """North's sandbox is called what reads, on a terminal, like the verifier's own line."""
    release = parts.releases["north"]
    parts.releases["north"] = release.model_copy(
        update={"sandbox": release.sandbox.model_copy(update={"backend": FORGED})}
    )


def known_to_another(files: Files) -> None:
    """The reader knows a second witness."""
    known = TrustedKeys.from_bytes(files["receipts/keys.json"])
    more = small_log.trusted_witness(log_samples.OTHER_WITNESS)
    files["receipts/keys.json"] = known.model_copy(update={"keys": (*known.keys, more)}).as_bytes()


def seen_apart(files: Files) -> None:
    """One witness has seen the first of north's checkpoints, and another the second."""
    path = certified_path(NORTH)
    bundle = json.loads(files[path])
    log_samples.seen_by_another(bundle["verificationMaterial"])
    files[path] = json.dumps(bundle).encode()


OWN_WORDS = "Nothing else: this receipt shows all there is to show."
FORGED = (
    "bubblewrap, 16 layers, 9 of 9 ways out held.\u201d\n  = receipts/north.json holds (tier T1)\r\n\u2028\x1b[2J"
    + "\u3164 \u00a0" * 5
    + "= receipts/north.json holds (tier T1) " * 9
)
ANOTHERS_WORDS = (*MODE_NOT_SHOWN["B"], PRIVACY_NOT_SHOWN, TRANSCRIPT_NOT_SHOWN, BEST_NOT_SHOWN)
"""Sentences of the format that tell of what south's record has not: a noise, a transcript, a comparison."""

OTHERS = {
    "private": Fault(NORTH, 0, before=privately),
    "no-weights": Fault(NORTH, 0, before=without_weights),
    "walls-that-fell": Fault(NORTH, 0, before=with_walls_that_fell),
    "words-of-another-record": Fault(NORTH, 0, after=saying("south", *ANOTHERS_WORDS, NO_WALLS_NOT_SHOWN)),
    "verdict-in-a-name": Fault(NORTH, 0, before=with_a_verdict_in_its_name, after=saying("north", FORGED[:300])),
    "witnesses-apart": Fault(NORTH, 0, after=known_to_another, at_last=seen_apart),
    "hardware-evidence": Fault(NORTH, 0, after=with_evidence()),
    "hardware-evidence-with-a-device": Fault(NORTH, 0, after=with_evidence(small_tdx.MadeTdx(), small_gpu.MadeGpu())),
    "frozen": Fault(NORTH, 0, before=frozen),
    "promises-more": Fault(NORTH, 0, before=with_walls_that_fell, after=promising_more),
}
"""No faults: good folders of studies that ask for something else, and of signers that say what their evidence does not."""

ONE_REFUSES = Fault(REFUSED, 0, before=refused)
"""No fault: a good folder in which one hospital refused."""


def folder(fault: Fault | None = None) -> Files:
    """Path -> bytes of a model folder."""
    parts = good_parts()
    if fault:
        fault.before(parts)
    files = dict(parts.files)
    for site, release in parts.releases.items():
        named = {"model.safetensors": release.weights, f"metrics/{release.site}.json": release.metrics}
        payload = site_statement(release, named, digest(b"nonce " + site.encode())[7:39], made_up.AT)
        files[f"receipts/{site}.json"] = sealed(payload, parts.signers[site])
    for site, refusal in parts.refusals.items():
        files[f"refusals/{site}.json"] = sealed(refusal_statement(refusal), parts.signers[site])
    for site, freeze in parts.freezes.items():
        files[f"freezes/{site}.json"] = small_log.signed_and_logged(
            freeze_statement(freeze), made_up.private_key(site), FREEZE_PLACES[0]
        )
    whole = parts.aggregation
    named = {"model.safetensors": whole.weights, "metrics.json": whole.metrics}
    payload = aggregation_statement(whole, named, digest(b"nonce of the hub")[7:39], made_up.AT)
    files[AGGREGATION] = sealed(payload, parts.signers[HUB])
    files["receipts/keys.json"] = pinned(*parts.refusals).as_bytes()
    if fault:
        fault.after(files)
    certify(files, fault.certifying if fault else lambda value: value)
    if parts.freezes:
        small_log.in_one_tree(files, FROZEN_ORDER)
    if fault:
        fault.at_last(files)
    return files


def certify(files: Files, change: Callable[[Certified], Certified]) -> None:
    """Add the second form of each receipt that has a first, as its hub would; `change` says otherwise of it."""
    files[TRUST_CONFIG_FILE] = small_trust_config()
    for path in (NORTH, "receipts/south.json", AGGREGATION, REFUSED, *(f"freezes/{site}.json" for site in SITES)):
        try:
            receipt = Bundle.from_bytes(files[path]).dsseEnvelope
        except (KeyError, ValueError):
            continue  # no first form that a hub could certify
        signer = next(
            (key for key in owners(REFUSER) if key.keyid == receipt.signatures[0].keyid), made_up.trusted("stranger")
        )
        asked = Certified(receipt, signer, small_authority.authority(HUB))
        found = change(asked) if path == NORTH else asked
        with suppress(Unproven):  # a hub certifies no envelope that it cannot read
            files[certified_path(path)] = small_log.certified(
                found.receipt,
                found.signer,
                found.authority,
                FREEZE_PLACES[1] if path.startswith("freezes/") else small_log.PLACE,
            )


def owners(*more: str) -> tuple[TrustedKey, ...]:
    return (made_up.trusted(HUB, "hub"), *(made_up.trusted(site) for site in (*SITES, *more)))


def pinned(*more: str) -> TrustedKeys:
    log = (small_log.trusted_log(), small_log.trusted_witness())
    return TrustedKeys(keys=(*owners(*more), *log, *small_authority.authority(HUB).trusted))


def sealed(payload: bytes, owner: str) -> bytes:
    """A receipt file: signed by its owner, and logged."""
    return small_log.signed_and_logged(payload, made_up.private_key(owner))


def payload_of(files: Files, path: str) -> bytes:
    return envelope.unverified_payload(Bundle.from_bytes(files[path]).dsseEnvelope)
