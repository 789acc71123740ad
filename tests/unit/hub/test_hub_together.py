"""Those who ask at once are answered at once; what goes wrong for one is that one's."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from rapha.hub.together import Together


def test_who_asks_meanwhile_is_answered_next_with_all_the_others() -> None:
    turns: list[list[int]] = []
    began, go_on = threading.Event(), threading.Event()

    def double(asked: Sequence[int]) -> list[int]:
        turns.append(list(asked))
        began.set()
        assert go_on.wait(10)
        return [2 * each for each in asked]

    async def ask() -> list[int]:
        together = Together(double)
        first = asyncio.create_task(together.ask(1))
        assert await asyncio.to_thread(began.wait, 10)

        async def let_go() -> None:
            go_on.set()

        *others, _ = await asyncio.gather(*(together.ask(each) for each in (2, 3, 4)), let_go())
        return [await first, *others]

    assert asyncio.run(ask()) == [2, 4, 6, 8]
    assert turns == [[1], [2, 3, 4]]


def test_an_error_is_for_the_one_whose_it_is() -> None:
    def but_three(asked: Sequence[int]) -> list[int]:
        if 3 in asked:
            raise ValueError("not three")
        return list(asked)

    async def ask() -> list[int | BaseException]:
        together = Together(but_three)
        found = await asyncio.gather(*(together.ask(each) for each in (1, 2, 3, 4)), return_exceptions=True)
        assert await together.ask(5) == 5
        return found

    one, two, three, four = asyncio.run(ask())
    assert (one, two, four) == (1, 2, 4)
    assert isinstance(three, ValueError)


def test_one_who_went_away_keeps_nobody_waiting() -> None:
    async def ask() -> int:
        together = Together(lambda asked: list(asked))
        gone = asyncio.create_task(together.ask(1))
        other = asyncio.create_task(together.ask(2))

        async def go_away() -> None:
            gone.cancel()

        await asyncio.create_task(go_away())  # it begins after those two have asked, and before they are answered
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await other

    assert asyncio.run(ask()) == 2


def test_one_who_went_away_is_not_asked_for_again() -> None:
    turns: list[list[int]] = []
    began, go_on = threading.Event(), threading.Event()

    def not_together(asked: Sequence[int]) -> list[int]:
        turns.append(list(asked))
        if len(asked) > 1:
            began.set()
            assert go_on.wait(10)
            raise ValueError("one by one")
        return list(asked)

    async def ask() -> int:
        together = Together(not_together)
        gone, other = asyncio.create_task(together.ask(1)), asyncio.create_task(together.ask(2))
        assert await asyncio.to_thread(began.wait, 10)
        gone.cancel()
        await asyncio.wait([gone])
        go_on.set()
        return await other

    assert asyncio.run(ask()) == 2
    assert turns == [[1, 2], [2]]
