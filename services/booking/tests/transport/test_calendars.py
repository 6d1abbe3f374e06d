"""Agents' calendars as files: read back, and judged by the grammar and by independent readers."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from booking_house import House, claim
from calendar_judges import doubts_of_libical, events, libical, require_valid
from house_clock import soon
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ical.calendar_stream import IcsCalendarStream
from ical.exceptions import CalendarParseError

from booking.domain.agent_calendar import MOST_FED, CalendarVisit, Drive, FeedSecrets, ToldDrive
from booking.domain.appointment import Appointment, State
from booking.transport import calendars_rpc
from booking.transport.ics import to_ics
from booking.usecases.agent_calendar import AgentCalendar, CalendarOf, get_agent_calendar, rotate_feed
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.views import get_view_log
from giro.booking.v1 import calendars_pb2 as pb
from kit.errors import InvalidInput, NotAllowed, NotFound
from kit.rpc.context import Grant
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRETS = FeedSecrets(b"k" * 32)


async def read(house: House, agent: int = 0, **asked: Any) -> dict[str, Any]:
    given = {"first_day": "", "last_day": "", "with_travel": False, **asked}
    ics = to_ics(await get_agent_calendar(house.desk, CalendarOf(house.agents[agent], **given)))
    require_valid(ics)
    return events(ics)


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


def visit(**changed: Any) -> CalendarVisit:
    now = soon(0)
    appointment = Appointment(
        "apt_1", "cmp_1", "cnt_1", "agt_1", Window(now, soon(1)), LatLng(45, 9), State.CONFIRMED, 1, "u",
        "", now, now,
    )  # fmt: skip
    texts = [changed.pop(name, default) for name, default in (("name", "n"), ("address", ""))]
    return CalendarVisit(replace(appointment, **changed), *texts, phone="", campaign_name="x")


def file_of(*visits: CalendarVisit, drives: tuple[ToldDrive, ...] = (), truncated: bool = False) -> bytes:
    ics = to_ics(AgentCalendar(visits, drives, truncated, "Europe/Rome"))
    require_valid(ics)
    return ics


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("", "", "the note ends its line as old machines did\r")
@example("a" * 67 + "\N{GRINNING FACE}" * 40, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 90, 'a;b,c\\n:"d"\ne')
@given(odd, odd, odd)
async def test_any_text_is_carried_whole(name: str, address: str, note: str) -> None:
    (event,) = events(file_of(visit(name=name, address=address, note=note))).values()
    kept = re.sub(r"[\x00-\x09\x0b-\x1f\x7f]", "", note.replace("\r\n", "\n").replace("\r", "\n"))
    assert str(event["DESCRIPTION"]) == f"{kept}\napt_1".removeprefix("\n" if not note else "")


@pytest.mark.parametrize("characters", range(60, 80))
async def test_lines_are_folded_at_75_octets_between_characters(characters: int) -> None:
    for letter in ("a", "\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{EURO SIGN}", "\N{GRINNING FACE}"):
        (event,) = events(file_of(visit(name=letter * characters))).values()
        assert str(event["SUMMARY"]) == f"{letter * characters} (x)"


ROME = ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        (datetime(2027, 3, 28, 1, 59, 59, tzinfo=ROME), "00:59:59"),  # the last second of winter time
        (datetime(2027, 3, 28, 3, 0, tzinfo=ROME), "01:00:00"),
        (datetime(2027, 10, 31, 2, 30, tzinfo=ROME), "00:30:00"),  # there are two of these
        (datetime(2027, 10, 31, 2, 30, fold=1, tzinfo=ROME), "01:30:00"),
        (datetime(2027, 10, 31, 3, 0, tzinfo=ROME), "02:00:00"),
    ],
)
async def test_instants_hold_across_both_changes_of_the_clock(local: datetime, utc: str) -> None:
    start = local.astimezone(UTC)
    window = Window(start, start + timedelta(hours=2))
    drive = ToldDrive(Drive("apt_1", Window(window.start - timedelta(hours=1), window.start)), 0, soon(0))
    ics = file_of(visit(window=window), drives=(drive,))
    read_back = {each.uid: each for each in IcsCalendarStream.calendar_from_ics(ics.decode()).events}
    seen = read_back["apt_1@giro"]
    assert (seen.start, seen.end) == (window.start, window.end)
    assert seen.start.strftime("%H:%M:%S") == utc
    assert events(ics)["apt_1-drive@giro"].decoded("DTEND") == window.start


@pytest.mark.parametrize("zone", ["Europe/Rome", "America/St_Johns", "Asia/Kathmandu", "UTC"])
async def test_an_empty_calendar_is_a_calendar(zone: str) -> None:
    ics = to_ics(AgentCalendar((), (), False, zone))
    require_valid(ics)
    assert f"\r\nTZID:{zone}\r\n".encode() in ics


async def test_the_judges_refuse_what_is_wrong() -> None:
    good = file_of(visit())
    for old, new in (
        (b"STATUS:CONFIRMED", b"STATUS:DONE"),
        (b"SEQUENCE:0", b"SEQUENCE:first"),
        (b"SUMMARY:", b"UID:another\r\nSUMMARY:"),
        (b"GEO:45.000000;9.000000", b"GEO:45.0,9.0"),
        (b"SUMMARY:n (x)", b"SUMMARY:n\r\n(x)"),
    ):
        assert old in good
        with pytest.raises(CalendarParseError):
            IcsCalendarStream.calendar_from_ics(good.replace(old, new).decode())


@pytest.mark.skipif(libical() is None, reason="libical is not installed here (Debian: libical3)")
async def test_libical_refuses_a_publication_that_names_no_organizer() -> None:
    good = file_of(visit())
    doubts = doubts_of_libical(good.replace(b"VERSION:2.0", b"VERSION:2.0\r\nMETHOD:PUBLISH"))
    assert "ORGANIZER" in doubts[0]


async def test_what_is_left_out_is_told_and_the_same_is_the_same_bytes() -> None:
    whole, part = file_of(visit()), file_of(visit(), truncated=True)
    assert b"Not all visits" not in whole
    assert part.count(b"Not all visits are here") == 2
    assert file_of(visit()) == whole


async def test_a_feed_of_5000_is_one_file() -> None:
    visits = [visit(appointment_id=f"apt_{n}") for n in range(MOST_FED)]
    ics = to_ics(AgentCalendar(visits, (), False, "Europe/Rome"))
    assert ics.count(b"BEGIN:VEVENT\r\n") == ics.count(b"END:VEVENT\r\n") == 5000


async def test_a_calendar_that_no_answer_can_carry_asks_for_fewer_days(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    appointment = (await house.booked()).appointment
    servicer = calendars_rpc.CalendarsServicer(house.desk, SECRETS, "http://x")
    request = pb.GetAgentCalendarRequest(agent_id=house.agents[0])
    answer = await servicer.GetAgentCalendar(request, None)
    monkeypatch.setattr(calendars_rpc, "MOST_BYTES", len(answer.ics) - 1)
    house.enter(Grant("AGENT", "agent", house.agents[0]), subject="usr_agent")
    with pytest.raises(InvalidInput) as refused:
        await servicer.GetAgentCalendar(request, None)
    assert [violation.field for violation in refused.value.violations] == ["last_day"]
    monkeypatch.undo()
    house.enter()
    assert await get_view_log(house.desk, appointment.appointment_id) == [], "nobody was shown it"
    house.enter(Grant("AGENT", "agent", house.agents[0]), subject="usr_agent")
    await servicer.GetAgentCalendar(request, None)
    house.enter()
    assert [view.role for view in await get_view_log(house.desk, appointment.appointment_id)] == ["AGENT"]
