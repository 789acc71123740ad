"""All receipts of a model folder, judged by as many processes as there are cores where there are many.

Each hospital's receipt is judged by itself, so they can be shared out; the aggregation's is held against all of them, afterwards. Verdicts and
their order are those of `rapha.proof.verify.judge`.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

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

_Told = TypeAdapter(list[tuple[Verdict, SiteClaim | None, RefusalClaim | None]])
"""What a process says of its share, in JSON: it is read faster than what is pickled."""


def judge_folder(folder: ModelFolder, processes: int | None = None) -> tuple[Verdict, ...]:
    """As `judge`. `processes`: at most so many; as many as this one may use cores where it is left out.

    Raises:
        Unproven: a process ended before it was done.
    """
    paths = site_receipts(folder)
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    if len(paths) <= MANY or processes < 2:
        return judge(folder)
    shares = [paths[at : at + SHARE] for at in range(0, len(paths), SHARE)]
    forking = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(min(processes, len(shares)), forking, _begin, (folder,)) as pool:
            judged = [one for told in pool.map(_share, shares) for one in _judged(told)]
    except BrokenProcessPool:
        raise Unproven(
            "a process that judged some of the receipts was ended before it was done: nothing is said of any; was there enough memory?"
        ) from None
    return judge_whole(folder, judged)


_folder: ModelFolder
"""What a process judges in: it has it from the one that started it, by being its copy."""


def _begin(folder: ModelFolder) -> None:
    global _folder
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
