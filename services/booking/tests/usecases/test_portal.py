"""The customer's portal: folder by zone, box and recount, reports that sum up, views, whom to confirm."""

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import psycopg
import pytest
from booking_house import House, claim
from house_clock import NINE, soon
from sqlalchemy import text

from booking.domain.appointment import LISTED, Appointment, State
from booking.domain.reach import Reach
from booking.domain.report import Report, ReportRow
from booking.domain.support import SupportContact
from booking.storage import folder as folder_storage
from booking.storage.folder import START_OF_TIME, Filter
from booking.storage.folder import page as list_page
from booking.storage.reports import ROWS_AT_ONCE, Part
from booking.usecases import portal
from booking.usecases.agent_calendar import CalendarOf, get_agent_calendar, keep_shown
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.get_appointment import get_appointment
from booking.usecases.list_appointments import ListAppointments, list_appointments
from booking.usecases.list_to_confirm import ListToConfirm, list_to_confirm
from booking.usecases.set_parameter import set_parameter
from booking.usecases.stream_report import ReportLimits, stream_report
from booking.usecases.views import get_view_log
from kit.db.uow import Timeouts
from kit.errors import Exhausted, InvalidInput, NotAllowed, NotFound, Reason
from kit.rpc.context import Grant
from kit.testing.databases import DatabaseUrls
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

FILL = text(
    """
    INSERT INTO booking.appointments
        (tenant_id, appointment_id, campaign_id, contact_id, agent_id, starts_at, ends_at, place, state,
         operator_id, note, created_at, updated_at, claim_key, zone,
         settled)
    SELECT :t, 'apt_' || lpad(n::text, 32, '0'), :c, :contact, (CAST(:agents AS text[]))[1 + n % 4],
           :start + n * interval '1 minute', :start + n * interval '1 minute' + interval '30 minutes', 0,
           (ARRAY['TO_CONFIRM', 'CONFIRMED', 'CONFIRMED', 'CANCELLED'])[1 + n % 7 % 4], 'usr', '', :start,
           :start, 'fill:' || n, (ARRAY['north', 'south', ''])[1 + n % 3], true
    FROM generate_series(1, :rows) AS n
    """
)


async def fill(house: House, rows: int) -> str:
    """A campaign with so many appointments, past and to come; their stops do not matter here."""
    campaign = await house.campaign(purchased=rows)
    contact = await house.contact(campaign)
    async with house.desk.db.uow(house.tenant, timeouts=Timeouts(statement=30)) as tx:
        await tx.run(
            FILL,
            {
                "t": house.tenant,
                "c": campaign.campaign_id,
                "contact": contact,
                "agents": house.agents,
                "start": soon(-rows / 120),
                "rows": rows,
            },
        )
        count = text(
            "UPDATE booking.campaigns c SET (taken, to_confirm, cancelled_in_step) ="
            " (SELECT count(*) FILTER (WHERE state <> 'CANCELLED'),"
            "  count(*) FILTER (WHERE state = 'TO_CONFIRM'), count(*) FILTER (WHERE state = 'CANCELLED')"
            "  FROM booking.appointments a WHERE a.tenant_id = :t AND a.campaign_id = :c)"
            " WHERE c.tenant_id = :t AND c.campaign_id = :c"
        )
        await tx.run(count, {"t": house.tenant, "c": campaign.campaign_id})
    return campaign.campaign_id


def folder(**asked: str) -> ListAppointments:
    texts = dict.fromkeys(("campaign_id", "agent_id", "zone", "page_token"), "")
    return ListAppointments(**{"upcoming": False, "page_size": 0, **texts, **asked})


async def test_the_folder_by_zone_is_the_contacts_when_it_was_booked(house: House) -> None:
    campaign = await house.campaign()
    north, south = await house.contact(campaign, zone="north"), await house.contact(campaign, zone="south")
    cards = [
        await house.book(campaign, contact, soon(48 + 2 * n), house.agents[n % 2])
        for n, contact in enumerate([north, south, north])
    ]
    await cancel_appointment(house.desk, CancelAppointment(cards[2].appointment.appointment_id, 0, ""))
    found = await list_appointments(house.desk, folder(zone="north", campaign_id=campaign.campaign_id))
    assert [a.appointment_id for a in found.appointments] == [
        cards[0].appointment.appointment_id,
        cards[2].appointment.appointment_id,
    ]
    assert {a.zone for a in found.appointments} == {"north"}
    assert (await list_appointments(house.desk, folder(zone="east"))).appointments == []


