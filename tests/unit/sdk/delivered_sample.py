"""A model folder as a hub delivers it, with figures of a believable shape, signed by keys made for the occasion."""

import json
import math
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import small_authority
from certified_folder import second_forms
from small_log import signed_and_logged, trusted_log

from rapha.canonical import digest
from rapha.proof import keys
from rapha.proof.statement import aggregation_statement, site_statement
from rapha.records.averaging import kind_of
from rapha.records.metrics import (
    CalibrationBin,
    Count,
    Evaluation,
    PooledScore,
    RocPoint,
    RoundScores,
    Score,
    SiteMetrics,
    StudyMetrics,
)
from rapha.records.receipt import Aggregation, RoundMembers
from rapha.records.record import StudyId
from rapha.records.release import Release
from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.records.wire import DeliveredFile, Delivery, TrustedKey, TrustedKeys
from rapha.sdk.study_file import read_study

CHECKOUT = Path(__file__).resolve().parents[3]
AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SITES = ("north", "south", "west")
FIGURES = {"north": (0.742, 0.735, 4300), "south": (0.726, 0.708, 2600), "west": (0.751, 0.722, 1700)}
HUB = "example-hub"


def example(name: str) -> Study:
    return read_study(CHECKOUT / "examples" / name / "study.yaml")


