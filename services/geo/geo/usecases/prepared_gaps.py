"""Gaps ready to be searched: made once per version of an agenda, joined once per set of agents."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

from geo.domain import quotas, shift_gaps
from geo.domain.agenda import Agenda
from geo.domain.calendar import Calendar, ConcreteShift, shifts_between
from geo.domain.gaps import Gaps
from geo.domain.legs import LegBook, Pair
from geo.domain.modes import TravelMode
from geo.domain.narrow import Narrow
from geo.domain.shift_gaps import Known, LiveStops
from geo.usecases.by_mode import ByMode
from geo.usecases.joined_gaps import AgentGaps, Crowd
from geo.usecases.search_ports import DriveTables

_PERIOD: Final = 28 * 24 * 3600
_JOINS: Final = 16
_JOINED: Final = 0.25
"""Gaps that stay joined for other sets of agents, as a share of all gaps."""
_SHELVES: Final = 64
_TURN_SECONDS: Final = 0.01
_MOST_LEGS: Final = 200_000

_Key = tuple[str, TravelMode, int]
"""Tenant, mode, and the instant up to which gaps are prepared."""


@dataclass(slots=True)
class _Shelf:
    """What is prepared for a tenant's agents of one mode, up to the instant `until`, with one version of the
    travel data."""

    version: str
    until: int
    book: LegBook
    agents: dict[str, AgentGaps] = field(default_factory=dict)
    joins: "OrderedDict[tuple[str, ...], Crowd]" = field(default_factory=OrderedDict)

    @property
    def rows(self) -> int:
        """Gaps held, joined ones counted again."""
        return self._single + self._joined

    @property
    def _single(self) -> int:
        return sum(map(len, self.agents.values()))

    @property
    def _joined(self) -> int:
        return sum(join.held for join in self.joins.values())

    def keeps(self, made: AgentGaps, book: LegBook) -> bool:
        """Puts gaps on the shelf; False for those of other travel data, as of an estimate in the roads'
        place: those serve the question that they were made for."""
        if book.version != self.version:
            return False
        self.agents[made.agenda.agent_id], self.book = made, book
        return True

    def held(self, agendas: Sequence[Agenda], as_of: int) -> Crowd | None:
        """These agendas' gaps as they were joined last, when nothing has changed since."""
        key = _ids(agendas)
        found = self.joins.get(key)
        if found is None or not found.counts(agendas, as_of):
            return None
        self.joins.move_to_end(key)
        return found

    def joined(self, parts: Sequence[AgentGaps]) -> Crowd:
        """These agents' gaps as one; what others had joined makes room for it."""
        before = self.joins.pop(tuple([part.agenda.agent_id for part in parts]), None)
        most = self._single * _JOINED
        while self.joins and (len(self.joins) >= _JOINS or self._joined > most):
            self.joins.popitem(last=False)
        made = Crowd.of(self.version, parts, before)
        self.joins[made.agent_ids] = made
        return made


