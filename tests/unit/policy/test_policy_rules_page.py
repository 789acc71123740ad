"""docs/rules.md says what is so."""

import re
from pathlib import Path

from rapha.clock import utc_now
from rapha.policy.cases import try_cases
from rapha.policy.data_use import SHORT
from rapha.policy.decide import PERMIT, Request
from rapha.policy.own_permit import permits
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_rules
from rapha.records.study import Study
from rapha.sdk.study_file import read_study

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text()
CASES = [
    snippet
    for snippet in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    if snippet.startswith("- case")
]
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_snippet_is_a_valid_rules_file(default_rules: Path) -> None:
    first, automatic, own, graphs, unisolated = (read_rules(snippet) for snippet in SNIPPETS if snippet not in CASES)
    assert first == read_rules(default_rules), "the first snippet is what `rapha node init` writes"
    assert [rule.rule for rule in automatic.approve] == ["routine-risk-models"]
    assert own.cedar and "Example University" in own.cedar
    assert graphs.cedar and "exported" in graphs.architectures
    assert not unisolated.isolation_required


def test_the_permit_for_graphs_asks_for_differential_privacy_of_these_alone(study: Study) -> None:
    (permit,) = (rules.cedar for snippet in SNIPPETS if "exported" in snippet and (rules := read_rules(snippet)).cedar)
    facts = Request(study=study, researcher="Ada Lovelace", isolated=True).facts
    graph = facts.model_copy(update={"architecture": "exported"})
    assert permit and permits(facts, permit) and not permits(graph, permit)
    assert permits(graph.model_copy(update={"epsilon_micro": 3_000_000}), permit)


def test_the_table_of_cases_comes_out_as_it_says(default_rules: Path, tmp_path: Path) -> None:
    (tmp_path / "policy-tests.yaml").write_text(CASES[0])
    tried = try_cases(tmp_path / "policy-tests.yaml", read_rules(default_rules), read_study, utc_now())
    assert len(tried) == 2 and all(one.passed for one in tried)


def test_every_term_of_data_use_is_explained() -> None:
    assert all(f"`{code}`" in PAGE or f"code: {code}," in PAGE for code in SHORT)


def test_every_key_and_every_reason_is_explained() -> None:
    assert all(f"| `{condition.line}` |" in PAGE and f"`{condition.reason}`" in PAGE for condition in PERMIT)
    assert all(f"{key}:" in SNIPPETS[0] for key in SiteRules.model_fields)
