"""What a signer claims, and the JSON it is stated in. Reading it back: statement.py; field by field: docs/receipt.md.

    subject                  the files this vouches for
    externalParameters       what the researcher asked for
    internalParameters       what the signer decided, and how the run was made; the tier; what is not shown
    resolvedDependencies     what went in: the code, and the weights (a site) or the updates (the hub), round by round
    runDetails.byproducts    what came out, round by round
    runDetails.builder       who signs, and the packages it ran with

Every field of a Release or an Aggregation has exactly one place.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from rapha.clock import stamp
from rapha.records.evidence import Evidence
from rapha.records.receipt import OPTIONAL, Aggregation, Tier
from rapha.records.record import Digest
from rapha.records.release import Release

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
SITE_BUILD = "https://rapha.dev/build/site-release/v1"
AGGREGATION_BUILD = "https://rapha.dev/build/aggregation/v1"
NODE_URI = "https://rapha.dev/node/"
HUB_URI = "https://rapha.dev/hub/"
AGGREGATION_RECEIPT = "receipts/aggregation.json"
WEIGHTS_FILE = "model.safetensors"
GRAPH_FILE = "model.pt2"
BASE_FILE = "base.safetensors"
SCRIPT_FILE = "train.py"
POOLED_METRICS_FILE = "metrics.json"

T0_NOT_SHOWN = (
    "That the training was done as stated: nobody else ran it again (tier T0).",
    "That this code, and no other, ran on the signer's machine: there is no hardware evidence.",
    "That the patients' records are true or complete, or that everyone in them agreed.",
    "That it was signed at the time it names: the signer's own clock says so.",
)
EVIDENCE_NOT_SHOWN = (
    "That this code, and no other, ran on the signer's machine: hardware evidence is with the receipt, and counts for whoever checked it "
    "and trusts the launch that it is of."
)
MERGE_NOT_SHOWN = (
    "That the weights are the weighted mean of the updates: the updates themselves are not in this folder.",
    "That metrics.json follows from the hospitals' own figures: the hub computed it.",
)
BEST_NOT_SHOWN = "That no other round's model was better: the hub compared the figures that the hospitals gave it."
NO_PRIVACY_NOT_SHOWN = "That the weights tell nothing of any one patient: no differential privacy was applied."
MODE_NOT_SHOWN = {
    "A": (),
    "B": (
        "That the researcher's script learns anything of use: what left is a noised mean of what it gave (release mode B).",
        "That the script told no shard of another through the machine on which all of them ran, by what is kept in its memory or by "
        "its clock: the guarantee supposes it, and a person signed the script (release mode B).",
    ),
    "C": (
        "That the weights carry no record of a patient: a script of the researcher's own made them, and they left as it wrote them "
        "(release mode C).",
    ),
}
PRIVACY_NOT_SHOWN = (
    "That counts, which are rounded and suppressed, tell nothing of any one patient: differential privacy is of the weights alone, "
    "and of each hospital's patients by themselves."
)
NO_AUDIT_NOT_SHOWN = "That the weights were tried for what they remember of patients: no audit of all that left is among the rules passed."
TRANSCRIPT_NOT_SHOWN = "That the steps which the transcript commits to were the right ones: only who holds the rows and runs them again can tell."
NO_REPEAT_NOT_SHOWN = "That the training can be run again, step by step: it has no transcript. Under differential privacy none can be: nobody can repeat the noise."
NO_WALLS_NOT_SHOWN = "That the workload could reach no network and no other file: it ran without isolation."
WALLS_FELL_NOT_SHOWN = (
    "That the walls around the workload held: it is called isolated, and not every way out was tried and found shut."
)

Json = dict[str, Any]

_SITE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class SiteClaim:
    """What one hospital signs. `nonce`: 32 hex digits. `at`: when, by its own clock. `evidence`: of the machine that it was stated in."""

    release: Release
    nonce: str
    at: datetime
    not_shown: tuple[str, ...]
    tier: Tier = "T0"
    evidence: Evidence | None = None

    @property
    def unevidenced(self) -> "SiteClaim":
        """The same without its evidence: what the evidence is about."""
        return replace(self, evidence=None)

    @property
    def files(self) -> dict[str, Digest]:
        """The files it vouches for, by path in the model folder."""
        return {WEIGHTS_FILE: self.release.weights, f"metrics/{self.release.site}.json": self.release.metrics}


@dataclass(frozen=True)
class AggregationClaim:
    """What the hub signs. `nonce`: 32 hex digits. `at`: when, by its own clock."""

    aggregation: Aggregation
    nonce: str
    at: datetime
    not_shown: tuple[str, ...]
    tier: Tier = "T0"

    @property
    def files(self) -> dict[str, Digest]:
        """The files it vouches for, by path in the model folder."""
        return {WEIGHTS_FILE: self.aggregation.weights, POOLED_METRICS_FILE: self.aggregation.metrics}


def signer_uri(role: str, owner: str) -> str:
    """The signer's name as a URI: what a statement has as its builder, and a certificate as its identity."""
    return NODE_URI + owner if role == "node" else HUB_URI + quote(owner, safe="")


