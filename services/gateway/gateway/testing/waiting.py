"""Waiting for what another process does by itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")


async def eventually(
    look: Callable[[], Awaitable[Found]], good: Callable[[Found], bool], within_seconds: float = 60
) -> Found:
    """Looks again and again until `good`; raises AssertionError with the last look when time is up."""
    deadline = time.monotonic() + within_seconds
    while not good(found := await look()):
        assert time.monotonic() < deadline, f"still {found!r} after {within_seconds} s"
        await asyncio.sleep(0.05)
    return found