def weights_of(study: Study) -> bytes:
    """A safetensors file of the declared tensors, all 0.01."""
    header: dict[str, Any] = {}
    data = b""
    for name, spec in sorted(declared_weights(study).items()):
        values = struct.pack("<f", 0.01) * (spec.size_bytes // 4)
        header[name] = {"dtype": "F32", "shape": list(spec.shape), "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + data


def site_metrics(study: Study, site: str) -> SiteMetrics:
    federated, local, rows = FIGURES.get(site, (0.7, 0.7, 1000))
    survival = study.outcome.kind == "time-to-event"
    main = "c_index" if survival else "auroc"

    def evaluation(model: str, value: float) -> Evaluation:
        scores = [{"name": main, "value": value, "low": value - 60 / rows, "high": value + 55 / rows}]
        plots: dict[str, Any] = {}
        if not survival:
            scores += [{"name": "auprc", "value": 0.24}, {"name": "brier", "value": 0.071}]
            scores += [{"name": "calibration_slope", "value": 0.96}, {"name": "calibration_intercept", "value": -0.03}]
            bend = math.log(0.5) / math.log(value)
            grid = [at / 20 for at in range(21)]
            plots["roc"] = [RocPoint(false_positive_rate=x, true_positive_rate=x ** (1 / bend / 1.6)) for x in grid]
            plots["calibration"] = [
                CalibrationBin(predicted=p, observed=p * (0.92 + rows / 40000), rows=Count(about=rows // 20))
                for p in (0.02, 0.04, 0.06, 0.09, 0.14, 0.23)
            ]
        return Evaluation.model_validate(
            {
                "model": model,
                "rows": Count(about=rows // 4),
                "events": Count(about=rows // 40),
                "scores": scores,
                **plots,
            }
        )

    apart = {"unobserved": Count(about=rows // 5), "competing": Count(below=25)}
    return SiteMetrics.model_validate(
        {
            "site": site,
            "train_rows": Count(about=rows),
            "set_apart": {} if survival else apart,
            "evaluations": (evaluation("federated", federated), evaluation("local", local)),
        }
    )


def history(study: Study, sites: tuple[str, ...]) -> tuple[RoundScores, ...]:
    main = "c_index" if study.outcome.kind == "time-to-event" else "auroc"
    rounds = []
    for number in range(1, study.training.rounds + 1):
        gone = math.exp(-number / 5)
        mean = (
            Score(name="loss", value=0.24 + 0.4 * gone),
            Score.model_validate({"name": main, "value": 0.74 - 0.2 * gone}),
        )
        of_sites = {
            site: tuple(
                score.model_copy(update={"value": score.value + 0.012 * (at - 1) + 0.006 * math.sin(number * 1.7 + at)})
                for score in mean
            )
            for at, site in enumerate(sites)
        }
        rounds.append(RoundScores(round=number, mean=mean, sites=of_sites))
    return tuple(rounds)


def study_metrics(study: Study, sites: tuple[str, ...] = SITES) -> StudyMetrics:
    main = "c_index" if study.outcome.kind == "time-to-event" else "auroc"
    pooled: list[dict[str, Any]] = [
        {"name": main, "value": 0.738, "low": 0.721, "high": 0.755, "method": "inverse-variance", "sites": len(sites)}
    ]
    if main == "auroc":
        pooled.append({"name": "brier", "value": 0.071, "method": "row-weighted", "sites": len(sites)})
    return StudyMetrics(
        study=study.study,
        study_digest=study.digest,
        pooled=tuple(PooledScore.model_validate(each) for each in pooled),
        sites=tuple(site_metrics(study, site) for site in sites),
        history=history(study, sites),
    )


def files(study: Study, sites: tuple[str, ...] = SITES) -> dict[str, bytes]:
    """Path -> bytes of what a hub delivers."""
    made = {
        "study.json": study.as_bytes(),
        "model.safetensors": weights_of(study),
        "metrics.json": study_metrics(study, sites).as_bytes(),
        **{f"metrics/{site}.json": site_metrics(study, site).as_bytes() for site in sites},
    }
    private = {owner: keys.generate() for owner in (*sites, HUB)}
    weights = digest(made["model.safetensors"])
    for site in sites:
        release = _release(study, site, weights, digest(made[f"metrics/{site}.json"]))
        vouched = {"model.safetensors": weights, f"metrics/{site}.json": release.metrics}
        made[f"receipts/{site}.json"] = signed_and_logged(
            site_statement(release, vouched, "0" * 31 + "1", AT), private[site]
        )
    whole = _aggregation(study, sites, weights, digest(made["metrics.json"]))
    vouched = {"model.safetensors": weights, "metrics.json": whole.metrics}
    made["receipts/aggregation.json"] = signed_and_logged(
        aggregation_statement(whole, vouched, "0" * 31 + "2", AT), private[HUB]
    )
    signers = [_trusted(owner, private[owner].public_key()) for owner in private]
    made |= second_forms({path: data for path, data in made.items() if path.startswith("receipts/")}, signers)
    listed = (trusted_log(), *small_authority.authority().trusted, *signers)
    made["receipts/keys.json"] = TrustedKeys(keys=listed).as_bytes()
    return made


def delivery(made: dict[str, bytes], study: Study) -> tuple[Delivery, dict[str, bytes]]:
    """The hub's list of these files, and its blobs by digest."""
    listed = tuple(DeliveredFile(path=p, blob=digest(data), size_bytes=len(data)) for p, data in sorted(made.items()))
    return Delivery(study_id=StudyId("st-1"), study=study, files=listed), {digest(d): d for d in made.values()}


def write(made: dict[str, bytes], folder: Path) -> Path:
    for path, data in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def _trusted(owner: str, public: keys.PublicKey) -> TrustedKey:
    return TrustedKey.model_validate(
        {
            "owner": owner,
            "role": "hub" if owner == HUB else "node",
            "keyid": keys.keyid(public),
            "public_key": keys.public_to_pem(public),
        }
    )


def _blob(name: str) -> str:
    return digest(name.encode())


def _rows(site: str) -> int:
    return FIGURES.get(site, (0.0, 0.0, 1000))[2]


def _release(study: Study, site: str, weights: str, metrics: str) -> Release:
    rounds = [
        {"round": n, "weights_in": _blob(f"weights {n - 1}") if n else None, "weights_out": _blob(f"{n} of {site}")}
        for n in range(study.training.rounds + 1)
    ]
    rows = _rows(site)
    cohort = {
        "study_digest": study.digest, "site": site, "commitment": _blob(f"cohort of {site}"),
        "patients_root": _blob(f"patients of {site}"),
        "patients": Count(about=rows * 3 // 2), "train_rows": Count(about=rows),
    }  # fmt: skip
    return Release.model_validate(
        {
            "study_digest": study.digest, "study": study.study, "site": site, "approval": _blob(f"approval of {site}"),
            "policy": _blob(f"policy of {site}"), "decided_by": "rule:routine-ehr" if site != "west" else "steward:kim",
            "cohort": cohort, "architecture": study.model.architecture, "rounds": rounds, "weights": weights,
            "metrics": metrics, "code": _blob("code"), "packages": {"torch": "2.13.0+cpu"},
            "numerics": {"torch": "2.13.0+cpu", "python": "3.11.2", "threads": 1, "cpu_capability": "AVX2",
                         "deterministic": True},
            "sandbox": {"backend": "bubblewrap", "isolated": True, "layers": ("network", "files"),
                        "self_test": _blob("self-test"), "attempts": 9, "held": 9},
            "egress": {"rules": ("declared-tensors", "finite"), "files": 2},
                "privacy": {"ledger": _blob("ledger")},
        }
    )  # fmt: skip


def _aggregation(study: Study, sites: tuple[str, ...], weights: str, metrics: str) -> Aggregation:
    rounds = tuple(
        RoundMembers(
            round=n,
            updates={site: _blob(f"{n} of {site}") for site in sites},
            weights_of_sites={site: _rows(site) for site in sites},
            weights_out=_blob(f"weights {n}") if n < study.training.rounds else weights,
        )
        for n in range(study.training.rounds + 1)
    )
    return Aggregation(
        study_digest=study.digest,
        study=study.study,
        hub=HUB,
        method=kind_of(study.training.aggregation) or "",
        approvals={site: _blob(f"approval of {site}") for site in sites},
        denials={"east": "purpose-not-allowed"},
        rounds=rounds,
        weights=weights,
        metrics=metrics,
        code=_blob("code"),
        packages={"python": "3.11.2"},
    )
