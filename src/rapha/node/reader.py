"""Who reads the timeline: of an agent, a process for each question, which ends with its answer.

The agent holds the keys and lives for months. So it loads no database, whose code and memory are most of what a node would weigh, and what
parses a hospital's data is not where the keys are: an answer comes back as JSON of a known form.

    agent ── `begun`, before it has a thread: a copy of it, which waits
                └── for each question a copy of that one, which loads what it needs, answers and is gone

None outlives the agent: the kernel ends each with the one that began it. They hold its lock of the home as well, so that no second agent
works beside one that has not ended yet.
"""

import contextlib
import ctypes
import json
import os
import pickle
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, Protocol, Self, TypeVar, get_type_hints

from pydantic import TypeAdapter

from rapha import errors
from rapha.errors import RaphaError

TRIES = 2
"""A process that was ended before it answered is started again once."""
LOST = "the copy of the agent that reads the timeline was ended (was there enough memory?), so the agent has ended too: start it again"
LARGEST_ANSWER = 256 << 20
ANSWERED, REFUSED, BROKEN = b"a", b"r", b"b"
FIRST_TO_GO = 500
"""Added to what the kernel counts against such a process when memory is short: better a question than the agent."""
ASKED_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What the copies do not hear: whoever began them ends them, and a terminal or a service manager asks all at once."""
_PR_SET_PDEATHSIG = 1

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Reader(Protocol):
    """Answers the questions of `node/reading.py`."""

    def ask(self, question: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs) -> Answer:
        """What the question returns, or what of Rapha's it raises."""
        ...


class ReaderHere:
    """In this process: for a command of a person, which ends after it."""

    def ask(self, question: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs) -> Answer:
        return question(*given, **named)


class ReaderBeside:
    """In a process of its own for each. Begin it before this process has any thread; questions may come from several, and are then
    answered side by side."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        self._lock = threading.Lock()
        self.lost = False
        """The copy that waits was ended, by nobody of ours: nothing can be asked any more, and this process was told to end."""
        self._waits = os.fork()
        if self._waits == 0:
            self._line.close()
            _wait_for_questions(theirs, os.getppid())
        theirs.close()

    def ask(self, question: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs) -> Answer:
        """Raises also RaphaError: the process was ended before it answered, again and again."""
        return _heard(question, self._told(pickle.dumps((question, given, named))))

    def close(self) -> None:
        """End it, and what it still reads. Twice is once."""
        if self._line.fileno() >= 0:
            self._line.close()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._waits, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _told(self, asked: bytes) -> bytes:
        for _ in range(TRIES):
            with contextlib.suppress(OSError, EOFError):  # it was ended
                return self._once(asked)
        raise RaphaError(
            "the process that reads the timeline was ended twice before it had answered: was there enough memory?"
        )

    def _once(self, asked: bytes) -> bytes:
        ours, theirs = Pipe()
        with ours:
            with theirs, self._lock:
                self._hand_over(theirs.fileno())
            ours.send_bytes(asked)
            return ours.recv_bytes(LARGEST_ANSWER)

    def _hand_over(self, descriptor: int) -> None:
        try:
            socket.send_fds(self._line, [b"?"], [descriptor])
        except BrokenPipeError:
            if not self.lost:
                self.lost = True
                os.kill(os.getpid(), signal.SIGTERM)
            raise


def _heard(question: Callable[..., Answer], told: bytes) -> Answer:
    kind, said = told[:1], told[1:]
    if kind == ANSWERED:
        answer: Answer = _form_of(question).validate_json(said)
        return answer
    if kind == REFUSED:
        raise _error_of(*json.loads(said))
    raise RuntimeError(said.decode())  # an error of ours, for the steward's file as it would be from here


def _form_of(question: Callable[..., Any]) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(question)["return"])


def _said_of(error: RaphaError) -> bytes:
    return json.dumps([type(error).__name__, str(error), getattr(error, "reason", None)]).encode()


def _error_of(name: str, message: str, reason: str | None) -> RaphaError:
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, RaphaError)):
        raise ValueError("no error of ours")
    return kind(message) if reason is None else kind(message, reason)


def _wait_for_questions(line: socket.socket, agent: int) -> NoReturn:
    """In the copy that waits: fork for each question, until the agent closes the line. Then none of them reads on."""
    try:
        _end_with(agent)
        for asked_to_end in ASKED_TO_END:
            signal.signal(asked_to_end, signal.SIG_IGN)
        waits, read = os.getpid(), set[int]()
        while True:
            said, found, _, _ = socket.recv_fds(line, 1, 1)
            read -= _gone(read)
            if not said:
                break
            for descriptor in found:
                with contextlib.suppress(OSError):  # no more processes at this moment: it is asked again
                    if (forked := os.fork()) == 0:
                        line.close()
                        _answer(descriptor, waits)
                    read.add(forked)
                os.close(descriptor)
        for process in read:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    finally:
        os._exit(0)


def _gone(read: set[int]) -> set[int]:
    """Those that have answered, or were ended; each is waited for."""
    return {process for process in read if os.waitpid(process, os.WNOHANG)[0]}


def _answer(descriptor: int, waits: int) -> NoReturn:
    """In the copy that answers."""
    try:
        _end_with(waits)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO))
        with Connection(descriptor) as line:
            question, given, named = pickle.loads(line.recv_bytes())  # noqa: S301  (the agent's own, of which this is a copy)
            line.send_bytes(_answered(question, given, named))
    finally:
        os._exit(0)


def _answered(question: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> bytes:
    try:
        return ANSWERED + _form_of(question).dump_json(question(*given, **named))
    except RaphaError as error:
        return REFUSED + _said_of(error)
    except Exception:
        return BROKEN + traceback.format_exc().encode()


def _end_with(parent: int) -> None:
    """Be killed when the process that began this one ends, and now if it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
