"""How far a search looks among gaps in the order of what they cost at least, and when that is enough."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from geo.domain.places import Bools, Ints
from geo.domain.starts import Offers
from geo.usecases.first_look import Sight

_AT_FIRST: Final = 64
"""Gaps to look at first: enough, most of the time, for a page of slots."""
_MORE: Final = 4
"""How many times as many when those do not give a page."""


@dataclass(slots=True)
class Widening:
    """The looks of one search for `limit` slots, all of one version of the travel data; with `at_once` a
    single one, at all gaps.

    `dearest` is what the last slot of some page adds that was found: no gap whose bound is above it has a
    place in the answer. What is known already is looked at before anything is asked for.
    """

    limit: int
    at_once: bool = False
    count: int = 0
    dearest: int | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        self.count = max(_AT_FIRST, 2 * self.limit)

    def of_one_version(self, sight: Sight, version: str) -> bool:
        """Whether a look that was answered by this version may be taken together with its sight and with the
        looks before it: a gap that they left out may be among the best by another version."""
        before, self.version = self.version, version
        return sight.holds(version) and before in (None, version)

    def chosen(self, sight: Sight) -> Bools:
        """Which gaps to look at next, along the outlook."""
        least = sight.hopeful.least_added
        if self.at_once:
            return np.ones(len(least), dtype=bool)
        if self.dearest is None:
            enough_known = np.count_nonzero(sight.known) >= self.count
            return _cheapest(least, self.count, sight.known) if enough_known else _cheapest(least, self.count)
        left = least <= self.dearest
        return (left & sight.known) | _cheapest(least, self.count, left & ~sight.known)

    def enough(self, best: Offers, sight: Sight, chosen: Bools) -> bool:
        """Whether no other gap of the outlook has a place among the best of those that were chosen."""
        if len(best.at) == self.limit:
            added = int(best.added[-1])
            self.dearest = added if self.dearest is None else min(added, self.dearest)
        if not self._left(sight)[~chosen].any():
            return True
        self.count = self.count * _MORE if self.dearest is None else self.count + self.count // 4 + 1
        return False

    def left(self, sight: Sight) -> Ints:
        """Positions of the gaps that may still have a place in the answer."""
        return sight.hopeful.positions.compress(self._left(sight))

    def _left(self, sight: Sight) -> Bools:
        least = sight.hopeful.least_added
        return np.ones(len(least), dtype=bool) if self.dearest is None else least <= self.dearest


def _cheapest(least: Ints, count: int, among: Bools | None = None) -> Bools:
    """Which are the cheapest, about so many of those among which they are to be; equal ones go together."""
    some = least if among is None else least.compress(among)
    if len(some) <= count:
        return np.ones(len(least), dtype=bool) if among is None else among
    reach = np.partition(some, count - 1)[count - 1]
    within: Bools = least <= reach
    return within if among is None else within & among
