"""How sure it is that a place found is the address meant (GEO-18)."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from geo.domain.places import degrees
from kit.values.latlng import LatLng, haversine_m

MOST: Final = 5

SAME_PLACE_M: Final = 150.0
"""Two candidates nearer to each other than this are one place for a visit."""


class Precision(StrEnum):
    """What kind of thing was found; only a house is exact enough to drive to."""

    HOUSE = "HOUSE"
    STREET = "STREET"
    TOWN = "TOWN"
    REGION = "REGION"


EXACTNESS: Final = {
    Precision.HOUSE: 1.0,
    Precision.STREET: 0.6,
    Precision.TOWN: 0.3,
    Precision.REGION: 0.1,
}


class GeocodeState(StrEnum):
    """Whether a place may be booked as it is."""

    FOUND = "FOUND"
    NEEDS_PIN = "NEEDS_PIN"
    NOT_FOUND = "NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that an address may mean; `confidence` from 0 to 1, `label` as the source writes it."""

    place: int
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The candidates, surest first, and what follows from them; `place` is None unless FOUND."""

    state: GeocodeState
    place: int | None
    candidates: tuple[Candidate, ...]


def confidence(asked: str, found: str, precision: Precision) -> float:
    """How much of the address stands in what was found, times how exact that is."""
    wanted = words(asked)
    if not wanted:
        return 0.0
    there = words(found)
    return round(len(wanted & there) / len(wanted) * EXACTNESS[precision], 3)


def verdict(candidates: Sequence[Candidate], least: float) -> Verdict:
    """FOUND where one place is sure enough and no other, elsewhere, is as sure."""
    best = sorted(candidates, key=lambda one: (-one.confidence, one.label, one.place))[:MOST]
    if not best:
        return Verdict(GeocodeState.NOT_FOUND, None, ())
    first = best[0]
    rivals = [one for one in best[1:] if one.confidence >= first.confidence and _apart(one, first)]
    if first.confidence < least or rivals:
        return Verdict(GeocodeState.NEEDS_PIN, None, tuple(best))
    return Verdict(GeocodeState.FOUND, first.place, tuple(best))


def words(text: str) -> frozenset[str]:
    """The words and numbers of an address, without accents and case."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss"))
    return frozenset(re.findall(r"[^\W_]+", "".join(c for c in plain if not unicodedata.combining(c))))


def _apart(one: Candidate, other: Candidate) -> bool:
    return haversine_m(LatLng(*degrees(one.place)), LatLng(*degrees(other.place))) > SAME_PLACE_M
