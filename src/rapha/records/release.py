"""What the gate said: a Release with all that the receipt will bind, or a Refusal with a code."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from rapha.records.cohort import Cohort
from rapha.records.record import Digest, Real, Record, SiteId, is_none
from rapha.records.script import Mode
from rapha.records.transcript import Transcript

ReasonCode = Literal[
    "modality-not-offered", "purpose-not-allowed", "researcher-not-allowed", "architecture-not-allowed",
    "minimum-cohort-too-low", "unknown-concept", "no-hierarchy", "unknown-unit", "mixed-units", "cohort-empty", "cohort-too-small", "too-few-events",
    "steward-denied", "mode-not-offered", "data-use-not-met", "policy-not-met", "too-many-runs", "outside-hours", "policy-changed", "study-changed", "not-approved", "not-yet-possible",
    "sandbox-unavailable", "sandbox-layer-missing", "sandbox-died", "training-failed", "weights-unreadable",
    "not-finite", "wrong-shape", "wrong-dtype", "missing-tensor", "extra-tensor", "output-malformed",
    "output-too-large", "metric-not-allowed", "budget-not-offered", "budget-exhausted", "round-already-left",
    "noise-missing", "patients-remembered", "graph-refused", "operator-not-allowed", "graph-mismatch", "script-not-loaded", "script-failed",
    "feasibility-not-offered",
    "asked-too-often", "answers-used-up", "kept-state-lost", "disk-full", "hub-unreachable", "deadline", "cancelled", "internal",
]  # fmt: skip
"""Why something did not happen. Stable words; `rapha.policy.explain` has a sentence for each."""


class Numerics(Record):
    """The pinned numerics profile: same profile, same inputs, same bits."""

    torch: str
    python: str
    threads: int
    cpu_capability: str
    deterministic: bool


Layer = Literal[
    "user namespace", "mount namespace", "pid namespace", "network namespace", "ipc namespace", "uts namespace",
    "cgroup namespace", "read-only mounts", "no capabilities", "no new privileges", "empty environment",
    "sized memory disk", "rlimits", "process limit", "control group", "landlock", "seccomp",
]  # fmt: skip
"""What can stand between a workload and the machine; docs/security.md says what each one stops."""


class SandboxReport(Record):
    """Which backend ran the workload, which layers it gave, what its self-test tried and what held."""

    backend: str
    isolated: bool
    layers: tuple[str, ...]
    self_test: Digest
    attempts: Annotated[int, Field(ge=0)]
    held: Annotated[int, Field(ge=0)]


class RoundTrace(Record):
    round: Annotated[int, Field(ge=0)]
    weights_in: Digest | None
    weights_out: Digest


class EgressVerdict(Record):
    """The rules that every output of the run passed, by name."""

    rules: tuple[str, ...]
    files: Annotated[int, Field(ge=0)]


class PrivacyReport(Record):
    """What the run spent, and how that is known. `epsilon` is an upper bound over all rounds, at `delta`; `ledger` the
    head of the site's ledger when the receipt was signed."""

    mechanism: Literal["none", "dp-sgd", "sample-and-aggregate"] = "none"
    epsilon: Real | None = None
    delta: Real | None = None
    clip: Real | None = None
    noise_multiplier: Real | None = None
    sampling_rate: Real | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    accountant: str | None = None
    unit: Literal["patient"] | None = None
    ledger: Digest


class Release(Record):
    """All that one site lets out at the end of a study, and how it came about. The receipt is made of this. `mode`: the release
    mode, see `records/script.py`. `transcript`: of every step of the training, where the run can be repeated. `freeze`: what was signed and
    logged of the cohort before the run, by its statement's SHA-256; a node of before had none."""

    study_digest: Digest
    study: str
    site: SiteId
    approval: Digest
    policy: Digest
    decided_by: str
    cohort: Cohort
    architecture: str
    mode: Mode = "A"
    rounds: tuple[RoundTrace, ...]
    weights: Digest
    metrics: Digest
    code: Digest
    packages: dict[str, str]
    numerics: Numerics
    sandbox: SandboxReport
    egress: EgressVerdict
    privacy: PrivacyReport
    transcript: Transcript | None = None
    freeze: Annotated[Digest | None, Field(exclude_if=is_none)] = None

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A release in mode A is written as it was before there was another."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key != "mode" or value != "A"}


class Refusal(Record):
    """The gate's no."""

    study_digest: Digest
    site: SiteId
    reason: ReasonCode
