"""What slot search needs from travel times: many drives at once, without a question to the database."""

from collections.abc import Collection
from typing import Protocol

from geo.domain.drives import Drives, Ints
from geo.domain.legs import LegBook, Pair


class DriveTables(Protocol):
    """Travel times by the data at hand, which may be behind by the age of the last notification.

    A commit asks `TravelTimes` instead, which is up to date. All raise Unavailable (TRAVEL_UNAVAILABLE) when
    the engine does not answer.
    """

    @property
    def instant(self) -> bool:
        """Whether drives cost next to nothing, so that `floor` saves nothing."""
        ...

    async def version_at_hand(self, tenant: str) -> str:
        """Version of the travel data at hand."""
        ...

    async def legs_at_hand(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        """These pairs; None in the book for a pair without a way."""
        ...

    async def drives(self, tenant: str, froms: Ints, tos: Ints) -> Drives:
        """The drives `froms[i]` → `tos[i]`; places may be equal or no place."""
        ...

    async def floor(self, tenant: str, froms: Ints, tos: Ints) -> Drives:
        """Drives whose seconds never exceed those of `drives`; only their seconds count."""
        ...
