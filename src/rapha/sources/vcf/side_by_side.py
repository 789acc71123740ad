"""Shares of one call file read by several processes, and what they say taken in here in the order of the file: as if one had read it all.

1. A process reads every so many-th share and waits with what it found until that is asked for: memory goes by a share for each process.
2. Whatever a process cannot read fails the reading, in its own words; so does a process that ends before its time.
3. Each contig must have had as many records as the index says: else it is of another file, and records may have been missed.
"""

import gc
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rapha.errors import SourceError
from rapha.sources.vcf.genotypes import Dosages
from rapha.sources.vcf.index import Share, Shares
from rapha.sources.vcf.saying import Own, Reader, Said
from rapha.sources.vcf.variants import Variant

MOST_PROCESSES = 16
SIDE_BY_SIDE = sys.platform == "linux"
"""Elsewhere a process cannot be forked safely, and a file is read by one."""
Plain = tuple[str, int, str, str]
"""A variant."""
Open = Callable[[], tuple[Any, Reader]]
"""The file, opened anew, and what reads its records."""


class Part(NamedTuple):
    """Of a share how many records it has, and what they say, each with its number among them from 1; or why it cannot be read. What most
    records say, copies of one variant and nothing else, is a variant and the next row of `copies` [R, S]: quicker to hand over."""

    records: int
    said: "list[tuple[int, Said | Plain]]"
    copies: "npt.NDArray[np.int8]"
    fault: str | None = None

    def each(self) -> "Iterator[tuple[int, Said]]":
        """What was said, in order."""
        rows = iter(self.copies)
        for number, said in self.said:
            yield number, said if isinstance(said, Said) else Said(own=(Own(Variant(*said), next(rows), None),))


class _Kept:
    """What the records of a share say, until it is asked for."""

    def __init__(self) -> None:
        self._said: list[tuple[int, Said | Plain]] = []
        self._copies: list[Dosages] = []

    def hold(self, number: int, said: Said) -> None:
        if len(said.own) == 1 and _is_plain(said, said.own[0]):
            place, position, reference, alternative = said.own[0].variant
            self._said.append((number, (place, position, reference, alternative)))
            self._copies.append(said.own[0].copies)
        else:
            self._said.append((number, said))

    def part(self, records: int) -> Part:
        return Part(records, self._said, np.stack(self._copies) if self._copies else np.empty((0, 0), np.int8))


def processes_for(shares: int) -> int:
    """How many processes read so many shares: one for each core that this one may use."""
    return min(shares, len(os.sched_getaffinity(0)), MOST_PROCESSES) if SIDE_BY_SIDE else 1


def read_shares(name: str, shares: Shares, opened: Open, processes: int, hold: Callable[[int, Said], object]) -> int:
    """Hand over what each wanted record of a file says, with its number in the file from 1; and how many records there are.

    Raises:
        SourceError: a share cannot be read, a process ended, or the index is of another file.
    """
    workers: list[tuple[BaseProcess, Connection]] = []
    try:
        for at in range(processes):
            workers.append(_started(name, shares.shares[at::processes], opened, [parts for _, parts in workers]))
        number, counted = 0, Counter[str]()
        for at, share in enumerate(shares.shares):
            part = _part(name, *workers[at % processes])
            for each, said in part.each():
                hold(number + each, said)
            number += part.records
            counted[share.contig] += part.records
    finally:
        for process, parts in workers:
            parts.close()
            process.kill()
            process.join()
    if counted != Counter(shares.records):
        raise SourceError(
            f"{name}: its index tells of other records than it has: write the index anew, or take it away"
        )
    return number


def _started(
    name: str, shares: tuple[Share, ...], opened: Open, others: list[Connection]
) -> tuple[BaseProcess, Connection]:
    forking = multiprocessing.get_context("fork")
    parts, end = forking.Pipe(duplex=False)
    process = forking.Process(target=_read, args=(name, shares, opened, end, [*others, parts]), daemon=True)
    process.start()
    end.close()  # so that it is heard when the process ends
    return process, parts


def _part(name: str, process: BaseProcess, parts: Connection) -> Part:
    try:
        part: Part = parts.recv()
    except (EOFError, OSError):
        process.join()
        code = process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        raise SourceError(
            f"{name}: a process that read a part of it was ended {how} before it was done; nothing was written. Was there enough memory?"
        ) from None
    if part.fault:
        raise SourceError(part.fault)
    return part


def _read(name: str, shares: Iterable[Share], opened: Open, parts: Connection, not_ours: list[Connection]) -> None:
    """What another process does. `not_ours`: ends of the one that started it, closed here, so that it is heard when that one is gone."""
    for end in not_ours:
        end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    gc.freeze()  # what is shared is not gone over
    try:
        calls, reader = opened()
        for share in shares:
            kept = _Kept()
            parts.send(kept.part(reader.read(within(name, calls, share), kept.hold)))
    except SourceError as fault:
        parts.send(Part(0, [], np.empty((0, 0), np.int8), str(fault)))
    except BrokenPipeError:
        pass  # nobody asks any more


def _is_plain(said: Said, own: Own) -> bool:
    return (
        not (said.marks or said.absent or said.reason or said.lift or own.effects or own.shift) and own.single is None
    )


def within(name: str, calls: Any, share: Share) -> Iterator[Any]:
    """The records that begin in a share."""
    try:
        for record in calls(share.region):
            if share.first <= record.POS and (share.last is None or share.last >= record.POS):
                yield record
    except Exception:  # htslib's complaints have no class of their own
        raise SourceError(f"{name}: damaged in {share.region}") from None
