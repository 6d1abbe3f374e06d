"""Starts that fit in place of an agent's date: those nearest to it, looked for wider and wider (BK-29)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from booking.domain.appointment import Appointment
from booking.domain.grounds import Grounds
from booking.domain.policies import earliest_start
from booking.domain.refix import Alternative
from booking.usecases.desk import Desk
from booking.usecases.move_stop import at_contact
from booking.usecases.ports import EVERY_CHOICE, FoundSlot, SlotQuery
from booking.usecases.search_slots import query_of, search_slots
from kit.values.window import Window

ALTERNATIVES: Final = 3
HORIZON: Final = timedelta(days=366)
"""As far as starts are looked for, from now; the ledger looks 400 days ahead."""
_REACHES: Final = tuple(timedelta(hours=hours) for hours in (3, 24, 7 * 24, 31 * 24, 124 * 24))
_TO_ACT: Final = timedelta(hours=1)
"""So long an alternative may still be taken: people have to read it and to call the customer."""
_PAGE: Final = 200
_AGENTS: Final = 500
"""Agents of one question: so many over the whole horizon are within what the ledger bears."""


async def alternatives(
    desk: Desk, tenant: str, appointment: Appointment, refix_at: datetime
) -> Sequence[Alternative]:
    """The starts nearest to the date that a re-fix would accept, the nearest first; three unless all of the
    horizon has fewer.

    Of those within the same reach of the date the agent's own come before colleagues'. Nothing is asked that
    a re-fix would refuse: another campaign's agent, the past, the lead time where postponements keep it.
    """
    grounds = await desk.grounds.of(tenant, appointment.campaign_id, appointment.contact_id)
    if grounds is None:
        raise RuntimeError(f"{appointment.appointment_id} has no campaign")
    appointment = at_contact(appointment, grounds)
    found: Sequence[Alternative] = ()
    for window in _windows(grounds, appointment.window.duration, refix_at):
        asked = _query(grounds, appointment, window, refix_at)
        found = await _within(desk, tenant, (asked, grounds), appointment.agent_id)
        if len(found) >= ALTERNATIVES:
            break
    return found


def _windows(grounds: Grounds, duration: timedelta, refix_at: datetime) -> Sequence[Window]:
    """Around the date, each wider than the one before; the last is all that there is."""
    lead = grounds.parameters.lead_time_of_postponement or timedelta()
    now = grounds.now.replace(microsecond=0)
    first, last = earliest_start(grounds.now + _TO_ACT, lead), now + HORIZON
    centre = max(refix_at, first)
    wider = [(max(first, centre - reach), min(last, centre + reach + duration)) for reach in _REACHES]
    return [Window(start, end) for start, end in (*wider, (first, last)) if start < end]


def _query(grounds: Grounds, appointment: Appointment, window: Window, refix_at: datetime) -> SlotQuery:
    asked = query_of(grounds, appointment.point, appointment.window.duration, (window,), limit=_PAGE)
    return replace(
        asked,
        not_before=window.start,
        postcode=appointment.postcode,
        starts=EVERY_CHOICE,
        near=(refix_at,),
    )


async def _within(
    desk: Desk, tenant: str, search: tuple[SlotQuery, Grounds], own: str
) -> Sequence[Alternative]:
    """At most three in a window: the agent's own, and colleagues' where those are too few."""
    asked, grounds = search
    everyone = grounds.campaign.agent_ids
    found = await _nearest(desk, tenant, search, [each for each in everyone if each == own])
    others = [each for each in everyone if each != own]
    if len(found) < ALTERNATIVES:
        found = [*found, *await _nearest(desk, tenant, search, others)][:ALTERNATIVES]
    return sorted(found, key=lambda each: _distance(each, asked))


async def _nearest(
    desk: Desk, tenant: str, search: tuple[SlotQuery, Grounds], agents: Sequence[str]
) -> Sequence[Alternative]:
    """The three nearest of these agents. All that the window has are looked at: the ledger's order is by
    added travel."""
    asked, grounds = search
    found: Sequence[Alternative] = ()
    for first in range(0, len(agents), _AGENTS):
        query = replace(asked, agent_ids=agents[first : first + _AGENTS])
        slots = [_of(slot) async for slot in _all(desk, tenant, query, grounds)]
        found = sorted([*found, *slots], key=lambda each: _distance(each, asked))[:ALTERNATIVES]
    return found


async def _all(desk: Desk, tenant: str, query: SlotQuery, grounds: Grounds) -> AsyncIterator[FoundSlot]:
    while True:
        page, _ = await search_slots(desk, tenant, query, grounds)
        for slot in page.slots:
            yield slot
        if len(page.slots) < query.limit:
            return
        query = replace(query, after=page.slots[-1].position)


def _distance(alternative: Alternative, asked: SlotQuery) -> tuple[timedelta, datetime, str]:
    (refix_at,) = asked.near
    return abs(alternative.start - refix_at), alternative.start, alternative.agent_id


def _of(slot: FoundSlot) -> Alternative:
    return Alternative(
        slot.agent_id, datetime.fromtimestamp(slot.start, UTC), datetime.fromtimestamp(slot.end, UTC)
    )
