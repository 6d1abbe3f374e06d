"""Zones in slot search (R-090): who may come to a place at all, and in which shifts a travel band holds it.

The ledger judges by the same functions (`geo.domain.zones`) in `usecases.admission`.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from geo.domain.agenda import Agenda
from geo.domain.calendar import ConcreteShift
from geo.domain.drives import UNREACHABLE
from geo.domain.gaps import faulted
from geo.domain.places import Places
from geo.domain.quotas import Span
from geo.domain.zones import anchors, in_band, standing
from geo.usecases.joined_gaps import AgentGaps, Prepared
from geo.usecases.search_ports import DriveTables
from kit.errors import Reason


@dataclass(slots=True)
class Sorted:
    """Agents by what their skills and zones say to a place: those who may come, with the seconds of the
    travel band where that decides, by agent id; and those who may not, with the reason."""

    able: list[Agenda] = field(default_factory=list)
    bands: dict[str, int] = field(default_factory=dict)
    unable: list[tuple[Agenda, Reason]] = field(default_factory=list)


def sort_out(agendas: Sequence[Agenda], skills: frozenset[str], place: int, postcode: str) -> Sorted:
    """The agents sorted, in their order."""
    everywhere = [agenda for agenda in agendas if skills <= agenda.skills and not agenda.zones]
    if len(everywhere) == len(agendas):
        return Sorted(everywhere)
    found = Sorted()
    for agenda in agendas:
        if not skills <= agenda.skills:
            found.unable.append((agenda, Reason.NO_SKILL))
        elif not agenda.zones:
            found.able.append(agenda)
        else:
            _sort_by_zones(found, agenda, place, postcode)
    return found


def _sort_by_zones(found: Sorted, agenda: Agenda, place: int, postcode: str) -> None:
    where = standing(agenda.zones, place, postcode)
    if not where.inside and where.band is None:
        found.unable.append((agenda, Reason.OUTSIDE_ZONE))
        return
    found.able.append(agenda)
    if where.band is not None:
        found.bands[agenda.agent_id] = where.band


Closed = Mapping[str, tuple[Span, ...]]
"""Shifts outside of an agent's zones, by agent id."""


@dataclass(frozen=True, slots=True)
class _Banded:
    """An agent whose travel band decides, with the shifts asked about and what each is measured from."""

    number: int
    band: int
    shifts: tuple[tuple[ConcreteShift, frozenset[int]], ...]


async def closed_shifts(
    travel: DriveTables, tenant: str, prepared: Prepared, bands: Mapping[str, int], asked: tuple[int, Span]
) -> tuple[Prepared, Closed]:
    """The gaps without those of shifts whose travel band does not hold the place, and these shifts.

    `asked` is the place, and the span of all windows. One question to the engine for all of them.
    """
    place, span = asked
    agents = [
        _Banded(number, bands[part.agenda.agent_id], tuple(_shifts(part, span)))
        for number, part in enumerate(prepared.agents)
        if part.agenda.agent_id in bands
    ]
    drives = await _drives(travel, tenant, place, agents)
    closed = {
        prepared.agent_ids[one.number]: tuple(
            _span(shift) for shift, around in one.shifts if not in_band(one.band, around, drives.get)
        )
        for one in agents
    }
    return _without(prepared, closed, [one.number for one in agents]), closed


def _shifts(part: AgentGaps, span: Span) -> list[tuple[ConcreteShift, frozenset[int]]]:
    live = part.live
    stops, starts = live.stops, live.starts
    found = []
    for shift in part.shifts:
        start, end = _span(shift)
        if start < span[1] and span[0] < end:
            there = stops[bisect_right(starts, start - 1) : bisect_right(starts, end)]
            found.append((shift, anchors(shift, there)))
    return found


async def _drives(
    travel: DriveTables, tenant: str, place: int, agents: Sequence[_Banded]
) -> Mapping[int, int | None]:
    """Seconds to the place from everywhere that is asked about; None without a way."""
    places = sorted({one for agent in agents for _, around in agent.shifts for one in around})
    if not places:
        return {}
    origins, nowhere = (Places.of(np.array(keys, dtype=np.int64)) for keys in (places, []))
    inward, _ = await travel.around(tenant, place, (origins, nowhere))
    seconds = inward.seconds.tolist()
    return {one: None if drive == UNREACHABLE else drive for one, drive in zip(places, seconds, strict=True)}


def _without(prepared: Prepared, closed: Closed, numbers: Sequence[int]) -> Prepared:
    gaps = prepared.gaps
    outside = np.zeros(len(gaps), dtype=bool)
    for number in numbers:
        of_agent = gaps.agent == number
        for start, end in closed[prepared.agent_ids[number]]:
            outside |= of_agent & (start <= gaps.opens) & (gaps.opens < end)
    if not outside.any():
        return prepared
    return replace(prepared, gaps=faulted(gaps, np.nonzero(outside)[0], Reason.OUTSIDE_ZONE))


def _span(shift: ConcreteShift) -> Span:
    return int(shift.start.timestamp()), int(shift.end.timestamp())
