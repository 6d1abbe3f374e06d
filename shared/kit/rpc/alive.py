"""Streams that say that they are still there while there is nothing to say yet."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final, TypeVar

ALIVE_SECONDS: Final = 15.0
"""Longest silence of a stream: a quarter of what the gateway takes for nobody there any more."""

_END: Final = object()

Message = TypeVar("Message")


async def kept_alive(
    stream: AsyncGenerator[Message, None], empty: Callable[[], Message], seconds: float = ALIVE_SECONDS
) -> AsyncGenerator[Message, None]:
    """The stream, with an empty message after every `seconds` in which it had nothing; one message ahead.

    The stream runs in one task, whose context is the caller's, and is closed there when nobody listens.
    """
    queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=1)
    pump = asyncio.create_task(_pump(stream, queue))
    try:
        while True:
            try:
                found = await asyncio.wait_for(queue.get(), seconds)
            except TimeoutError:
                yield empty()
                continue
            if found is _END:
                await pump
                return
            yield found
    finally:
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)


async def _pump(stream: AsyncGenerator[Any, None], queue: asyncio.Queue[Any]) -> None:
    try:
        async with aclosing(stream):
            async for message in stream:
                await queue.put(message)
    except Exception:
        await queue.put(_END)
        raise
    await queue.put(_END)
