"""Agents' calendars: read back by a library and held to the grammar of RFC 5545, and feeds over HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from booking_house import House, claim, soon
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from sqlalchemy import text

from booking.domain.agent_calendar import CalendarVisit, FeedSecrets
from booking.domain.appointment import Appointment, State
from booking.transport.feeds import Feeds, FeedServer, feed_path
from booking.transport.ics import to_ics
from booking.usecases.agent_calendar import (
    AgentCalendar,
    CalendarOf,
    NewFeed,
    get_agent_calendar,
    revoke_feed,
    rotate_feed,
)
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from kit import failpoints
from kit.db.claims import Claim
from kit.errors import InvalidInput, NotAllowed, NotFound
from kit.rpc.context import Grant
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRETS = FeedSecrets(b"k" * 32)
NAME = re.compile(rb"^[A-Z-]+(;[A-Z-]+=(\"[^\"]*\"|[^\";:,]*))*:")
ONCE = ("UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "TRANSP")


def require_valid(ics: bytes) -> None:
    """The parts of the grammar that programs choke on: line ends, lengths, nesting, what is there once."""
    assert ics.endswith(b"\r\n")
    assert b"\n" not in ics.replace(b"\r\n", b"")
    assert b"\r" not in ics.replace(b"\r\n", b"")
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", ics.replace(b"\r\n", b""))
    assert all(len(line) <= 75 for line in ics.split(b"\r\n"))
    lines = ics.replace(b"\r\n ", b"").split(b"\r\n")[:-1]
    ics.decode()
    open_parts: list[bytes] = []
    names: list[str] = []
    for line in lines:
        assert NAME.match(line), line
        name, _, value = line.partition(b":")
        if name == b"BEGIN":
            open_parts.append(value)
            names = []
        elif name == b"END":
            assert open_parts.pop() == value
            if value == b"VEVENT":
                assert all(names.count(each) == 1 for each in ONCE), names
        else:
            names.append(name.partition(b";")[0].decode())
    assert open_parts == []
    assert lines[0] == b"BEGIN:VCALENDAR"
    assert {b"VERSION:2.0", b"METHOD:PUBLISH"} <= set(lines)


async def read(house: House, agent: int = 0, **asked: Any) -> dict[str, Any]:
    given = {"first_day": "", "last_day": "", "with_travel": False, **asked}
    ics = to_ics(await get_agent_calendar(house.desk, CalendarOf(house.agents[agent], **given)))
    require_valid(ics)
    return events(ics)


def events(ics: bytes) -> dict[str, Any]:
    return {str(event["UID"]): event for event in Calendar.from_ical(ics).walk("VEVENT")}


async def test_what_another_agent_has_now_is_cancelled_for_the_one_before(house: House) -> None:
    card = await house.booked()
    ident, start = card.appointment.appointment_id, card.appointment.window.start
    uid = f"{ident}@giro"

    async def seen(agent: int) -> tuple[int, str, Any] | None:
        event = (await read(house, agent)).get(uid)
        return event and (int(event["SEQUENCE"]), str(event["STATUS"]), event.decoded("DTSTART"))

    assert await seen(0) == (0, "TENTATIVE", start)
    await house.reassign(card, house.agents[1])
    assert await seen(0) == (1, "CANCELLED", start)
    assert "LOCATION" not in (await read(house))[uid]
    assert await seen(1) == (1, "TENTATIVE", start)
    later = start + timedelta(hours=3)
    await house.postpone(card, later)
    assert await seen(0) == (2, "CANCELLED", start), "where it was while it was this agent's"
    await house.reassign(card, house.agents[2])
    assert await seen(1) == (3, "CANCELLED", later)
    await house.reassign(card, house.agents[0])
    assert await seen(0) == (4, "TENTATIVE", later), "it came back"
    assert (await seen(1), await seen(2)) == ((4, "CANCELLED", later), (4, "CANCELLED", later))
    assert await seen(3) is None
    await house.require_sound()


async def test_a_visit_keeps_its_uid_and_its_sequence_grows(house: House) -> None:
    card = await house.booked()
    appointment_id = card.appointment.appointment_id
    uid = f"{appointment_id}@giro"
    seen: list[tuple[int, str, str]] = []

    async def look() -> None:
        (event,) = (await read(house)).values()
        start = event.decoded("DTSTART")
        stored = await house.stored(appointment_id)
        assert (str(event["UID"]), start) == (uid, stored.window.start)
        assert event.decoded("DTEND") == stored.window.end
        seen.append((int(event["SEQUENCE"]), str(event["STATUS"]), str(event["TRANSP"])))

    await look()
    await confirm_appointment(house.desk, ConfirmAppointment(appointment_id, 0))
    await look()
    await house.postpone(card, soon(60))
    await look()
    await cancel_appointment(house.desk, CancelAppointment(appointment_id, 0, ""))
    await look()
    assert seen == [
        (0, "TENTATIVE", "OPAQUE"),
        (1, "CONFIRMED", "OPAQUE"),
        (2, "TENTATIVE", "OPAQUE"),
        (3, "CANCELLED", "TRANSPARENT"),
    ]


async def test_it_shows_the_days_asked_for_of_this_agent(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    cards = [await house.book(campaign, contact, soon(hours)) for hours in (48, 96, 24 * 200)]
    await house.book(campaign, contact, soon(48), house.agents[1])
    assert len(await read(house)) == 2
    day = cards[1].appointment.window.start.date()
    shown = await read(house, first_day=day.isoformat(), last_day=(day + timedelta(days=1)).isoformat())
    assert list(shown) == [f"{cards[1].appointment.appointment_id}@giro"]
    for bad, field in (({"first_day": "2027-02-30"}, "first_day"), ({"last_day": "2020-01-01"}, "last_day")):
        with pytest.raises(InvalidInput) as refused:
            await read(house, **bad)
        assert [violation.field for violation in refused.value.violations] == [field]


async def test_drives_are_busy_time_on_demand(house: House) -> None:
    card = await house.booked()
    shown = await read(house, with_travel=True)
    drive = shown[f"{card.appointment.appointment_id}-drive@giro"]
    start = card.appointment.window.start
    assert (drive.decoded("DTSTART"), drive.decoded("DTEND")) == (start - timedelta(minutes=15), start)
    assert len(await read(house)) == 1


async def test_an_agent_reads_its_own(house: House) -> None:
    house.enter(Grant("AGENT", "agent", house.agents[0]))
    assert await read(house) == {}
    with pytest.raises(NotAllowed):
        await read(house, agent=1)
    with pytest.raises(NotAllowed):
        await rotate_feed(house.desk, SECRETS, house.agents[1], claim())
    house.enter()
    with pytest.raises(NotFound):
        await rotate_feed(house.desk, SECRETS, new_id("agt"), claim())


odd = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("", "", "the note ends its line as old machines did\r")
@given(odd, odd, odd)
async def test_any_text_is_carried_whole(name: str, address: str, note: str) -> None:
    now = soon(0)
    appointment = Appointment(
        "apt_1", "cmp_1", "cnt_1", "agt_1", Window(now, soon(1)), LatLng(45, 9), State.CONFIRMED, 1, "u",
        note, now, now,
    )  # fmt: skip
    ics = to_ics(AgentCalendar([CalendarVisit(appointment, name, address, "", "x")], (), False, now))
    require_valid(ics)
    (event,) = events(ics).values()
    kept = re.sub(r"[\x00-\x09\x0b-\x1f\x7f]", "", note.replace("\r\n", "\n").replace("\r", "\n"))
    assert str(event["DESCRIPTION"]) == f"{kept}\napt_1".removeprefix("\n" if not note else "")


@pytest_asyncio.fixture
async def address(house: House) -> AsyncIterator[str]:
    """Where this house's feeds are served."""
    server = FeedServer(Feeds(house.desk).application(), "127.0.0.1", 0)
    yield await server.start()
    await server.stop()


