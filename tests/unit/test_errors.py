"""The error tree: stable, distinct exit codes, and a picture that is the tree."""

import re

import pytest

from rapha import errors
from rapha.errors import RaphaError


def tree() -> list[type[RaphaError]]:
    return [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, RaphaError)]


def test_codes_are_distinct() -> None:
    assert len({cls.exit_code for cls in tree()}) == len(tree())
    assert len({cls.code for cls in tree()}) == len(tree())


def test_exit_codes_leave_the_shell_its_own() -> None:
    assert all(0 < cls.exit_code < 64 for cls in tree())


def test_the_picture_is_the_tree() -> None:
    drawn = dict(re.findall(r"(\w+) +(\d+)  ", errors.__doc__ or ""))
    assert drawn == {cls.__name__: str(cls.exit_code) for cls in tree()}


@pytest.mark.parametrize("cls", [errors.CohortRefused, errors.EgressRefused, errors.TrainingFailed])
def test_a_refusal_carries_its_reason(cls: type[RaphaError]) -> None:
    refused = cls("why", reason="not-finite")  # type: ignore[call-arg]
    assert (str(refused), vars(refused)["reason"]) == ("why", "not-finite")
