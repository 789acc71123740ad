from pathlib import Path

import pytest

from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_rules
from rapha.records.study import Study

RULES = """\
modalities: [ehr]
purposes: [DUO:0000042, DUO:0000006]
researchers: [Ada Lovelace, Grace Hopper]
architectures: [logistic, mlp]
minimum_cohort: 25
sandbox: required
approve:
  - rule: small-models
    researchers: [Ada Lovelace]
    purposes: [DUO:0000006]
    architectures: [logistic]
    modalities: [ehr]
"""


@pytest.fixture
def rules_text() -> str:
    return RULES


@pytest.fixture
def rules() -> SiteRules:
    return read_rules(RULES)


@pytest.fixture
def default_rules() -> Path:
    import rapha.node

    return Path(rapha.node.__file__).with_name("default-rules.yaml")


@pytest.fixture
def study() -> Study:
    return Study.model_validate(
        {
            "study": "small",
            "purpose": {"sentence": "Predict diabetes from lipids.", "data_use": ["DUO:0000006"]},
            "data": {"modalities": ["ehr"]},
            "concepts": {
                "hdl": {"system": "local", "codes": ["hdl"]},
                "diabetes": {"system": "local", "codes": ["diabetes"]},
            },
            "cohort": {"index": {"first": ["hdl"]}},
            "outcome": {"event": "diabetes", "during": {"from": "index", "for": "5 years"}, "unobserved": "exclude"},
            "features": [{"last": "hdl", "during": {"until": "index"}}],
            "model": {"architecture": "logistic"},
            "privacy": {"min_cohort": 25},
        }
    )