async def fetch(address: str, path: str) -> tuple[int, bytes, str]:
    async with aiohttp.ClientSession() as session, session.get(address + path) as answer:
        return answer.status, await answer.read(), answer.headers["content-type"]


async def rotate(house: House, key: Claim | None = None) -> NewFeed:
    return await rotate_feed(house.desk, SECRETS, house.agents[0], key or claim())


async def test_a_feed_is_read_by_its_address_until_it_is_rotated(house: House, address: str) -> None:
    card = await house.booked()
    key = claim()
    first = await rotate(house, key)
    assert await rotate(house, key) == first
    path = feed_path(house.tenant, first.secret)
    status, body, kind = await fetch(address, path)
    assert (status, kind) == (200, "text/calendar; charset=utf-8")
    require_valid(body)
    assert list(events(body)) == [f"{card.appointment.appointment_id}@giro"]
    assert len(events((await fetch(address, f"{path}?travel=1"))[1])) == 2
    second = await rotate(house)
    assert second.secret != first.secret
    assert (await fetch(address, path))[0] == 404
    assert (await fetch(address, feed_path(house.tenant, second.secret)))[0] == 200
    await rotate(house, key)  # a late repetition does not bring the old address back
    assert (await fetch(address, path))[0] == 404
    await revoke_feed(house.desk, house.agents[0])
    await revoke_feed(house.desk, house.agents[0])
    assert (await fetch(address, feed_path(house.tenant, second.secret)))[0] == 404


