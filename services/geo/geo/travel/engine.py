"""What an engine of travel times has to do. One contract suite runs on all of them."""

from collections.abc import Callable
from typing import Final, Protocol

from geo.domain.modes import TravelMode
from geo.domain.places import Bools, Ints, Places
from geo.domain.stop import TravelSource


class Engine(Protocol):
    """Computes drives, pair by pair; one side may be a single place. Pairs that are no drive at all (the same
    place twice, no place) may get any answer: callers know better."""

    @property
    def version(self) -> str:
        """Engine, data and profile, such that equal versions give equal answers; of the latest answer.

        Empty while a remote engine was never heard from.
        """
        ...

    @property
    def source(self) -> TravelSource:
        """What its legs are flagged with."""
        ...

    @property
    def mode(self) -> TravelMode:
        """How one travels: nothing stands in for an engine that cannot answer but one of the same mode."""
        ...

    @property
    def symmetric(self) -> bool:
        """Whether there and back are the same."""
        ...

    async def current(self) -> str:
        """The version that answers; a remote engine is asked when it was never heard from.

        Raises Unavailable (TRAVEL_UNAVAILABLE).
        """
        ...

    async def refreshed(self) -> str:
        """The version that answers at this moment; a remote engine is asked. Raises Unavailable."""
        ...

    @property
    def drive(self) -> Callable[[int, int], tuple[int, int]] | None:
        """Seconds and metres of one drive between places, equal to `measure`'s; None where it takes I/O."""
        ...

    async def measure(self, froms: Places, tos: Places) -> tuple[Ints, Ints]:
        """Seconds and metres of each drive, all of one version; UNREACHABLE and 0 where there is no way.

        Raises Unavailable (TRAVEL_UNAVAILABLE) when the engine cannot answer.
        """
        ...

    def floor(self, froms: Places, tos: Places) -> Ints:
        """Seconds that `measure` never goes below where there is a way; 0 where nothing is known. One side is
        a single place."""
        ...

    @property
    def told(self) -> Callable[[Places, Places], tuple[Ints, Bools]] | None:
        """As `floor`, or the drives themselves where they were answered before, and which those are: for
        answers of the present version alone. None where every answer is at hand."""
        ...

    async def close(self) -> None:
        """Ends connections."""
        ...


class Settled:
    """What engines share that live in this process: one version, nothing to close."""

    version: str
    mode: TravelMode
    told: Final = None

    async def current(self) -> str:
        """The version, which never changes."""
        return self.version

    async def refreshed(self) -> str:
        """The version, which never changes."""
        return self.version

    async def close(self) -> None:
        """There is nothing to end."""
