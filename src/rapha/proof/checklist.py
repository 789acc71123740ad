"""Steps, taken one by one, the first failure ending them."""

from collections.abc import Callable
from typing import Any, Literal

from rapha.errors import Unproven


class Stopped(Exception):
    """The step that failed is in the list; nothing after it is looked at."""


class Checklist:
    """The steps taken so far on one receipt, numbered from 1."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.taken: list[dict[str, Any]] = []
        """Fields of a `Step`, each: the verdict makes the records, all at once."""

    def step(self, check: str) -> "_Taken":
        """Take one step, as a context. The sentence handed to the callable that it gives says what was compared.

        Raises:
            Stopped: an Unproven came up inside: the step has failed, with its message as detail.
        """
        return _Taken(self.taken, check)


class _Taken:
    """One step while it is taken."""

    def __init__(self, steps: list[dict[str, Any]], check: str) -> None:
        self._steps, self._check = steps, check
        self._details: list[str] = []

    def __enter__(self) -> Callable[[str], None]:
        return self._details.append

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> Literal[False]:
        if problem is None:
            self._note(True, self._details[-1])
        elif isinstance(problem, Unproven):
            self._note(False, str(problem))
            raise Stopped from None
        return False

    def _note(self, passed: bool, detail: str) -> None:
        number = len(self._steps) + 1
        self._steps.append({"number": number, "check": self._check, "passed": passed, "detail": detail})
