"""Long work in the process that answers searches: a few milliseconds at a time, with rests in between."""

import asyncio
from time import monotonic
from typing import Final

_SECONDS: Final = 0.003
"""How long such work goes on before others get their turn; whoever waits on it waits about as long."""


class Slices:
    """The slices of one piece of long work, which takes at most `share` of the time (0 to 1).

    `give` is awaited after every millisecond or less of work, `rest` wherever it may wait for longer: outside
    of transactions.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._rests = 1 / share - 1
        self._rested = self._gave = monotonic()

    async def give(self) -> None:
        """Lets others have their turn, if this one has lasted long enough."""
        if monotonic() - self._gave >= _SECONDS:
            await asyncio.sleep(0)
            self._gave = monotonic()

    async def rest(self) -> None:
        """Lets others have their turn, for so long that the work since the last rest stays within its
        share."""
        await asyncio.sleep((monotonic() - self._rested) * self._rests)
        self._rested = self._gave = monotonic()