class PreparedGaps:
    """Keeps the gaps that were searched last, at most about `most_rows` of them."""

    def __init__(self, travel: ByMode[DriveTables], *, most_rows: int = 1_000_000) -> None:
        self._travel = travel
        self._most_rows = most_rows
        self._shelves: OrderedDict[_Key, _Shelf] = OrderedDict()

    async def of(
        self, tenant: str, who: tuple[TravelMode, Sequence[Agenda]], as_of: int, until: int
    ) -> Crowd:
        """The gaps of these agendas, all of one mode, for the shifts that begin before `until`, at the
        instant `as_of`."""
        mode, agendas = who
        version = await self._travel.of(mode).version_at_hand(tenant)
        shelf = self._shelf((tenant, mode), version, until)
        found = shelf.held(agendas, as_of)
        if found is None:
            parts, kept = await self._parts(tenant, shelf, agendas, as_of)
            found = shelf.joined(parts) if kept else Crowd.of(shelf.version, parts)
            self._make_room()
        return found

    async def _parts(
        self, tenant: str, shelf: _Shelf, agendas: Sequence[Agenda], as_of: int
    ) -> tuple[list[AgentGaps], bool]:
        """The gaps of each agent, and whether all of them are on the shelf now."""
        parts = []
        kept, turn_ends = True, monotonic() + _TURN_SECONDS
        for agenda in agendas:
            made = shelf.agents.get(agenda.agent_id)
            if made is None or not made.counts(agenda, as_of):
                made, book = await self._made(tenant, shelf, agenda, as_of)
                kept = shelf.keeps(made, book) and kept
                if monotonic() >= turn_ends:
                    await asyncio.sleep(0)  # others get their turn
                    turn_ends = monotonic() + _TURN_SECONDS
            parts.append(made)
        return parts, kept

    def _shelf(self, of: tuple[str, TravelMode], version: str, until: int) -> _Shelf:
        # whole periods, so that the next day's search finds the same gaps still good
        key = *of, (until // _PERIOD + 1) * _PERIOD
        shelf = self._shelves.get(key)
        if shelf is None or shelf.version != version or len(shelf.book.legs) > _MOST_LEGS:
            shelf = self._shelves[key] = _Shelf(version, key[2], LegBook(version, mode=key[1]))
        self._shelves.move_to_end(key)
        return shelf

    def _make_room(self) -> None:
        rows = {key: shelf.rows for key, shelf in self._shelves.items()}
        held = sum(rows.values())
        while len(self._shelves) > 1 and (held > self._most_rows or len(self._shelves) > _SHELVES):
            key, _ = self._shelves.popitem(last=False)
            held -= rows[key]

    async def _made(
        self, tenant: str, shelf: _Shelf, agenda: Agenda, as_of: int
    ) -> tuple[AgentGaps, LegBook]:
        """The agent's gaps, and the book of one version that they were made with."""
        travel = self._travel.of(agenda.mode)
        shifts, book, asked = self._shifts(shelf, agenda), shelf.book, set[Pair]()
        while True:
            known = Known(book)
            live = shift_gaps.live_stops(agenda, as_of, known)
            made = shift_gaps.gaps_of(live, shifts, known)
            if not known.missing:
                return _limited(agenda, shifts, live, made), book
            asked |= known.missing
            found = await travel.legs_at_hand(tenant, known.missing)
            if found.version != book.version and asked != known.missing:
                found = await travel.legs_at_hand(tenant, asked)
            book = book.extended(found)

    def _shifts(self, shelf: _Shelf, agenda: Agenda) -> tuple[ConcreteShift, ...]:
        before = shelf.agents.get(agenda.agent_id)
        if before is not None and _same_times(before.agenda, agenda):
            return before.shifts
        return _shifts(agenda.calendar, agenda.since, shelf.until)


def _ids(agendas: Sequence[Agenda]) -> tuple[str, ...]:
    return tuple([agenda.agent_id for agenda in agendas])


def _limited(agenda: Agenda, shifts: tuple[ConcreteShift, ...], live: LiveStops, made: Gaps) -> AgentGaps:
    """With the gaps cut at the days that take no further visit."""
    if agenda.quota is None:
        return AgentGaps(agenda, shifts, live, Narrow.of(made.table))
    full = quotas.full_days(live.stops, agenda.calendar.time_zone, agenda.quota)
    return AgentGaps(agenda, shifts, live, Narrow.of(quotas.cut(made, full).table), tuple(full))


def _same_times(before: Agenda, agenda: Agenda) -> bool:
    return before.calendar == agenda.calendar and before.since <= agenda.since


def _shifts(calendar: Calendar, since: datetime, until: int) -> tuple[ConcreteShift, ...]:
    return tuple(shifts_between(calendar, since - timedelta(days=1), datetime.fromtimestamp(until, UTC)))
