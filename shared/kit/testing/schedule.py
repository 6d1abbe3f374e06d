"""Two sessions in a chosen order: one is held at a failpoint while the other runs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from kit import failpoints


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of both sessions: a value or the exception raised."""

    first: Any
    second: Any
    held: bool
    """Whether the first session came to the failpoint; False means that the schedule tested nothing."""
    overtook: bool
    """Whether the second one ended while the first was held; False means that it waited for the first."""


async def two_sessions(
    first: Callable[[], Awaitable[Any]],
    second: Callable[[], Awaitable[Any]],
    *,
    at: str,
    patience: float = 0.4,
) -> Outcome:
    """Runs `first()` up to the failpoint `at`, then `second()`, then lets the first one go on.

    When the second has not ended after `patience` seconds, it is waiting for a lock of the first, which is
    then let go. Only the first session is held, and only once.
    """
    reached, release = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        if not reached.is_set():
            reached.set()
            await release.wait()

    failpoints.arm(at, hold)
    try:
        return await _interleave(first, second, (reached, release), patience)
    finally:
        release.set()
        failpoints.disarm(at)


async def _interleave(
    first: Callable[[], Awaitable[Any]],
    second: Callable[[], Awaitable[Any]],
    gates: tuple[asyncio.Event, asyncio.Event],
    patience: float,
) -> Outcome:
    reached, release = gates
    one = asyncio.ensure_future(first())
    arrival = asyncio.create_task(reached.wait())
    await asyncio.wait({one, arrival}, return_when=asyncio.FIRST_COMPLETED)
    arrival.cancel()
    held = reached.is_set()
    reached.set()  # from now on nobody is held any more
    two = asyncio.ensure_future(second())
    ended, _ = await asyncio.wait({two}, timeout=patience)
    release.set()
    results = await asyncio.gather(one, two, return_exceptions=True)
    return Outcome(results[0], results[1], held, bool(ended))
