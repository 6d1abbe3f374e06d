"""Waiting for what other processes do: asks again until it holds, or fails with what it saw last."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")

PAUSE_SECONDS = 0.2


async def eventually(
    look: Callable[[], Awaitable[Seen]], holds: Callable[[Seen], bool], *, within: float = 60.0
) -> Seen:
    """What `look` saw once `holds` was true of it; AssertionError when it was not within so many seconds."""
    deadline = time.monotonic() + within
    while True:
        seen = await look()
        if holds(seen):
            return seen
        assert time.monotonic() < deadline, f"still {seen!r} after {within} s"
        await asyncio.sleep(PAUSE_SECONDS)
