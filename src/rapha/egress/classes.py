"""Counts of classes, so that none shows which is small. Pure.

Numbers that add up to one that is known betray the smallest of them by subtraction, so

1. a class of fewer than the threshold is told together with others, first those as small, then the smallest of the rest, until
   the group has enough; that of an empty class too, for that nobody is of a class is also a fact about people;
2. of a table of right and wrong answers, a class is told where enough were answered rightly, and enough wrongly; of its wrong
   answers one that few were given is not told, and of the others as many more, smallest first, until enough are not;
3. the right answers of the classes that are not told, as one, are known from the accuracy and the others; so of a table all classes
   are told, or two or more are not which together have enough right answers and enough wrong ones: as many more are kept back,
   those of fewest first; where none is left, there is no table;
4. how many were given an answer in all, the sum of a column, is never told.
"""

from collections.abc import Sequence

from rapha.egress.disclosure import suppress
from rapha.records.metrics import ClassRows, Confusion, Count


def class_rows(counts: Sequence[int], classes: Sequence[str], threshold: int) -> tuple[ClassRows, ...]:
    """How many are of each class, by rule 1, in the order of the classes.

    Raises:
        ValueError: not as many counts as classes, or a negative number.
    """
    shown = {first: group for group in grouped(counts, threshold) for first in group[:1]}
    named = list(zip(classes, counts, strict=True))
    return tuple(
        ClassRows(
            classes=tuple(named[at][0] for at in shown[first]),
            rows=suppress(sum(named[at][1] for at in shown[first]), threshold),
        )
        for first in sorted(shown)
    )


def grouped(counts: Sequence[int], threshold: int) -> list[tuple[int, ...]]:
    """The places of the classes, each in one group; each group has `threshold` or more, or is the only one."""
    by_size = sorted(range(len(counts)), key=lambda at: (counts[at], at))
    small = [at for at in by_size if counts[at] < threshold]
    rest = by_size[len(small) :]
    while small and rest and sum(counts[at] for at in small) < threshold:
        small.append(rest.pop(0))
    return [*([tuple(sorted(small))] if small else []), *((at,) for at in rest)]


def confusion(table: Sequence[Sequence[int]], classes: Sequence[str], threshold: int) -> Confusion | None:
    """Rules 2 and 3; None where the table does not leave. Each of its rows is a class, each column an answer."""
    answers = [(row[at], sum(row) - row[at]) for at, row in enumerate(table)]  # of each class: right, wrong
    by_size = sorted(range(len(table)), key=lambda at: (min(answers[at]), at))
    hidden = [at for at in by_size if min(answers[at]) < threshold]
    told = by_size[len(hidden) :]
    while hidden and told and min(_together(answers, hidden)) < threshold:
        hidden.append(told.pop(0))
    if not told:
        return None
    cells = tuple((None,) * len(row) if at in hidden else _row(row, at, threshold) for at, row in enumerate(table))
    return Confusion(classes=tuple(classes), cells=cells)


def _together(answers: Sequence[tuple[int, int]], hidden: Sequence[int]) -> tuple[int, int]:
    return sum(answers[at][0] for at in hidden), sum(answers[at][1] for at in hidden)


def _row(row: Sequence[int], right: int, threshold: int) -> tuple[Count | None, ...]:
    wrong = sorted((count, at) for at, count in enumerate(row) if at != right)
    hidden = [at for count, at in wrong if count < threshold]
    rest = [at for count, at in wrong if count >= threshold]
    while hidden and rest and sum(row[at] for at in hidden) < threshold:
        hidden.append(rest.pop(0))
    return tuple(None if at in hidden else suppress(count, threshold) for at, count in enumerate(row))
