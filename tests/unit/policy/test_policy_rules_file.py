"""A steward's mistakes are told by file, line and key."""

from pathlib import Path

import pytest

from rapha.errors import ConfigurationError
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import MAX_BYTES, read_rules
from rapha.records.audit import ACCEPTED_MEMORY, AuditLimits

RISK = "i-accept-that-code-can-reach-this-machine"


def mistake(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_rules(text)
    return str(caught.value)


def test_the_default_rules_ask_a_person_and_walls(default_rules: Path) -> None:
    rules = read_rules(default_rules)
    assert rules.approve == () and rules.isolation_required and rules.minimum_cohort == 25
    assert rules.purposes == ("DUO:0000042", "DUO:0000006")
    assert len(rules.architectures) == 6


def test_the_record_reads_back_what_it_writes(rules: SiteRules, default_rules: Path) -> None:
    unisolated = rules.model_validate({**rules.as_json(), "sandbox": {"unisolated_allowed": RISK}})
    for one in (rules, read_rules(default_rules), unisolated):
        assert SiteRules.from_bytes(one.as_bytes()) == one
    assert not unisolated.isolation_required


def test_comments_do_not_change_the_digest_and_words_do(rules_text: str, rules: SiteRules) -> None:
    assert read_rules("# reviewed in May\n" + rules_text).digest == rules.digest
    assert read_rules(rules_text.replace("minimum_cohort: 25", "minimum_cohort: 30")).digest != rules.digest


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("researchers: [Ada", "reseachers: [Ada", "rules.yaml line 3: unknown key `reseachers`; did you mean"),
        ("    purposes", "    porpoises", "rules.yaml line 10: unknown key `porpoises`; did you mean `purposes`?"),
        (
            "[logistic, mlp]",
            "[logistic, mpl]",
            "line 4: architectures.1: `mpl` is not a word of the rules; did you mean",
        ),
        (
            "[ehr]\npurp",
            "[x-rays]\npurp",
            "line 1: modalities.0: `x-rays` is not a word of the rules; expected one of",
        ),
        ("DUO:0000042", "GRU", "line 2: purposes.0: `GRU` is not a code like DUO:0000006"),
        ("small-models", "Small Models", "line 8: approve.0.rule: `Small Models` is not a short name"),
        ("cohort: 25", "cohort: 3", "line 5: minimum_cohort: Input should be greater than or equal to 10"),
        ("cohort: 25", "cohort: many", "line 5: minimum_cohort: Input should be a valid integer"),
        ("sandbox: required", "sandbox: off", "line 6: sandbox: write `sandbox: required`"),
        ("sandbox: required", "sandbox: {unisolated_allowed: true}", "line 6: sandbox: write `sandbox: required`"),
        ("[Ada Lovelace, Grace Hopper]", "Ada", "line 3: researchers: write `researchers: any`, or a list"),
        ("[Ada Lovelace, Grace Hopper]", "[any]", "line 3: researchers: write `researchers: any`, or a list"),
        ("minimum_cohort: 25\n", "", "the key `minimum_cohort` is missing"),
        ("    modalities: [ehr]\n", "", "line 8: the key `approve.0.modalities` is missing"),
        ("sandbox: required", "sandbox: required\nsandbox: required", "line 7: found duplicate key"),
        ("[ehr]\npurp", "[ehr\npurp", "rules.yaml line 2: "),
    ],
)
def test_a_mistake_is_told_where_it_is(rules_text: str, right: str, wrong: str, told: str) -> None:
    assert right in rules_text
    assert told in mistake(rules_text.replace(right, wrong, 1))


def test_names_in_notes_are_hidden_unless_it_is_said_in_so_many_words(rules_text: str, rules: SiteRules) -> None:
    said = read_rules(rules_text + "notes: {as_written: i-accept-that-a-model-sees-names-in-notes}\n")
    hidden = read_rules(rules_text + "notes: hidden\n")
    assert (said.notes_as_written, hidden.notes_as_written, rules.notes_as_written) == (True, False, False)
    assert hidden.digest == rules.digest != said.digest
    assert SiteRules.from_bytes(said.as_bytes()) == said
    assert "notes" not in rules.as_json()
    for wrong in ("as_written", "{as_written: yes}", "no", "{hidden: false}"):
        assert "notes: write `notes: hidden`" in mistake(rules_text + f"notes: {wrong}\n")


@pytest.mark.parametrize("approve", ["{by: nobody}", "steward", "[]", "{by: steward, rule: x}"])
def test_approve_is_by_a_steward_or_by_named_rules(default_rules: Path, approve: str) -> None:
    text = default_rules.read_text().replace("{by: steward}", approve)
    assert "approve: {by: steward}" in mistake(text)


def test_a_rule_has_one_name(rules_text: str) -> None:
    twice = rules_text + rules_text[rules_text.index("  - rule") :]
    assert "line 7: approve: two rules are called `small-models`" in mistake(twice)


@pytest.mark.parametrize(
    "text", ["", "- ehr", "ehr", "\x00", "[" * 600, "---\na: 1\n---\nb: 1", "a: !!python/object:x y"]
)
def test_what_is_no_rules_file_is_refused(text: str) -> None:
    assert mistake(text).startswith("rules.yaml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    absent, large, binary = (tmp_path / name for name in ("absent.yaml", "large.yaml", "binary.yaml"))
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    binary.write_bytes(b"\xff\xfe")
    for path, told in ((absent, "cannot be read"), (large, "larger than"), (binary, "not a UTF-8 text")):
        with pytest.raises(ConfigurationError, match=told) as caught:
            read_rules(path)
        assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("line", "limits"),
    [
        ("", AuditLimits(recognised=0.55, too_few="release")),
        ("audit: {too_few: refuse}", AuditLimits(recognised=0.55, too_few="refuse")),
        ("audit: {recognised: 0.6}", AuditLimits(recognised=0.6, too_few="release")),
        (f"audit: {{unaudited_allowed: {ACCEPTED_MEMORY}}}", None),
    ],
)
def test_every_release_is_audited_unless_an_ugly_word_says_otherwise(
    rules_text: str, line: str, limits: AuditLimits | None
) -> None:
    read = read_rules(f"{rules_text}\n{line}\n")
    assert read.audit_limits == limits
    assert SiteRules.from_bytes(read.as_bytes()) == read
    assert ("audit" in read.as_json()) == bool(line)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("audit: none", "write `audit: {recognised: 0.55, too_few: release}`"),
        ("audit: {recognised: 0.4}", "audit.recognised"),
        ("audit: {too_few: ask}", "is not a word of the rules"),
        ("audit: {auc: 0.6}", "unknown key `auc`"),
    ],
)
def test_a_mistake_in_the_audit_is_told(rules_text: str, line: str, told: str) -> None:
    assert told in mistake(f"{rules_text}\n{line}\n")
