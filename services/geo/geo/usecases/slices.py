"""Long work in the process that answers searches: a few milliseconds at a time, with rests in between."""

import asyncio
from time import monotonic
from typing import Final

_SECONDS: Final = 0.002
"""How long such work goes on before others get their turn."""


class Slices:
    """The slices of one piece of long work, which takes at most `share` of the time (0 to 1).

    `give` is awaited after every millisecond or less of work, `rest` wherever it may wait for longer: outside
    of transactions.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._rests = 1 / share - 1
        self._rested = self._gave = monotonic()
        self._paused = 0.0

    async def give(self) -> None:
        """Lets others have their turn, if this one has lasted long enough: as much time as it took, but for
        work that takes all of it.

        An answer takes several turns of the event loop, one after the other. Between two of them there must
        not be a slice of this work each time.
        """
        worked = monotonic() - self._gave
        if worked >= _SECONDS:
            await self._pause(worked * min(1.0, self._rests))

    async def rest(self) -> None:
        """Lets others have their turn, for so long that the work since the last rest stays within its
        share."""
        worked = monotonic() - self._rested - self._paused
        await self._pause(max(0.0, worked * self._rests - self._paused))
        self._rested, self._paused = self._gave, 0.0

    async def _pause(self, seconds: float) -> None:
        began = monotonic()
        await asyncio.sleep(seconds)
        self._gave = monotonic()
        self._paused += self._gave - began
