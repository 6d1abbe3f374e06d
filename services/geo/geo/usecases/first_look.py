"""Which of the prepared gaps a visit may fit into, by lower bounds of the drives alone (ADR 0023)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from geo.domain.outlook import Bounds, Outlook, in_time, outlook
from geo.domain.places import Bools, Ints, Places
from geo.domain.slot_search import Question
from geo.usecases.joined_gaps import Prepared
from geo.usecases.search_ports import DriveTables, Told

_NARROW: Final = 4
"""How many times as many places as gaps in the time asked for make it worth while to bound theirs alone."""


@dataclass(frozen=True, slots=True)
class Sight:
    """An outlook, and along it in which gaps both drives are known; for the answers of one version of the
    travel data, or of all (None)."""

    hopeful: Outlook
    known: Bools
    version: str | None

    def holds(self, version: str) -> bool:
        """Whether no drive of that version is shorter than was taken here."""
        return self.version is None or self.version == version


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at a tenant's gaps for one question; `buffers` are kept before the visit, gap by gap."""

    travel: DriveTables
    tenant: str
    question: Question
    prepared: Prepared
    buffers: Ints

    async def floors(self) -> Sight:
        """The gaps in time, by bounds that hold whichever engine answers later."""
        return await self._in_time(self._floors)

    async def told(self, among: Ints | None = None) -> Sight:
        """The same by what the engine told before as well; of the gaps at these positions alone, if any are
        named, which are in time."""
        return await (self._in_time(self._told) if among is None else self._near(self._told, among))

    async def _floors(self, places: Places) -> Told:
        return Told.floors(*await self.travel.floor_around(self.tenant, self.question.place, places))

    async def _told(self, places: Places) -> Told:
        return await self.travel.told_around(self.tenant, self.question.place, places)

    async def _in_time(self, ask: "_Ask") -> Sight:
        prepared = self.prepared
        within = in_time(prepared.gaps, self.question)
        if _NARROW * np.count_nonzero(within) <= len(prepared.places):
            return await self._near(ask, np.flatnonzero(within))
        told = await ask(prepared.places)
        ends = prepared.origin_at, prepared.target_at
        bounds = Bounds(told.seconds_in, told.seconds_out, *ends, self.buffers)
        return _sight(outlook(prepared.gaps, within, self.question, bounds), told, ends)

    async def _near(self, ask: "_Ask", near: Ints) -> Sight:
        """Of the gaps at these positions, which are in time."""
        prepared, count = self.prepared, len(near)
        ends = np.concatenate([prepared.origin_at.take(near), prepared.target_at.take(near)])
        told = await ask(prepared.places.take(ends))
        along = np.arange(count), np.arange(count, 2 * count)
        bounds = Bounds(told.seconds_in, told.seconds_out, *along, self.buffers.take(near))
        within = np.ones(count, dtype=bool)
        sight = _sight(outlook(prepared.gaps.take(near), within, self.question, bounds), told, along)
        return replace(sight, hopeful=sight.hopeful.among(near))


_Ask = Callable[[Places], Awaitable[Told]]


def _sight(hopeful: Outlook, told: Told, ends: tuple[Ints, Ints]) -> Sight:
    origins, targets = (end.take(hopeful.positions) for end in ends)
    return Sight(hopeful, told.known_in.take(origins) & told.known_out.take(targets), told.version)