async def test_the_box_is_what_a_recount_gives(house: House) -> None:
    campaign = await house.campaign(purchased=9)
    contact = await house.contact(campaign)
    cards = [await house.book(campaign, contact, soon(48 + 2 * n)) for n in range(5)]
    await confirm_appointment(house.desk, ConfirmAppointment(cards[0].appointment.appointment_id, 0))
    await cancel_appointment(house.desk, CancelAppointment(cards[1].appointment.appointment_id, 0, ""))
    box = (await portal.get_campaign_box(house.desk, campaign.campaign_id)).package
    assert (box.purchased, box.taken, box.to_confirm, box.cancelled_in_step, box.left) == (9, 4, 3, 1, 4)
    assert (await portal.verify_counters(house.desk, campaign.campaign_id)).differing == []
    async with house.desk.db.uow(house.tenant) as tx:
        wrong = text("UPDATE booking.campaigns SET taken = taken + 1 WHERE campaign_id = :c")
        await tx.run(wrong, {"c": campaign.campaign_id})
    found = await portal.verify_counters(house.desk, campaign.campaign_id)
    assert (list(found.differing), found.kept.taken, found.counted.taken) == (["taken"], 5, 4)
    for ask in (portal.get_campaign_box, portal.verify_counters, portal.get_report):
        with pytest.raises(NotFound):
            await ask(house.desk, new_id("cmp"))


async def test_reports_by_agent_and_zone_sum_up_to_the_campaign(house: House) -> None:
    campaign = await fill(house, 700)
    found = await portal.get_report(house.desk, campaign)
    assert found.campaign.total == 700
    for part in (found.agents, found.zones):
        for state in found.campaign.by_state:
            assert sum(each.number(state) for each in part) == found.campaign.number(state)
    assert [each.of for each in found.zones] == ["", "north", "south"]
    for part in found.agents:
        rows, summary = await read(stream_report(house.desk, ReportLimits(), Part(campaign, part.of)))
        assert len(rows) == summary.campaign.total == part.total
        assert summary.agents == [part]
    for zone in found.zones:
        if zone.of:
            rows, summary = await read(stream_report(house.desk, ReportLimits(), Part(campaign, "", zone.of)))
            assert (len(rows), summary.zones) == (zone.total, [zone])
    rows, summary = await read(stream_report(house.desk, ReportLimits(), Part(campaign)))
    assert (len(rows), summary) == (700, found)


async def test_a_report_of_some_states_sums_up_as_the_whole_one_does(house: House) -> None:
    """R-005: all ever inserted, or those of some states; BK-13: agents and zones sum to the campaign."""
    campaign = await fill(house, 700)
    whole = await portal.get_report(house.desk, campaign)
    for states in ([State.CANCELLED], [State.CONFIRMED, State.TO_CONFIRM], [State.HELD]):
        found = await portal.get_report(house.desk, campaign, states)
        expected = sum(whole.campaign.number(state) for state in states)
        assert found.campaign.total == expected == sum(found.campaign.number(state) for state in states)
        for part in (found.agents, found.zones):
            assert sum(each.total for each in part) == expected
        rows, summary = await read(stream_report(house.desk, ReportLimits(), Part(campaign, states=states)))
        assert {row.appointment.state for row in rows} == set(found.campaign.by_state)
        assert (len(rows), summary) == (expected, found)
        for agent in found.agents:
            part = Part(campaign, agent.of, states=states)
            assert len((await read(stream_report(house.desk, ReportLimits(), part)))[0]) == agent.total
    parts = [(await portal.get_report(house.desk, campaign, [state])).campaign.total for state in LISTED]
    assert sum(parts) == whole.campaign.total == 700


