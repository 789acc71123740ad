"""docs/rules.md says what is so."""

import re
from pathlib import Path

from rapha.policy.decide import PERMIT
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_rules

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text()
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_snippet_is_a_valid_rules_file(default_rules: Path) -> None:
    first, automatic, unisolated = (read_rules(snippet) for snippet in SNIPPETS)
    assert first == read_rules(default_rules), "the first snippet is what `rapha node init` writes"
    assert [rule.rule for rule in automatic.approve] == ["routine-risk-models"]
    assert not unisolated.isolation_required


def test_every_key_and_every_reason_is_explained() -> None:
    assert all(f"| `{condition.line}` |" in PAGE and f"`{condition.reason}`" in PAGE for condition in PERMIT)
    assert all(f"{key}:" in SNIPPETS[0] for key in SiteRules.model_fields)
