"""The parts of a judgement that no folder on disk shows: what a study did not ask back, and odd names."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
import small_authority
from certified_folder import second_forms
from small_log import signed_and_logged, trusted_log

from rapha.canonical import digest
from rapha.node.configuration import BackendName
from rapha.proof import keys
from rapha.proof.shown import SANDBOXES
from rapha.proof.statement import aggregation_statement, site_statement
from rapha.proof.verify import ModelFolder, judge
from rapha.records.receipt import Aggregation
from rapha.records.release import Release
from rapha.records.study import Study
from rapha.records.wire import TrustedKey, TrustedKeys

GOLDEN = Path(__file__).resolve().parents[2] / "vectors" / "records"
AT = datetime(2026, 11, 23, tzinfo=UTC)
SIGNERS = {"north": keys.generate(), "example-hub": keys.generate()}


def trusted() -> TrustedKeys:
    public = {owner: key.public_key() for owner, key in SIGNERS.items()}
    return TrustedKeys(
        keys=(
            trusted_log(),
            *small_authority.authority().trusted,
            *(
                TrustedKey(
                    owner=owner,
                    role="hub" if owner == "example-hub" else "node",
                    keyid=keys.keyid(key),
                    public_key=keys.public_to_pem(key),
                )
                for owner, key in public.items()
            ),
        )
    )


def folder_of(study: Study, release: Release, aggregation: Aggregation) -> ModelFolder:
    """A folder of one hospital, all signed anew for `study`."""
    cohort = release.cohort.model_copy(update={"study_digest": study.digest})
    release = release.model_copy(update={"study_digest": study.digest, "cohort": cohort})
    aggregation = aggregation.model_copy(update={"study_digest": study.digest})
    of_site = {"model.safetensors": release.weights, "metrics/north.json": release.metrics}
    of_hub = {"model.safetensors": aggregation.weights, "metrics.json": aggregation.metrics}
    receipts = {
        "receipts/north.json": signed_and_logged(site_statement(release, of_site, "0" * 32, AT), SIGNERS["north"]),
        "receipts/aggregation.json": signed_and_logged(
            aggregation_statement(aggregation, of_hub, "1" * 32, AT), SIGNERS["example-hub"]
        ),
    }
    return ModelFolder(
        digests={"study.json": study.digest, **of_site, **of_hub},
        receipts=receipts,
        certified=second_forms(receipts, trusted().keys),
        study=study.as_bytes(),
        keys=trusted(),
        pinned=trusted(),
    )


@pytest.fixture
def study() -> Study:
    return Study.from_bytes((GOLDEN / "study-diabetes-within-5-years.json").read_bytes())


def test_what_the_study_did_not_ask_back_may_be_absent(
    study: Study, release: Release, aggregation: Aggregation
) -> None:
    for asked, absent in (("metrics", {"model.safetensors"}), ("weights", {"metrics.json", "metrics/north.json"})):
        whole = folder_of(study.model_copy(update={"release": (asked,)}), release, aggregation)
        thin = replace(whole, digests={path: d for path, d in whole.digests.items() if path not in absent})
        verdicts = judge(thin)
        assert all(verdict.ok for verdict in verdicts), asked
        assert all("did not ask for it" in verdict.steps[10].detail for verdict in verdicts)


def test_what_is_there_must_fit_even_where_nobody_asked(
    study: Study, release: Release, aggregation: Aggregation
) -> None:
    whole = folder_of(study.model_copy(update={"release": ("metrics",)}), release, aggregation)
    swapped = replace(whole, digests={**whole.digests, "model.safetensors": digest(b"other")})
    assert [(verdict.ok, verdict.steps[-1].number) for verdict in judge(swapped)] == [(False, 11), (False, 11)]


def test_a_study_file_that_is_signed_and_no_study_fails(
    study: Study, release: Release, aggregation: Aggregation
) -> None:
    class Unreadable(Study):
        def as_bytes(self) -> bytes:
            return b'{"study":"diabetes-within-5-years"}'

    odd = Unreadable.model_validate_json(json.dumps(study.as_json()))
    verdicts = judge(folder_of(odd, release, aggregation))
    assert {verdict.steps[-1].detail for verdict in verdicts if not verdict.ok} == {
        "study.json is signed, but is no study that this version can read"
    }


@pytest.mark.parametrize("path", ["receipts/North.json", "receipts/a b.json", "receipts/.json", "receipts/x/y.json"])
def test_a_receipt_by_an_odd_name_is_refused(
    path: str, study: Study, release: Release, aggregation: Aggregation
) -> None:
    whole = folder_of(study, release, aggregation)
    odd = replace(whole, receipts={**whole.receipts, path: whole.receipts["receipts/north.json"]})
    verdict = next(verdict for verdict in judge(odd) if verdict.subject == path)
    assert verdict.steps[-1].detail == f"{path} has not the name of a receipt"


def test_pinning_no_key_at_all_trusts_none(study: Study, release: Release, aggregation: Aggregation) -> None:
    bare = replace(folder_of(study, release, aggregation), pinned=TrustedKeys(keys=()))
    assert [verdict.steps[-1].number for verdict in judge(bare)] == [2, 2]


def test_every_sandbox_that_a_node_has_is_known_by_name() -> None:
    assert set(get_args(BackendName)) == set(SANDBOXES)
