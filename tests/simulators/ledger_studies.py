"""A study with differential privacy, as JSON."""

from typing import Any


def private_json(ranges: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "study": "private",
        "purpose": {"sentence": "Nothing but a test.", "data_use": ["DUO:0000006"]},
        "data": {"modalities": ["ehr"]},
        "concepts": {name: {"system": "local", "codes": [name]} for name in ("hdl", "ill")},
        "cohort": {"index": {"first": ["hdl"]}},
        "outcome": {"event": "ill", "during": {"from": "index", "for": "5 years"}, "unobserved": "exclude"},
        "features": [{"last": "hdl", "during": {"until": "index"}}, {"demographic": "age"}],
        "model": {"architecture": "logistic"},
        "privacy": {
            "differential_privacy": {
                "epsilon": 3,
                "delta": 1e-5,
                "ranges": ranges or {"hdl": [10, 120], "age": [18, 100]},
            }
        },
    }
