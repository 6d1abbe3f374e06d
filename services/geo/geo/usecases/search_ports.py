"""What slot search needs from travel times: many drives at once, without a question to the database."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from geo.domain.drives import Drives
from geo.domain.legs import LegBook, Pair
from geo.domain.places import Bools, Ints, Places


@dataclass(frozen=True, slots=True)
class Told:
    """Lower bounds of the drives from some places to one, and from there to them: the drives themselves where
    they are known, which is asked for nothing more.

    They hold for the answers of one version; where the version is None, for whichever engine answers, with
    the tenant's own matrix as it is.
    """

    seconds_in: Ints
    seconds_out: Ints
    known_in: Bools
    known_out: Bools
    version: str | None

    @classmethod
    def floors(cls, seconds_in: Ints, seconds_out: Ints) -> "Told":
        """Bounds alone, where nothing more can be known before the drives are asked for."""
        every = np.ones(len(seconds_in), dtype=bool)
        return cls(seconds_in, seconds_out, every, every, None)


class DriveTables(Protocol):
    """Travel times of one mode by the data at hand, which may be behind by the age of the last notification.

    A commit asks `TravelTimes` instead, which is up to date. All raise Unavailable (TRAVEL_UNAVAILABLE) when
    the engine does not answer.
    """

    async def version_at_hand(self, tenant: str) -> str:
        """Version of the travel data at hand."""
        ...

    async def legs_at_hand(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        """These pairs; None in the book for a pair without a way."""
        ...

    async def around(self, tenant: str, place: int, ends: tuple[Places, Places]) -> tuple[Drives, Drives]:
        """The drives from each of some places to one place, and from there to each of some others. Places may
        be equal or no place."""
        ...

    async def floor_around(self, tenant: str, place: int, places: Places) -> tuple[Ints, Ints]:
        """Seconds that the drives of `around` never go below, where there is a way at all; no I/O."""
        ...

    async def told_around(self, tenant: str, place: int, places: Places) -> "Told":
        """As `floor_around`, by what the engine answered before as well."""
        ...
