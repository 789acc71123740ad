"""What an identifier that is no term any more stands for: obsolete terms by `replaced_by`, and further identifiers (`alt_id`), followed
from one to the next until there are terms.

`consider` names what may be meant: it is for a person to look at (OBO Flat File Format 1.4, 2.2), so nothing is made of it but a reason.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from rapha.errors import SourceError
from rapha.sources.ontology.reading import Term

NOTHING = "is obsolete, and nothing is said to stand for it"
TO_CONSIDER = "is obsolete, and there are only terms to consider for it: which is meant, a person has to say"
GONE = "is obsolete, and what it was replaced by is not in the file, or is gone itself"


class Standing(NamedTuple):
    """Of each identifier that is no term the terms it stands for, all of them; and of how many it cannot be said, by reason."""

    stands_for: dict[str, tuple[str, ...]]
    aside: dict[str, int]


def standing(terms: Iterable[Term], name: str) -> Standing:
    """Raises SourceError: terms were replaced by one another in a circle. `name` is the file's."""
    terms = list(terms)
    current = {term.code for term in terms if not term.obsolete}
    obsolete = {term.code: term for term in terms if term.obsolete and term.code not in current}
    onward = {code: list(term.replaced_by) for code, term in obsolete.items()}
    for term in terms:
        for other in term.others:
            if other not in current and term.code not in onward.setdefault(other, []):
                onward[other].append(term.code)
    found: dict[str, tuple[str, ...]] = {code: (code,) for code in current}
    for code in onward:
        _follow(code, onward, found, name)
    reasons = (_reason(term, onward[code]) for code, term in obsolete.items() if not found[code])
    return Standing(
        {code: found[code] for code in onward if found[code]}, dict(sorted(Counter(reasons).items()))
    )  # fmt: skip


def _follow(code: str, onward: dict[str, list[str]], found: dict[str, tuple[str, ...]], name: str) -> None:
    """Fill `found` for an identifier and all it leads to. It stands for nothing where one of those it leads to does."""
    waiting, begun = [code], set[str]()
    while waiting:
        at = waiting[-1]
        missing = [each for each in onward.get(at, ()) if each not in found]
        if at in found or not missing:
            waiting.pop()
            begun.discard(at)
            ends = [found[each] for each in onward.get(at, ())]
            found.setdefault(at, tuple(sorted({end for of in ends for end in of})) if all(ends) else ())
        elif at in begun:
            raise SourceError(
                f"{name}: {at} was replaced by a term that was replaced by it: it is not said which there is"
            )
        else:
            begun.add(at)
            waiting += missing


def _reason(term: Term, onward: list[str]) -> str:
    if onward:
        return GONE
    return TO_CONSIDER if term.consider else NOTHING