async def test_a_list_of_a_rare_state_reads_no_others(house: House, urls: DatabaseUrls) -> None:
    """The page of a state that few are in is read along the index of campaign and state."""
    campaign = await fill(house, 3_000)
    rare = text(
        "UPDATE booking.appointments SET state = 'HELD' WHERE campaign_id = :c"
        " AND appointment_id > 'apt_' || lpad('2995', 32, '0')"
    )
    async with house.desk.db.uow(house.tenant) as tx:
        await tx.run(rare, {"c": campaign})
    with psycopg.connect(urls.admin, autocommit=True) as admin:
        admin.execute("ANALYZE booking.appointments")  # else it depends on when autovacuum came by last
    async with house.desk.db.uow(house.tenant) as tx:
        await tx.run(text("SET LOCAL enable_seqscan = off"))
        await tx.run(text("SET LOCAL enable_bitmapscan = off"))
        for wanted in (
            Filter(Reach(whole=True), None, campaign, "", "", [State.HELD]),
            Filter(Reach(whole=True), None, "", "", "", [State.HELD]),
        ):
            assert len(await list_page(tx, wanted, (START_OF_TIME, ""), 50)) == 5
            statement, params = folder_storage._asked(tx, wanted, (START_OF_TIME, ""), 50)
            assert statement is not None
            plan = await tx.run(text(f"EXPLAIN (ANALYZE, TIMING OFF) {statement.text}"), params)
            lines = [line for (line,) in plan]
            assert any("appointments_of_state" in line for line in lines), lines
            assert not any("Rows Removed by Filter" in line for line in lines), lines


async def read(stream: AsyncIterator[Sequence[ReportRow] | Report]) -> tuple[list[ReportRow], Report]:
    """All rows of a stream, and the summary that ends it."""
    parts = [part async for part in stream]
    assert isinstance(parts[-1], Report)
    return [row for batch in parts[:-1] for row in cast(Sequence[ReportRow], batch)], parts[-1]


async def test_twenty_slow_readers_hold_no_connection(house: House) -> None:
    campaign, limits = await fill(house, 1_200), ReportLimits(most_open=20)
    streams = [stream_report(house.desk, limits, Part(campaign)) for _ in range(20)]
    firsts = await asyncio.gather(*map(anext, streams))
    assert [len(cast(Sequence[ReportRow], first)) for first in firsts] == [ROWS_AT_ONCE] * 20
    async with AsyncExitStack() as held:  # as many connections as the pool has
        for _ in range(20):
            await held.enter_async_context(house.desk.db.uow(house.tenant))
    assert (await portal.get_campaign_box(house.desk, campaign)).package.purchased == 1_200
    with pytest.raises(Exhausted) as full:
        await anext(stream_report(house.desk, limits, Part(campaign)))
    assert full.value.reason is Reason.RATE_LIMITED
    for stream in streams:
        await stream.aclose()
    rows, _ = await read(stream_report(house.desk, limits, Part(campaign)))
    assert (len(rows), limits.open) == (1_200, 0)


async def test_a_report_of_many_rows_is_in_order_and_never_whole_in_memory(house: House) -> None:
    campaign = await fill(house, 6_000)
    stream = stream_report(house.desk, ReportLimits(), Part(campaign))
    seen: list[tuple[datetime, str]] = []
    tracemalloc.start()
    async for batch in stream:
        if isinstance(batch, Report):
            break
        assert len(batch) <= ROWS_AT_ONCE
        seen += [(row.appointment.window.start, row.appointment.appointment_id) for row in batch]
        if len(seen) == 2 * ROWS_AT_ONCE:
            tracemalloc.reset_peak()
            low = tracemalloc.get_traced_memory()[0]
    peak = tracemalloc.get_traced_memory()[1] - low
    tracemalloc.stop()
    assert (len(seen), seen) == (6_000, sorted(seen))
    # what the test itself keeps of each row is about 300 bytes; a row of the report is over 1,500
    assert peak < 6_000 * 500


