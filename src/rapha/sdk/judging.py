"""All receipts of a model folder, judged by as many processes as there are cores where there are many.

Each hospital's receipt is judged by itself, so they can be shared out; the aggregation's is held against all of them, afterwards. Verdicts and
their order are those of `rapha.proof.verify.judge`.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess

from pydantic import TypeAdapter

from rapha.errors import Unproven
from rapha.proof.claim import SiteClaim
from rapha.proof.refusal import RefusalClaim
from rapha.proof.verify import Judged, ModelFolder, judge, judge_sites, judge_whole, site_receipts
from rapha.records.receipt import Verdict

MANY = 64
"""With no more receipts than this, starting processes takes longer than they save."""
SHARE = 32
"""Receipts that a process takes at once: few enough that none is left with a long share at the end."""
MOST = 16
"""Processes at once, however many cores there are: each needs memory of its own."""
_PR_SET_PDEATHSIG = 1

_Told = TypeAdapter(list[tuple[Verdict, SiteClaim | None, RefusalClaim | None]])
"""What a process says of its share, in JSON: it is read faster than what is pickled."""


def judge_folder(
    folder: ModelFolder, processes: int | None = None, tell: Callable[[str], object] = lambda said: None
) -> tuple[Verdict, ...]:
    """As `judge`. `processes`: at most so many; as many as this one may use cores, and no more than `MOST`, where it is left out. `tell` is
    told where this machine could not start them, and this one judges alone.

    Raises:
        Unproven: a process ended before it was done.
    """
    paths = site_receipts(folder)
    if processes is None:
        processes = min(len(os.sched_getaffinity(0)), MOST) if sys.platform == "linux" else 1
    if len(paths) <= MANY or processes < 2:
        return judge(folder)
    shares = [paths[at : at + SHARE] for at in range(0, len(paths), SHARE)]
    others = set(multiprocessing.active_children())
    try:
        return judge_whole(folder, _shared_out(folder, shares, min(processes, len(shares))))
    except OSError as problem:
        _end(set(multiprocessing.active_children()) - others)
        tell(f"this machine starts no more processes ({problem.strerror}): one judges all receipts")
        return judge(folder)


def _shared_out(folder: ModelFolder, shares: Sequence[Sequence[str]], processes: int) -> list[Judged]:
    """Of all shares, in their order. Raises Unproven, and OSError: not all processes could be started, and those that were wait."""
    forking = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(processes, forking, _begin, (folder, os.getpid())) as pool:
            return [one for told in pool.map(_share, shares) for one in _judged(told)]
    except BrokenProcessPool:
        raise Unproven(
            "a process that judged some of the receipts was ended before it was done: nothing is said of any; was there enough memory?"
        ) from None


def _end(started: Iterable[BaseProcess]) -> None:
    """Nobody would give them anything to do, and this process would wait for them at its end."""
    for one in started:
        one.kill()
    for one in started:
        one.join()


_folder: ModelFolder
"""What a process judges in: it has it from the one that started it, by being its copy."""


def _begin(folder: ModelFolder, parent: int) -> None:
    global _folder
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)  # none outlives who started it
        if os.getppid() != parent:  # it was killed just before
            os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    _folder = folder


def _share(paths: Sequence[str]) -> bytes:
    return _told(judge_sites(_folder, paths))


def _told(judged: Iterable[Judged]) -> bytes:
    return _Told.dump_json(
        [
            (verdict, claim, None) if isinstance(claim, SiteClaim) else (verdict, None, claim)
            for verdict, claim in judged
        ]
    )


def _judged(told: bytes) -> list[Judged]:
    return [(verdict, site or refused) for verdict, site, refused in _Told.validate_json(told)]
