"""The tables of states are sound: every state can be reached, every life ends, and nothing leaves an end."""

from typing import Literal

import pytest

from rapha.errors import Conflict
from rapha.records.lifecycle import FINAL, TABLES, can_move, check_move

STARTS = {"study": "submitted", "dispatch": "offered", "task": "queued"}
Noun = Literal["study", "dispatch", "task"]
NOUNS: tuple[Noun, ...] = ("study", "dispatch", "task")


def states(noun: str) -> set[str]:
    return {state for move in TABLES[noun] for state in (move.source, move.target)}


def reached(noun: str, start: str) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        source = waiting.pop()
        new = {move.target for move in TABLES[noun] if move.source == source} - found
        found |= new
        waiting += new
    return found


@pytest.mark.parametrize("noun", NOUNS)
def test_every_state_can_be_reached(noun: Noun) -> None:
    assert reached(noun, STARTS[noun]) == states(noun)


@pytest.mark.parametrize("noun", NOUNS)
def test_every_state_leads_to_an_end(noun: Noun) -> None:
    assert FINAL[noun]
    assert all(reached(noun, state) & FINAL[noun] for state in states(noun))


@pytest.mark.parametrize("noun", NOUNS)
def test_nothing_leaves_an_end(noun: Noun) -> None:
    assert not [move for move in TABLES[noun] if move.source in FINAL[noun]]
    assert not any(can_move(noun, final, state) for final in FINAL[noun] for state in states(noun))


@pytest.mark.parametrize("noun", NOUNS)
def test_a_move_is_there_once_and_names_its_noun_in_its_event(noun: Noun) -> None:
    pairs = [(move.source, move.target) for move in TABLES[noun]]
    assert len(pairs) == len(set(pairs))
    assert all(move.event.startswith(f"{noun}.") for move in TABLES[noun])
    assert all(move.source != move.target for move in TABLES[noun])


def test_the_ends_are_those_that_others_rely_on() -> None:
    assert {
        "study": {"answered", "completed", "failed", "cancelled", "refused"},
        "dispatch": {"answered", "released", "denied", "failed", "withdrawn"},
        "task": {"done", "failed", "missed", "withdrawn"},
    } == FINAL


@pytest.mark.parametrize("noun", NOUNS)
def test_asking_and_checking_agree_on_every_pair(noun: Noun) -> None:
    for source in states(noun):
        for target in states(noun):
            if can_move(noun, source, target):
                move = check_move(noun, source, target)
                assert (move.source, move.target) == (source, target)
            else:
                with pytest.raises(Conflict, match=f"a {noun} that is {source} cannot become {target}"):
                    check_move(noun, source, target)