def claim_json(claim: SiteClaim | AggregationClaim) -> Json:
    """The statement as a JSON value.

    Raises:
        ValueError: a round is there twice, a round does not weigh what went in, or a site has no proper name.
    """
    return _site_json(claim) if isinstance(claim, SiteClaim) else _aggregation_json(claim)


def _site_json(claim: SiteClaim) -> Json:
    release = claim.release
    rounds = {trace.round: trace for trace in release.rounds}
    if len(rounds) != len(release.rounds) or not _SITE.fullmatch(release.site):
        raise ValueError("a round is there twice, or the site has no proper name")
    stated = release.as_json()
    inside = ["site", "approval", "policy", "decided_by", "cohort", "numerics", "sandbox", "egress", "privacy"]
    inside += [name for name in ("transcript", "freeze") if stated.get(name)]
    proven = {"evidence": claim.evidence.as_json()} if claim.evidence else {}
    went_in = {f"round/{n}/weights-in": trace.weights_in for n, trace in rounds.items() if trace.weights_in}
    return _statement(
        claim,
        build_type=SITE_BUILD,
        builder={"id": signer_uri("node", release.site), "version": release.packages},
        external={name: stated[name] for name in ("study", "study_digest", "architecture", "mode") if name in stated},
        internal={**{name: stated[name] for name in inside}, **proven},
        went_in=[_file("code", release.code), *(_file(name, item) for name, item in went_in.items())],
        came_out=[_file(f"round/{n}/update", trace.weights_out) for n, trace in rounds.items()],
    )


def _aggregation_json(claim: AggregationClaim) -> Json:
    aggregation = claim.aggregation
    rounds = {members.round: members for members in aggregation.rounds}
    if len(rounds) != len(aggregation.rounds):
        raise ValueError("a round is there twice")
    if any(set(members.updates) != set(members.weights_of_sites) for members in rounds.values()):
        raise ValueError("a round does not weigh exactly the updates that went in")
    stated = aggregation.as_json()
    updates = [
        {**_file(f"round/{n}/update/{site}", members.updates[site]), "annotations": {"weight": weight}}
        for n, members in rounds.items()
        for site, weight in sorted(members.weights_of_sites.items())
    ]
    return _statement(
        claim,
        build_type=AGGREGATION_BUILD,
        builder={"id": signer_uri("hub", aggregation.hub), "version": aggregation.packages},
        external={name: stated[name] for name in ("study", "study_digest")},
        internal={
            name: stated[name] for name in ("hub", "method", "approvals", "denials", *OPTIONAL) if name in stated
        },
        went_in=[_file("code", aggregation.code), *updates],
        came_out=[_file(f"round/{n}/weights", members.weights_out) for n, members in rounds.items()],
    )


def _statement(
    claim: SiteClaim | AggregationClaim,
    *,
    build_type: str,
    builder: Json,
    external: Json,
    internal: Json,
    went_in: list[Json],
    came_out: list[Json],
) -> Json:
    return {
        "_type": STATEMENT_TYPE,
        "subject": [_file(path, claim.files[path]) for path in sorted(claim.files)],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": build_type,
                "externalParameters": external,
                "internalParameters": {**internal, "tier": claim.tier, "not_shown": list(claim.not_shown)},
                "resolvedDependencies": went_in,
            },
            "runDetails": {
                "builder": builder,
                "metadata": {"invocationId": claim.nonce, "finishedOn": stamp(claim.at)},
                "byproducts": came_out,
            },
        },
    }


def _file(name: str, digest: Digest) -> Json:
    """An in-toto ResourceDescriptor."""
    return {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
