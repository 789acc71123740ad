"""What a report tells, gathered from a model folder's own files: study, figures, receipts and their judgement."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rapha.errors import Unproven
from rapha.proof.bundle import read_bundle
from rapha.proof.claim import AggregationClaim, SiteClaim
from rapha.proof.envelope import unverified_payload
from rapha.proof.refusal import STUDY_FILE
from rapha.proof.statement import parse_statement
from rapha.proof.verify import ModelFolder, judge
from rapha.records.metrics import StudyMetrics
from rapha.records.receipt import Aggregation, Verdict
from rapha.records.release import Release
from rapha.records.study import Study
from rapha.records.wire import TrustedKeys
from rapha.sdk.folder import read_folder

METRICS_FILE = "metrics.json"
LIMIT_BYTES = 64 << 20

T = TypeVar("T")


@dataclass(frozen=True)
class Findings:
    """`releases` by hospital, and `aggregation`: what the receipts that verify say. A receipt that does not verify is
    in `verdicts` alone, since nothing it says counts."""

    study: Study
    metrics: StudyMetrics
    verdicts: tuple[Verdict, ...]
    releases: dict[str, Release]
    aggregation: Aggregation | None

    @property
    def proven(self) -> bool:
        """Every receipt verified."""
        return bool(self.verdicts) and all(verdict.ok for verdict in self.verdicts)

    @property
    def gone_at_the_end(self) -> dict[str, int | None]:
        """The hospitals that handed in nothing of the final round and have updates in the model, with those of how many rounds of training. None:
        the study keeps its best round, and no receipt that verifies says which that is."""
        best = self.aggregation.released_round if self.aggregation else None
        unknown = self.study.training.keep is not None and best is None
        gone = self.metrics.gone_at_the_end(best or self.study.training.rounds)
        return {site: None if unknown else rounds for site, rounds in gone.items()}


def read_findings(folder: Path, pinned: TrustedKeys | None = None) -> Findings:
    """Everything a report needs.

    Raises:
        Unproven: the folder, its study or its metrics cannot be read, or the metrics are of another study.
    """
    whole = read_folder(folder, pinned)
    study = read_study_of(folder)
    metrics = _read(folder / METRICS_FILE, StudyMetrics.from_bytes)
    if metrics.study_digest != study.digest:
        raise Unproven(f"{folder / METRICS_FILE} holds the figures of another study; fetch the folder again")
    verdicts = judge(whole)
    claims = [claim for verdict in verdicts if verdict.ok and (claim := _claim(whole, verdict.subject))]
    return Findings(
        study=study,
        metrics=metrics,
        verdicts=verdicts,
        releases={claim.release.site: claim.release for claim in claims if isinstance(claim, SiteClaim)},
        aggregation=next((claim.aggregation for claim in claims if isinstance(claim, AggregationClaim)), None),
    )


def read_study_of(folder: Path) -> Study:
    """The study that a model folder answers.

    Raises:
        Unproven: it is missing or is no study.
    """
    return _read(folder / STUDY_FILE, Study.from_bytes)


def _read(path: Path, parse: Callable[[bytes], T]) -> T:
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
        if len(data) <= LIMIT_BYTES:
            return parse(data)
    except OSError as error:
        raise Unproven(f"{path} cannot be read: {error.strerror}; fetch the folder again") from None
    except ValueError:
        pass
    raise Unproven(f"{path} is not what a hub delivers under this name; fetch the folder again")


def _claim(whole: ModelFolder, path: str) -> SiteClaim | AggregationClaim | None:
    """What a receipt says whose signature `judge` has checked over these very bytes."""
    with suppress(Unproven, KeyError):
        return parse_statement(unverified_payload(read_bundle(whole.receipts[path]).dsseEnvelope))
    return None