async def test_a_request_that_is_forgotten_brings_no_old_address_back(house: House, address: str) -> None:
    key = claim()
    first = await rotate(house, key)
    second = await rotate(house)
    async with house.desk.db.uow(house.tenant) as tx:  # as the worker does after 30 days
        await tx.run(text("DELETE FROM booking.claims WHERE tenant_id = :t"), {"t": house.tenant})
    third = await rotate(house, key)
    assert await rotate(house, key) == third
    statuses = [
        (await fetch(address, feed_path(house.tenant, each.secret)))[0] for each in (first, second, third)
    ]
    assert statuses == [404, 404, 200]


async def test_a_guess_and_another_tenants_address_are_the_same_404(house: House, address: str) -> None:
    gone = await rotate(house)
    await revoke_feed(house.desk, house.agents[0])
    made = await rotate(house)
    answers = [
        await fetch(address, path)
        for path in (
            feed_path(new_id("ten"), made.secret),
            feed_path(house.tenant, gone.secret),
            feed_path(house.tenant, "A" * 43),
            feed_path(house.tenant, made.secret[:-1]),
            feed_path("ten_'--", made.secret),
            feed_path(house.tenant, made.secret).removesuffix(".ics"),
        )
    ]
    assert {answer[:2] for answer in answers} == {(404, b"NOT_FOUND: no such calendar\n")}


async def test_a_feed_says_later_while_geo_is_away(house: House, address: str) -> None:
    await house.booked()
    path = feed_path(house.tenant, (await rotate(house)).secret)
    house.ledger.down = True
    status, body, _ = await fetch(address, f"{path}?travel=1")
    assert (status, body) == (503, b"SERVICE_UNAVAILABLE: try again\n")
    assert (await fetch(address, path))[0] == 200


async def test_rotations_at_once_leave_one_address(house: House, address: str) -> None:
    made = await asyncio.gather(*(rotate(house) for _ in range(8)))
    statuses = [(await fetch(address, feed_path(house.tenant, each.secret)))[0] for each in made]
    assert sorted(statuses) == [200] + [404] * 7


class Died(BaseException):
    """A process that is gone."""


async def test_death_before_the_commit_keeps_the_old_address(house: House, address: str) -> None:
    old = await rotate(house)

    async def die() -> None:
        failpoints.disarm("booking.feed.before_commit")
        raise Died

    failpoints.arm("booking.feed.before_commit", die)
    with pytest.raises(Died):
        await rotate(house)
    assert (await fetch(address, feed_path(house.tenant, old.secret)))[0] == 200
