"""No adapter that learns to write leaves a hospital without a test for canaries, whatever its rules say of the audit."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from rapha.egress.gate import rules_passed
from rapha.errors import EgressRefused
from rapha.node.audits import Audits
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_rules
from rapha.records.audit import (
    ACCEPTED_MEMORY,
    AUDIT_PASSED,
    CANARIES,
    CANARIES_PASSED,
    DECOYS,
    AuditVerdict,
    CanaryRanks,
    RawAudit,
)
from rapha.records.outputs import Figures
from rapha.records.study import Study
from rapha.sdk.study_file import read_study

EXAMPLE = Path(__file__).parents[3] / "examples" / "adapter-for-clinic-letters" / "study.yaml"
RULES = """
modalities: [ehr, text]
purposes: [DUO:0000006]
researchers: any
architectures: [causal-lora]
{lines}minimum_cohort: 25
sandbox: required
approve: {{by: steward}}
"""
UNAUDITED = f"audit: {{unaudited_allowed: {ACCEPTED_MEMORY}}}\n"
PERMITTED = "generative: permitted\n"


class Kept:
    """A register that remembers what it was given, and rules at hand."""

    def __init__(self, rules: SiteRules) -> None:
        self.rules = lambda: rules
        self.verdicts: list[AuditVerdict] = []

    def keep_audit(self, _dispatch: str, _round: int, verdict: AuditVerdict) -> None:
        self.verdicts.append(verdict)


def run_of(folder: Path, canaries: CanaryRanks | None, rows: int = 100) -> SimpleNamespace:
    train = rows * 6 // 10
    audit = RawAudit(members=train, held_out=rows - train, recognised=0.5, canaries=canaries)
    figures = Figures(rows=train, positives=5, negatives=5, figures=(), audit=audit)
    (folder / "figures.json").write_bytes(figures.as_bytes())
    cohort = SimpleNamespace(train_rows=train, rows=rows, patients=rows)
    return SimpleNamespace(folder=SimpleNamespace(output=folder), frozen=SimpleNamespace(cohort=cohort))


def ranks(above: int, by_heart: int = 0) -> CanaryRanks:
    return CanaryRanks(decoys=DECOYS, likelier=(above,) * CANARIES, by_heart=by_heart)


TASK = SimpleNamespace(do="train", round=1, dispatch="d-1")


def checked(
    folder: Path, canaries: CanaryRanks | None, lines: str, study: Study | None = None, rows: int = 100
) -> AuditVerdict | None:
    kept = Kept(read_rules(RULES.format(lines=lines)))
    audits, study, run = Audits(kept, kept), study or read_study(EXAMPLE), run_of(folder, canaries, rows)
    return audits.check(study, run, TASK, audits.wanted(study, run, TASK))


@pytest.mark.parametrize("lines", [PERMITTED, PERMITTED + UNAUDITED])
@pytest.mark.parametrize("rows", [100, 30])
def test_a_memorised_canary_keeps_an_adapter_in(tmp_path: Path, lines: str, rows: int) -> None:
    for canaries in (ranks(100), ranks(1000, by_heart=1)):
        with pytest.raises(EgressRefused) as refusal:
            checked(tmp_path, canaries, lines, rows=rows)
        assert refusal.value.reason == "patients-remembered"
    with pytest.raises(EgressRefused) as refusal:
        checked(tmp_path, None, lines, rows=rows)
    assert refusal.value.reason == "output-malformed"


def test_a_clean_one_leaves_and_the_receipt_names_the_test(tmp_path: Path) -> None:
    study = read_study(EXAMPLE)
    audited, alone, few = (
        checked(tmp_path, ranks(400), lines, rows=rows)
        for lines, rows in ((PERMITTED, 100), (PERMITTED + UNAUDITED, 100), (PERMITTED, 30))
    )
    assert audited and alone and few and audited.exposure == pytest.approx(1.353, abs=1e-3)
    assert rules_passed(study, [audited, audited])[-2:] == (CANARIES_PASSED, AUDIT_PASSED)
    assert rules_passed(study, [few])[-1] == CANARIES_PASSED and few.verdict == alone.verdict == "not-run"
    assert CANARIES_PASSED not in rules_passed(study, [audited, few.model_copy(update={"exposure": None})])


def test_a_site_may_set_another_limit(tmp_path: Path) -> None:
    assert checked(tmp_path, ranks(180), PERMITTED) is not None
    with pytest.raises(EgressRefused):
        checked(tmp_path, ranks(180), "generative: {exposure: 2}\n")


def test_what_learns_the_outcome_alone_has_no_canaries(tmp_path: Path) -> None:
    stated = read_study(EXAMPLE).as_json()
    stated["model"]["learns"] = "outcome"
    study = Study.model_validate(stated)
    verdict = checked(tmp_path, None, "", study)
    assert verdict is not None and verdict.exposure is None and CANARIES_PASSED not in rules_passed(study, [verdict])
