from typing import get_args

import pytest

from rapha.policy.explain import SENTENCES, explain
from rapha.records.release import ReasonCode


@pytest.mark.parametrize("reason", get_args(ReasonCode))
def test_every_reason_has_a_sentence_and_an_advice(reason: ReasonCode) -> None:
    sentence = explain(reason)
    assert sentence.endswith(".") and sentence.count(". ") >= 1 and len(sentence) < 220


def test_no_sentence_is_for_a_code_that_is_not() -> None:
    assert set(SENTENCES) == set(get_args(ReasonCode))
    assert len(set(SENTENCES.values())) == len(SENTENCES)
