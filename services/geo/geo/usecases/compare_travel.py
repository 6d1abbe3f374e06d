"""Holds the straight-line estimate against the roads, on the tenant's own places (GEO-15)."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from geo.domain.comparison import Compared, Ratio, ratio, worst
from geo.domain.modes import TravelMode
from geo.domain.stop import TravelSource
from geo.storage import tenant_places
from geo.usecases.check_promises import TravelData
from kit.errors import Reason, RuleViolated

WORST: Final = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared; the ratios are None without drives."""

    version: str
    places: int
    unreachable: int
    drives: int
    bound: Ratio | None
    guess: Ratio | None
    worst: tuple[Compared, ...]


async def compare_travel(data: TravelData, tenant: str, mode: TravelMode, places: int) -> Comparison:
    """Every drive by a mode between at most so many of the tenant's places, there and back.

    Raises RuleViolated (TRAVEL_UNAVAILABLE) without roads to compare with, and Unavailable.
    """
    async with data.db.uow(tenant) as tx:
        sample = await tenant_places.sample(tx, places)
    pairs = [(a, b) for a in sample for b in sample if a != b]
    travel = data.travel.of(mode)
    book = await travel.present_legs(tenant, pairs)
    legs = [leg for pair in pairs if (leg := book.leg(pair)) is not None]
    if any(leg.source is TravelSource.ESTIMATE for leg in legs):
        raise RuleViolated(Reason.TRAVEL_UNAVAILABLE, "there are no roads to compare with (GIRO_ROADS)")
    bounds, guesses = travel.straight_lines([(leg.from_place, leg.to_place) for leg in legs])
    drives = [
        Compared((leg.from_place, leg.to_place), leg.seconds, bound, guess)
        for leg, bound, guess in zip(legs, bounds, guesses, strict=True)
    ]
    roads = np.array([leg.seconds for leg in legs], dtype=np.int64)
    faces = [ratio(np.array(face, dtype=np.int64), roads) if drives else None for face in (bounds, guesses)]
    unreachable = len(pairs) - len(legs)
    worst_ones = tuple(worst(drives, WORST))
    return Comparison(book.version, len(sample), unreachable, len(drives), faces[0], faces[1], worst_ones)
