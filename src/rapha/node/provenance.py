"""What ran: the digest of this package's own code and the versions of what it stands on. For the receipt."""

from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import rapha
from rapha.canonical import digest_file, digest_of
from rapha.egress.memorisation import DELTA as AUDIT_DELTA
from rapha.records.record import Digest
from rapha.records.release import PrivacyReport
from rapha.records.study import Study
from rapha.training.accounting import ACCOUNTANT, ROUNDS_ACCOUNTANT, epsilon_of, mechanism_of

PACKAGES = ("rapha", "torch", "numpy", "duckdb", "pyarrow", "safetensors", "cryptography", "pydantic", "dp-accounting")


@cache
def code_digest() -> str:
    """Digest over every Python file of the package: path and content."""
    root = Path(rapha.__file__).parent
    return digest_of({str(file.relative_to(root)): digest_file(file) for file in sorted(root.rglob("*.py"))})


@cache
def packages() -> dict[str, str]:
    """Installed versions of `PACKAGES`; one that is absent is left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def privacy_report(study: Study, ledger: Digest) -> PrivacyReport:
    """What a run of the study spends here, and the head of the ledger that it is written down in."""
    terms = study.privacy.differential_privacy
    if terms is None:
        return PrivacyReport(ledger=ledger)
    mechanism = mechanism_of(study)
    if study.mode == "B":
        return PrivacyReport(
            mechanism="sample-and-aggregate",
            epsilon=mechanism.epsilon,
            delta=terms.delta,
            clip=terms.clip,
            noise_multiplier=mechanism.noise_multiplier,
            steps=mechanism.steps,
            accountant=ROUNDS_ACCOUNTANT,
            unit="patient",
            ledger=ledger,
        )
    return PrivacyReport(
        mechanism="dp-sgd",
        epsilon=mechanism.epsilon,
        delta=terms.delta,
        clip=terms.clip,
        noise_multiplier=mechanism.noise_multiplier,
        sampling_rate=terms.sampling_rate,
        steps=mechanism.steps,
        accountant=ACCOUNTANT,
        unit="patient",
        ledger=ledger,
    )


def epsilon_of_a_round(study: Study) -> float | None:
    """What one round of the study may spend, at the delta of the audit; None without differential privacy."""
    terms = study.privacy.differential_privacy
    if terms is None:
        return None
    steps = study.training.local_epochs * terms.steps_per_epoch
    return _epsilon_of_a_round(mechanism_of(study).noise_multiplier, terms.sampling_rate, steps)


@lru_cache(maxsize=64)
def _epsilon_of_a_round(noise_multiplier: float, rate: float, steps: int) -> float:
    return epsilon_of(noise_multiplier, rate, steps, AUDIT_DELTA)
