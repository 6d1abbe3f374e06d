"""Legs that are known: the answer of a travel engine, and the drives that need none."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Final

from geo.domain.modes import TravelMode
from geo.domain.stop import NOWHERE, Leg, TravelSource

Pair = tuple[int, int]
"""From place, to place."""

NO_TRAVEL: Final = "none"
"""Version of the legs that no engine was asked for."""


class MissingLegs(Exception):
    """The book of a mode does not know these pairs; no decision without them."""

    def __init__(self, pairs: Set[Pair], mode: TravelMode) -> None:
        super().__init__(f"{len(pairs)} legs are missing")
        self.pairs, self.mode = frozenset(pairs), mode


@dataclass(frozen=True, slots=True)
class LegBook:
    """What a travel engine answered, all of one version and mode. None: no way leads there.

    `every` works any leg out at once, for engines that need nothing but arithmetic and what is in memory.
    """

    version: str = ""
    legs: Mapping[Pair, Leg | None] = field(default_factory=dict)
    every: Callable[[Pair], Leg | None] | None = None
    mode: TravelMode = TravelMode.CAR

    def knows(self, pair: Pair) -> bool:
        """Whether the leg of this pair can be told."""
        return self.every is not None or pair in self.legs

    def leg(self, pair: Pair) -> Leg | None:
        """The leg, or None when no way leads there. Raises MissingLegs when the engine was not asked."""
        if self.every is not None:
            return self.every(pair)
        try:
            return self.legs[pair]
        except KeyError:
            raise MissingLegs({pair}, self.mode) from None

    def extended(self, other: "LegBook") -> "LegBook":
        """Both books together; legs of an older version are dropped, never mixed."""
        if other.version != self.version:
            return other
        return LegBook(self.version, {**self.legs, **other.legs}, mode=self.mode)


def free_leg(from_place: int, to_place: int) -> Leg | None:
    """The leg of 0 s between equal places, or from or to no place; None when it takes an engine."""
    if from_place == to_place or NOWHERE in (from_place, to_place):
        return Leg(from_place, to_place, 0, 0, TravelSource.NONE, NO_TRAVEL)
    return None
