"""The split is HMAC-SHA-256, in SQL as in Python."""

import hashlib
import hmac
from collections import Counter

import duckdb
import pytest

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan, plan_of
from rapha.cohort.split import TEST, TRAIN, VALIDATION, order_column, split_column
from rapha.records.study import Study

PEOPLE = "(SELECT (range - 1000) * 7919 AS subject_key FROM range({many})) AS answered"


def plan(test: int = 25, validation: int = 10) -> Plan:
    study = {
        "study": "split",
        "purpose": {"sentence": "Deal people.", "data_use": ["DUO:0000006"]},
        "data": {"modalities": ["ehr"]},
        "concepts": {"a": {"system": "local", "codes": ["a"]}},
        "cohort": {"index": {"first": ["a"]}},
        "outcome": {"event": "death", "during": {"from": "index", "for": "1 year"}, "unobserved": "exclude"},
        "features": [{"demographic": "age"}],
        "model": {"architecture": "logistic"},
        "split": {"test_percent": test, "validation_percent": validation},
    }
    return plan_of(Study.model_validate(study))


def ask(column: str, bound: Parameters, many: int = 4000) -> dict[int, object]:
    people = PEOPLE.format(many=many)
    rows = duckdb.connect().execute(f"SELECT subject_key, {column} FROM {people}", bound.values).fetchall()
    return dict(rows)


def keyed(key: bytes, message: str) -> str:
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("key", [b"k" * 16, b"k" * 64, b"k" * 65], ids=["16 bytes", "a block", "more than a block"])
def test_it_is_hmac(key):
    bound = Parameters()
    order = ask(order_column(plan(), key, bound), bound, many=1200)
    assert len(order) == 1200
    assert order == {person: keyed(key, f"rapha order {plan().study_digest}:{person}") for person in order}


def test_the_borders_are_fractions_of_the_hash():
    bound = Parameters()
    split = ask(split_column(plan(), b"k" * 32, bound), bound)
    for person, side in split.items():
        place = int(keyed(b"k" * 32, f"rapha split:{person}"), 16) * 100 // (1 << 256)
        assert side == (TEST if place < 25 else VALIDATION if place < 35 else TRAIN)


def test_the_shares_are_as_asked():
    bound = Parameters()
    shares = Counter(ask(split_column(plan(50, 40), b"k" * 32, bound), bound).values())
    assert shares[TEST] == pytest.approx(2000, abs=120)
    assert shares[VALIDATION] == pytest.approx(1600, abs=120)


def test_order_and_split_tell_nothing_of_each_other():
    bound, other = Parameters(), Parameters()
    split = ask(split_column(plan(), b"k" * 32, bound), bound)
    order = ask(order_column(plan(), b"k" * 32, other), other)
    first = sorted(split, key=lambda person: str(order[person]))[:1000]
    assert sum(split[person] == TEST for person in first) == pytest.approx(250, abs=70)