async def test_a_report_shows_the_campaign_as_it_was_when_asked(house: House) -> None:
    campaign = await fill(house, 1_500)
    stream = stream_report(house.desk, ReportLimits(), Part(campaign))
    first = cast(Sequence[ReportRow], await anext(stream))
    asked = await portal.get_report(house.desk, campaign)
    later = text(
        "UPDATE booking.appointments SET starts_at = starts_at + interval '9 days',"
        " ends_at = ends_at + interval '9 days', agent_id = 'agt_other', state = 'TO_CONFIRM'"
        " WHERE campaign_id = :c"
    )
    async with house.desk.db.uow(house.tenant) as tx:
        await tx.run(later, {"c": campaign})
    others, summary = await read(stream)
    rows = [*first, *others]
    assert summary == asked != await portal.get_report(house.desk, campaign)
    assert len({row.appointment.appointment_id for row in rows}) == len(rows) == 1_500
    assert rows[-1].appointment.window.start - rows[0].appointment.window.start < timedelta(days=2)


async def test_a_customer_reads_its_own_campaign_alone(house: House) -> None:
    mine, other = await house.campaign(), await house.campaign()
    house.enter(Grant("CUSTOMER", "campaign", mine.campaign_id))
    assert (await portal.get_campaign_box(house.desk, mine.campaign_id)).package.purchased == 100
    for ask in (portal.get_campaign_box, portal.get_report):
        with pytest.raises(NotAllowed):
            await ask(house.desk, other.campaign_id)
    with pytest.raises(NotAllowed):
        await anext(stream_report(house.desk, ReportLimits(), Part(other.campaign_id)))
    with pytest.raises(NotAllowed):
        await portal.set_support_contact(house.desk, SupportContact())


async def test_who_was_shown_what_is_kept_once_a_version(house: House) -> None:
    card = await house.booked()
    appointment_id, campaign = card.appointment.appointment_id, card.appointment.campaign_id
    await get_appointment(house.desk, appointment_id)
    house.enter(Grant("CUSTOMER", "campaign", campaign), subject="usr_customer")
    for _ in range(2):
        await list_appointments(house.desk, folder())
    house.enter(Grant("AGENT", "agent", house.agents[0]), subject="usr_agent")
    await get_appointment(house.desk, appointment_id)
    house.enter(Grant("OPERATOR", "tenant", ""), subject="usr_operator")
    await list_appointments(house.desk, folder())  # the staff's lists say nothing
    house.enter()
    await confirm_appointment(house.desk, ConfirmAppointment(appointment_id, 0))
    house.enter(Grant("CUSTOMER", "campaign", campaign), subject="usr_customer")
    await list_appointments(house.desk, folder())
    house.enter()
    log = await get_view_log(house.desk, appointment_id)
    assert [(view.viewer_id, view.role, view.version) for view in log] == [
        ("usr_operator", "ADMINISTRATOR", 1),
        ("usr_customer", "CUSTOMER", 1),
        ("usr_agent", "AGENT", 1),
        ("usr_customer", "CUSTOMER", 2),
    ]
    assert [view.viewed_at for view in log] == sorted(view.viewed_at for view in log)


async def test_a_report_and_an_own_calendar_are_looks_too(house: House) -> None:
    """R-017: whoever was shown it in any way cannot say not to have seen it."""
    card = await house.booked()
    appointment = card.appointment
    campaign, agent, day = appointment.campaign_id, appointment.agent_id, appointment.window.start.date()
    days = [(day + timedelta(days=days)).isoformat() for days in (-1, 1)]  # in whatever zone the agent is
    calendar = CalendarOf(agent, *days, with_travel=False)
    staff = Grant("OPERATOR", "tenant", "")
    for grant, subject in ((Grant("CUSTOMER", "campaign", campaign), "usr_customer"), (staff, "usr_staff")):
        house.enter(grant, subject=subject)
        assert len((await read(stream_report(house.desk, ReportLimits(), Part(campaign))))[0]) == 1
    for grant, subject in ((Grant("AGENT", "agent", agent), "usr_agent"), (staff, "usr_staff")):
        house.enter(grant, subject=subject)
        shown = await get_agent_calendar(house.desk, calendar)
        await keep_shown(house.desk, shown)
        assert len(shown.visits) == 1
    house.enter()
    log = await get_view_log(house.desk, appointment.appointment_id)
    looks = [("usr_customer", "CUSTOMER", 1), ("usr_agent", "AGENT", 1)]
    assert [(view.viewer_id, view.role, view.version) for view in log] == looks


