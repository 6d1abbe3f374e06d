"""Many drives at once, as parallel arrays: the form in which travel times are computed and searched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from geo.domain.legs import NO_TRAVEL
from geo.domain.places import Ints, Places
from geo.domain.profile import Profile
from geo.domain.stop import NOWHERE, Leg, TravelSource

UNREACHABLE: Final = -1
"""Seconds of a drive that no road makes possible."""

SOURCES: Final = (TravelSource.NONE, TravelSource.ESTIMATE, TravelSource.ROAD, TravelSource.MATRIX)
"""Sources by the code that `Drives.sources` holds."""


@dataclass(frozen=True, slots=True)
class Drives:
    """Drives from place to place, pair by pair, with one version of the travel data.

    One side may be a single place, which all pairs share. `seconds` are UNREACHABLE where there is no way;
    `metres` are 0 there. `sources` are codes of SOURCES. With a `profile`, seconds are those at free flow.
    """

    froms: Ints
    tos: Ints
    seconds: Ints
    metres: Ints
    sources: Ints
    version: str
    profile: Profile | None = None

    def legs(self, which: Ints | None = None) -> list[Leg | None]:
        """The drives at these positions, or all; None where there is no way."""
        columns = self.froms, self.tos, self.seconds, self.metres, self.sources
        wanted = np.arange(len(self.seconds)) if which is None else which
        rows = zip(*(_picked(column, wanted) for column in columns), strict=True)
        return [_leg(row, self) for row in rows]

    def __iter__(self) -> Iterator[Leg | None]:
        return iter(self.legs())


def source_code(source: TravelSource) -> int:
    """The code of a source in `Drives.sources`."""
    return SOURCES.index(source)


def standing(froms: Places, tos: Places) -> npt.NDArray[np.bool_]:
    """Which pairs are no drive at all: both ends the same, or one of them no place."""
    still: npt.NDArray[np.bool_] = (froms.keys == tos.keys) | (froms.keys == NOWHERE) | (tos.keys == NOWHERE)
    return still


def _picked(column: Ints, which: Ints) -> list[int]:
    """The column's values at these positions; a single value stands for all."""
    if len(column) == 1:
        return [int(column[0])] * len(which)
    picked: list[int] = column.take(which).tolist()
    return picked


def _leg(row: Sequence[int], drives: Drives) -> Leg | None:
    from_place, to_place, seconds, metres, code = row
    if seconds == UNREACHABLE:
        return None
    if not code:
        return Leg(from_place, to_place, seconds, metres, SOURCES[code], NO_TRAVEL)
    figures = seconds, metres, SOURCES[code], drives.version
    if drives.profile is None:
        return Leg(from_place, to_place, *figures)
    return Leg(from_place, to_place, *figures, free_seconds=seconds, profile=drives.profile)
