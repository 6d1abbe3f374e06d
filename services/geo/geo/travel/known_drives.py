"""Answers of a road engine that are kept, all of one version.

Slot search asks about a thousand drives to one place, or from it: those are kept as a fan, in arrays, and
found with one look. All others are kept pair by pair.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from geo.domain.places import Bools, Ints
from geo.domain.stop import NOWHERE

Pair = tuple[int, int]
Drive = tuple[int, int]
"""Seconds and metres."""


class Hub(NamedTuple):
    """The end that the drives of a fan have in common: where all of them lead to (`inward`), or come from."""

    place: int
    inward: bool

    def pair(self, other: int) -> Pair:
        """The drive between it and another place."""
        return (other, self.place) if self.inward else (self.place, other)

    def drives_to(self, others: Ints) -> Ints:
        """Those of the other places, each once, that it takes a drive to."""
        if self.place == NOWHERE or not len(others):
            return others[:0]
        return np.unique(others[(others != self.place) & (others != NOWHERE)])


@dataclass(frozen=True, slots=True, eq=False)
class Fan:
    """Drives with one end in common, ordered by the key of the other end; the first is that of NOWHERE."""

    others: Ints
    seconds: Ints
    metres: Ints

    def __len__(self) -> int:
        return len(self.others) - 1

    def find(self, others: Ints) -> tuple[Ints, Bools]:
        """Where the drives of these other ends are, and whether they are there at all."""
        at = np.minimum(np.searchsorted(self.others, others), len(self.others) - 1)
        return at, self.others.take(at) == others

    def widened(self, others: Ints, seconds: Ints, metres: Ints) -> "Fan":
        """With drives that it lacks."""
        every = np.concatenate([self.others, others])
        order = np.argsort(every)
        columns = (self.seconds, seconds), (self.metres, metres)
        return Fan(every[order], *(np.concatenate(column)[order] for column in columns))


NO_DRIVES: Final = Fan(np.array([NOWHERE]), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))


class KnownDrives:
    """What one version of the roads answered last: at most `most` drives pair by pair, and as many in fans.

    A fan of more is not kept.
    """

    def __init__(self, version: str, most: int) -> None:
        self.version = version
        self._most = most
        self._pairs: OrderedDict[Pair, Drive] = OrderedDict()
        self._fans: OrderedDict[Hub, Fan] = OrderedDict()
        self._in_fans = 0

    def __len__(self) -> int:
        return len(self._pairs) + self._in_fans

    def clear(self) -> None:
        """Forgets all of it."""
        self._pairs.clear()
        self._fans.clear()
        self._in_fans = 0

    def drive(self, pair: Pair) -> Drive | None:
        """One drive, if it is known."""
        found = self._pairs.get(pair)
        if found is not None:
            self._pairs.move_to_end(pair)
            return found
        origin, target = pair
        return self._in_fan(Hub(target, inward=True), origin) or self._in_fan(
            Hub(origin, inward=False), target
        )

    def remember(self, drives: Mapping[Pair, Drive]) -> None:
        """Keeps drives, pair by pair."""
        self._pairs.update(drives)
        while len(self._pairs) > self._most:
            self._pairs.popitem(last=False)

    def fan(self, hub: Hub) -> Fan:
        """The drives that are known at a hub; maybe none."""
        found = self._fans.get(hub)
        if found is None:
            return NO_DRIVES
        self._fans.move_to_end(hub)
        return found

    def keep(self, hub: Hub, fan: Fan) -> None:
        """Keeps what is known at a hub, in the place of what was known before."""
        if not len(fan):  # one of no drive would take room that nothing counts
            return
        before = self._fans.pop(hub, NO_DRIVES)
        self._fans[hub] = fan
        self._in_fans += len(fan) - len(before)
        while self._in_fans > self._most:
            _, dropped = self._fans.popitem(last=False)
            self._in_fans -= len(dropped)

    def _in_fan(self, hub: Hub, other: int) -> Drive | None:
        fan = self._fans.get(hub)
        if fan is None:
            return None
        at = int(fan.others.searchsorted(other))
        if at == len(fan.others) or fan.others[at] != other:
            return None
        return int(fan.seconds[at]), int(fan.metres[at])
