"""What happens next to a study: one rule, told as a table."""

from datetime import UTC, datetime, timedelta

import pytest

from rapha.hub.progress import (
    CloseRound,
    Complete,
    Conclude,
    End,
    OpenRound,
    RoundStanding,
    SiteStanding,
    Standing,
    TaskStanding,
    Wait,
    next_step,
)

NOW = datetime(2026, 11, 2, tzinfo=UTC)
DEADLINE = NOW + timedelta(hours=1)


def standing(state, sites, newest=None, *, at_least=2, rounds=3, now=NOW):
    """`sites` and a round's tasks in short: `north approved, south denied`."""
    named = [SiteStanding(*word.split()) for word in sites.split(", ")]
    return Standing(state, at_least, rounds, named, newest, now)


def turn(number, do, tasks, *, closed=False):
    return RoundStanding(number, do, DEADLINE, closed, [TaskStanding(*word.split()) for word in tasks.split(", ")])


BOTH = "north approved, south approved"
THREE = BOTH + ", west approved"


@pytest.mark.parametrize(
    ("situation", "step"),
    [
        (standing("submitted", BOTH), Wait()),
        (standing("recruiting", "north approved, south offered"), Wait()),
        (standing("recruiting", "north approved, south pending"), Wait()),
        (standing("recruiting", BOTH), OpenRound(0, "prepare")),
        (standing("recruiting", BOTH + ", west denied"), OpenRound(0, "prepare")),
        (standing("recruiting", BOTH + ", west pending"), Wait()),
        (standing("preparing", BOTH, turn(0, "prepare", "north done, south leased")), Wait(DEADLINE)),
        (standing("preparing", BOTH, turn(0, "prepare", "north done, south done")), CloseRound(0)),
        (standing("preparing", BOTH, turn(0, "prepare", "north done", closed=True)), OpenRound(1, "train")),
        (standing("training", BOTH, turn(2, "train", "north done", closed=True)), OpenRound(3, "train")),
        (standing("training", BOTH, turn(3, "train", "north done", closed=True)), OpenRound(4, "evaluate")),
        (standing("releasing", BOTH, turn(4, "evaluate", "north done", closed=True)), Complete()),
        (
            standing("training", THREE, turn(1, "train", "north done, south done, west queued"), now=DEADLINE),
            CloseRound(1),
        ),
        (standing("training", THREE, turn(1, "train", "north done, south queued, west failed")), Wait(DEADLINE)),
        (standing("asking", "north answered, south offered"), Wait()),
        (standing("asking", "north answered, south denied"), Conclude()),
        (standing("asking", "north denied, south denied"), Conclude()),
        (standing("answered", "north answered, south answered"), Wait()),
        (standing("completed", BOTH), Wait()),
        (standing("cancelled", BOTH), Wait()),
    ],
)
def test_the_next_step(situation, step):
    assert next_step(situation) == step


@pytest.mark.parametrize(
    ("situation", "state", "reason"),
    [
        (
            standing("recruiting", "north approved, south denied purpose-not-allowed"), "refused",
            "2 sites needed: south denied (purpose-not-allowed)",
        ),
        (
            standing("training", BOTH, turn(1, "train", "north done, south leased"), now=DEADLINE), "failed",
            "2 sites needed: south did not answer in time (deadline)",
        ),
        (
            standing("training", "north approved, south failed not-finite", turn(1, "train", "north leased, south failed")),
            "failed", "2 sites needed: south failed (not-finite)",
        ),
        (
            standing("training", "north approved, south denied policy-changed", turn(1, "train", "north done", closed=True)),
            "failed", "2 sites needed: south denied (policy-changed)",
        ),
    ],
)  # fmt: skip
def test_a_lost_quorum_is_the_end_and_says_why(situation, state, reason):
    assert next_step(situation) == End(state, reason)
