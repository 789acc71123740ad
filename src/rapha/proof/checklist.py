"""Steps, taken one by one, the first failure ending them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rapha.errors import Unproven
from rapha.records.receipt import Step


class Stopped(Exception):
    """The step that failed is in the list; nothing after it is looked at."""


class Checklist:
    """The steps taken so far on one receipt, numbered from 1."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.steps: list[Step] = []

    @contextmanager
    def step(self, check: str) -> Iterator[Callable[[str], None]]:
        """Take one step. The sentence handed to the callable says what was compared.

        Raises:
            Stopped: an Unproven came up inside: the step has failed, with its message as detail.
        """
        details: list[str] = []
        number = len(self.steps) + 1
        try:
            yield details.append
        except Unproven as problem:
            self.steps.append(Step(number=number, check=check, passed=False, detail=str(problem)))
            raise Stopped from None
        self.steps.append(Step(number=number, check=check, passed=True, detail=details[-1]))
