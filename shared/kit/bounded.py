"""Work on many things at the same time, but not on all."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def at_most(
    count: int, work: Callable[[Item], Awaitable[Result]], items: Iterable[Item]
) -> list[Result]:
    """What came of each, in order, with `count` of them in work at once. Raises the first failure."""
    turns = asyncio.Semaphore(count)

    async def one(item: Item) -> Result:
        async with turns:
            return await work(item)

    return await asyncio.gather(*map(one, items))
