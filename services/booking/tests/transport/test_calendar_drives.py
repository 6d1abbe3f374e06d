"""Drives in calendars: one keeps its UID, a change has the next number, and one that is off is told so."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from booking_house import House
from calendar_judges import events, require_valid
from house_clock import soon
from ledger_double import LEG

from booking.domain.appointment import Card
from booking.transport.ics import to_ics
from booking.usecases.agent_calendar import AgentCalendar, CalendarOf, get_agent_calendar, keep_shown
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.views import get_view_log
from kit.errors import Unavailable
from kit.rpc.context import AGENT, Grant
from kit.testing.schedule import two_sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def read(house: House, agent: int = 0, days: tuple[str, str] = ("", "")) -> AgentCalendar:
    return await get_agent_calendar(house.desk, CalendarOf(house.agents[agent], *days, with_travel=True))


async def drive_of(house: House, card: Card, agent: int = 0) -> tuple[Any, ...] | None:
    """SEQUENCE, STATUS, TRANSP, minutes, and whether it ends as the visit starts now."""
    ics = to_ics(await read(house, agent))
    require_valid(ics)
    found = events(ics)
    ident = card.appointment.appointment_id
    event = found.get(f"{ident}-drive@giro")
    if event is None:
        return None
    assert event.decoded("DTSTAMP") == event.decoded("LAST-MODIFIED")
    length = event.decoded("DTEND") - event.decoded("DTSTART")
    start = (await house.stored(ident)).window.start
    told = int(event["SEQUENCE"]), str(event["STATUS"]), str(event["TRANSP"])
    return *told, length // timedelta(minutes=1), event.decoded("DTEND") == start


def longer(house: House, card: Card, minutes: int) -> None:
    """Another visit got between: the way to this one is another."""
    key = (house.tenant, card.appointment.appointment_id)
    leg = replace(LEG, travel=timedelta(minutes=minutes)) if minutes else None
    house.ledger.stops[key] = replace(house.ledger.stops[key], leg_before=leg)


async def test_they_are_shown_on_demand(house: House) -> None:
    card = await house.booked()
    plain = await get_agent_calendar(house.desk, CalendarOf(house.agents[0], "", "", with_travel=False))
    assert len(events(to_ics(plain))) == 1
    assert await drive_of(house, card) == (0, "CONFIRMED", "OPAQUE", 15, True)


async def test_a_drive_that_changes_has_the_next_number_and_a_later_stamp(house: House) -> None:
    card = await house.booked()
    assert await drive_of(house, card) == (0, "CONFIRMED", "OPAQUE", 15, True)
    first = to_ics(await read(house))
    await house.advance(timedelta(seconds=5))
    assert to_ics(await read(house)) == first, "what did not change is the same bytes"
    longer(house, card, 40)
    assert await drive_of(house, card) == (1, "CONFIRMED", "OPAQUE", 40, True)
    stamps = [events(each)[f"{card.appointment.appointment_id}-drive@giro"].decoded("DTSTAMP")
              for each in (first, to_ics(await read(house)))]  # fmt: skip
    assert stamps[1] - stamps[0] >= timedelta(seconds=5)
    card = await house.postpone(card, soon(60))
    assert await drive_of(house, card) == (2, "CONFIRMED", "OPAQUE", 40, True)


async def test_a_drive_that_is_off_is_told_so_and_may_come_back(house: House) -> None:
    card = await house.booked()
    await drive_of(house, card)
    longer(house, card, 0)  # the visit before is at the same door
    assert await drive_of(house, card) == (1, "CANCELLED", "TRANSPARENT", 15, True)
    assert await drive_of(house, card) == (1, "CANCELLED", "TRANSPARENT", 15, True)
    longer(house, card, 15)
    assert await drive_of(house, card) == (2, "CONFIRMED", "OPAQUE", 15, True)
    await house.reassign(card, house.agents[1])
    assert await drive_of(house, card) == (3, "CANCELLED", "TRANSPARENT", 15, True)
    assert await drive_of(house, card, 1) == (0, "CONFIRMED", "OPAQUE", 15, True)
    await cancel_appointment(house.desk, CancelAppointment(card.appointment.appointment_id, 0, ""))
    assert await drive_of(house, card, 1) == (1, "CANCELLED", "TRANSPARENT", 15, True)


async def test_a_drive_that_was_driven_stays(house: House) -> None:
    card, other = await house.booked(soon(48)), await house.booked(soon(51))
    assert [each.sequence for each in (await read(house)).drives] == [0, 0]
    await house.advance(timedelta(hours=49))
    assert await drive_of(house, card) == (0, "CONFIRMED", "OPAQUE", 15, True)
    await house.advance(timedelta(hours=3))
    await cancel_appointment(house.desk, CancelAppointment(other.appointment.appointment_id, 0, ""))
    assert await drive_of(house, other) == (1, "CANCELLED", "TRANSPARENT", 15, True)


async def test_days_asked_for_say_nothing_of_the_others(house: House) -> None:
    near, far = await house.booked(), await house.booked(soon(24 * 9))
    whole = to_ics(await read(house))
    day = near.appointment.window.start.date()
    days = ((day - timedelta(days=1)).isoformat(), (day + timedelta(days=1)).isoformat())
    few = await read(house, days=days)
    assert [each.drive.appointment_id for each in few.drives] == [near.appointment.appointment_id]
    assert to_ics(await read(house)) == whole
    assert await drive_of(house, far) == (0, "CONFIRMED", "OPAQUE", 15, True)


async def test_readers_at_once_give_a_number_once(house: House) -> None:
    cards = [await house.booked(soon(48 + 3 * n)) for n in range(3)]
    await read(house)
    for card in cards:
        longer(house, card, 25)
    files = {to_ics(each) for each in await asyncio.gather(*(read(house) for _ in range(6)))}
    assert len(files) == 1, "the six differ by when each was changed alone"
    assert [await drive_of(house, card) for card in cards] == [(1, "CONFIRMED", "OPAQUE", 25, True)] * 3


async def test_an_older_drive_is_never_told_under_a_newer_number(house: House) -> None:
    card = await house.booked()
    await read(house)

    async def changed_and_read() -> AgentCalendar:
        longer(house, card, 40)
        return await read(house)

    ran = await two_sessions(lambda: read(house), changed_and_read, at="booking.calendar.asked", patience=20)
    assert (ran.held, ran.overtook) == (True, True)
    told = [[(each.sequence, each.drive.window.duration) for each in found.drives]
            for found in (ran.first, ran.second)]  # fmt: skip
    assert told == [[(1, timedelta(minutes=40))]] * 2
    assert await drive_of(house, card) == (1, "CONFIRMED", "OPAQUE", 40, True)


async def versions_seen(house: House, card: Card, subject: str) -> list[int]:
    """The versions of a card that the log says somebody saw (R-017)."""
    house.enter()
    log = await get_view_log(house.desk, card.appointment.appointment_id)
    return [view.version for view in log if view.viewer_id == subject]


async def test_an_agent_saw_what_it_was_answered_and_not_what_was_read_in_vain(house: House) -> None:
    card = await house.booked()
    own = Grant("AGENT", AGENT, house.agents[0])
    house.enter(own, subject="usr_agent")
    house.ledger.down = True
    with pytest.raises(Unavailable):
        await read(house)
    house.ledger.down = False
    assert await versions_seen(house, card, "usr_agent") == []

    async def shown() -> AgentCalendar:
        calendar = await read(house)
        await keep_shown(house.desk, calendar)
        return calendar

    async def postponed_and_read() -> AgentCalendar:
        house.enter()
        await house.postpone(card, soon(60))
        return await read(house)

    house.enter(own, subject="usr_agent")
    ran = await two_sessions(shown, postponed_and_read, at="booking.calendar.asked", patience=20)
    assert (ran.held, ran.overtook) == (True, True)
    assert [visit.appointment.version for visit in ran.first.visits] == [2]
    assert await versions_seen(house, card, "usr_agent") == [2]


async def test_nothing_is_told_off_while_geo_is_away(house: House) -> None:
    card = await house.booked()
    await drive_of(house, card)
    house.ledger.down = True
    with pytest.raises(Unavailable):
        await read(house)
    house.ledger.down = False
    assert await drive_of(house, card) == (0, "CONFIRMED", "OPAQUE", 15, True)
