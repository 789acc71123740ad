"""Answers those together who ask at once: one transaction and one turn of a thread for all of them, not one for each."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Together(Generic[Asked, Answer]):
    """Who asks while others are being answered is answered next, with all who asked meanwhile. For one event loop."""

    def __init__(self, answer: Callable[[Sequence[Asked]], Sequence[Answer]]) -> None:
        """`answer`: to each of those asked, in their order. Where it raises for several, each is asked again by itself."""
        self._answer = answer
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._turns: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Answer:
        """The answer to this one, or what `answer` raised for it."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._turns is None:
            self._turns = asyncio.create_task(self._take_turns())
        return await future

    async def _take_turns(self) -> None:
        try:
            while self._waiting:
                now, self._waiting = [one for one in self._waiting if not one[1].done()], []
                if now and not await self._answered(now):
                    for one in now:
                        if not one[1].done():  # else it went away
                            await self._answered([one])
        finally:
            self._turns = None

    async def _answered(self, now: list[tuple[Asked, "asyncio.Future[Answer]"]]) -> bool:
        """False where it raised for several."""
        try:
            turn = [asked for asked, _ in now]
            answers = await asyncio.get_running_loop().run_in_executor(None, self._answer, turn)
        except Exception as error:
            if len(now) > 1:
                return False
            if not now[0][1].done():
                now[0][1].set_exception(error)
            return True
        for (_, future), answer in zip(now, answers, strict=True):
            if not future.done():  # it went away
                future.set_result(answer)
        return True