async def test_support_contacts_are_the_tenants(house: House) -> None:
    assert await portal.get_support_contact(house.desk) == SupportContact()
    given = SupportContact("+390111234567", "+390111234568", "help@example.com", "IT01234567890")
    for _ in range(2):
        await portal.set_support_contact(house.desk, given)
    assert await portal.get_support_contact(house.desk) == given
    House(house.desk, house.ledger, house.agents).enter()
    assert await portal.get_support_contact(house.desk) == SupportContact()


def days_ahead(number: int, hour: int, minute: int, zone: str) -> datetime:
    local = ZoneInfo(zone)
    day = NINE.astimezone(local).date() + timedelta(days=number)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=local).astimezone(UTC)


async def test_the_day_before_lists_exactly_the_next_calendar_day_of_each_zone(house: House) -> None:
    expected: list[Appointment] = []
    for zone in ("Europe/Rome", "America/New_York"):
        campaign = await house.campaign(zone=zone)
        contact = await house.contact(campaign)
        times = [(3, 23, 59), (4, 0, 0), (4, 12, 0), (4, 23, 59), (5, 0, 0)]
        cards = [
            await house.book(campaign, contact, days_ahead(*when, zone), house.agents[n % 4])
            for n, when in enumerate(times, start=zone == "Europe/Rome")
        ]
        confirmed = cards[2].appointment.appointment_id
        await confirm_appointment(house.desk, ConfirmAppointment(confirmed, 0))
        expected += [cards[1].appointment, cards[3].appointment]
    day = days_ahead(3, 12, 0, "Europe/Rome").date().isoformat()
    first = await list_to_confirm(house.desk, ListToConfirm(day, "", 3, ""))
    rest = await list_to_confirm(house.desk, ListToConfirm(day, "", 3, first.next_page_token))
    found = [*first.appointments, *rest.appointments]
    assert found == sorted(expected, key=lambda a: (a.window.start, a.appointment_id))


async def test_who_is_confirmed_today_by_the_tenants_clock(house: House) -> None:
    card = await house.booked(days_ahead(4, 12, 0, "Europe/Rome"))
    ask = ListToConfirm("", card.appointment.campaign_id, 0, "")
    assert (await list_to_confirm(house.desk, ask)).appointments == []
    await house.advance(days_ahead(3, 12, 0, "Europe/Rome") - NINE)
    assert [a.appointment_id for a in (await list_to_confirm(house.desk, ask)).appointments] == [
        card.appointment.appointment_id
    ]


async def test_by_working_days_monday_is_confirmed_on_friday(house: House) -> None:
    until_monday = (7 - NINE.weekday()) % 7 + 7
    card = await house.booked(days_ahead(until_monday, 12, 0, "Europe/Rome"))
    campaign = card.appointment.campaign_id
    friday, sunday = (days_ahead(until_monday - n, 12, 0, "Europe/Rome").date().isoformat() for n in (3, 1))

    async def listed() -> list[int]:
        asks = [ListToConfirm(day, campaign, 0, "") for day in (friday, sunday)]
        return [len((await list_to_confirm(house.desk, ask)).appointments) for ask in asks]

    assert await listed() == [0, 1]
    await set_parameter(house.desk, "confirm_on_working_days", "", "true")
    assert await listed() == [1, 0]
    await set_parameter(house.desk, "confirm_on_working_days", campaign, "false")
    assert await listed() == [0, 1]


async def test_a_day_that_is_none_is_named(house: House) -> None:
    with pytest.raises(InvalidInput) as refused:
        await list_to_confirm(house.desk, ListToConfirm("2027-02-30", "", 0, ""))
    assert [violation.field for violation in refused.value.violations] == ["day"]


async def test_counters_stay_what_a_recount_gives_through_any_changes(house: House) -> None:
    chance = random.Random(7)
    campaign = await house.campaign(purchased=30)
    contact = await house.contact(campaign)
    for n in range(12):
        card = await house.book(campaign, contact, soon(48 + 2 * n), key=claim())
        appointment_id = card.appointment.appointment_id
        if chance.random() < 0.5:
            await confirm_appointment(house.desk, ConfirmAppointment(appointment_id, 0))
        if chance.random() < 0.4:
            await cancel_appointment(house.desk, CancelAppointment(appointment_id, 0, ""))
        assert (await portal.verify_counters(house.desk, campaign.campaign_id)).differing == []
