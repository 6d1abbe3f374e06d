"""The operator's flow from outside: suggest, hold, book, see, change; and time played with the test clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from allinone.stack import Stack
from giro.booking.v1 import booking_pb2 as booking
from giro.common.v1 import travel_pb2 as travel
from giro.geo.v1 import geo_pb2 as geo
from giro.identity.v1 import identity_pb2 as identity
from tests.eventually import eventually
from tests.world import Refusal, World, request_id, stamp

pytestmark = pytest.mark.asyncio

LEAD = timedelta(hours=36)


async def _refusal(call: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await call
    return caught.value


async def test_a_slot_is_suggested_held_booked_and_seen(world: World) -> None:
    """Suggest, hold, book by the hold; the itinerary shows it with its legs, the feed tells it."""
    suggested = await world.suggest(1, limit=5)
    keys = [
        (slot.anatomy.added_travel.seconds, slot.anatomy.start.seconds, slot.anatomy.agent_id)
        for slot in suggested.slots
    ]
    assert keys == sorted(keys)
    assert suggested.estimated_travel
    first = suggested.slots[0]
    hold = await world.hold(first.slot_token)
    assert (hold.agent_id, hold.start) == (first.anatomy.agent_id, first.anatomy.start)
    again = await world.suggest(1, limit=50)
    assert (hold.agent_id, hold.start.seconds) not in {
        (slot.anatomy.agent_id, slot.anatomy.start.seconds) for slot in again.slots
    }
    made = await world.book_with(contact=1, hold_id=hold.hold_id)
    assert made.state == booking.APPOINTMENT_STATE_TO_CONFIRM
    request = geo.GetItineraryRequest(
        agent_id=made.agent_id,
        from_time=made.start,
        to_time=stamp(made.end.ToDatetime(tzinfo=UTC) + timedelta(1)),
    )
    stops = (await world.call(world.geo.GetItinerary, request)).stops
    assert made.appointment_id in {stop.owner_id for stop in stops}
    changes = await eventually(world.changes, lambda seen: len(seen) == 1)
    assert (changes[0].change, changes[0].appointment_id) == ("booked", made.appointment_id)


async def test_a_day_is_picked_from_the_calendar_of_detours_and_booked(world: World) -> None:
    """GEO-11: every agent-day of the month with what it would add; a day's token books it."""
    day = world.day(5)
    request = booking.GetDetourCalendarRequest(
        campaign_id=world.campaign,
        contact_id=world.contacts[1],
        duration=Duration(seconds=1800),
        month=f"{day:%Y-%m}",
    )
    seen = await world.call(world.booking.GetDetourCalendar, request)
    picked = next(one for one in seen.days if one.day == day.date().isoformat())
    assert picked.grade != travel.GRADE_UNSPECIFIED
    made = await world.book_with(contact=1, slot_token=picked.slot_token)
    assert (made.agent_id, made.start) == (picked.agent_id, picked.start)
    after = await world.call(world.booking.GetDetourCalendar, request)
    same = next(one for one in after.days if (one.day, one.agent_id) == (picked.day, picked.agent_id))
    assert same.added_travel.seconds <= picked.added_travel.seconds, "the agent is there already"


async def test_a_held_slot_is_nobody_elses(world: World) -> None:
    """BK-37: a second hold or booking of the time is refused while the hold lasts."""
    slot = (await world.suggest(1, limit=1)).slots[0]
    hold = await world.hold(slot.slot_token, seconds=60)
    second = await _refusal(world.hold(slot.slot_token))
    assert (second.code, second.reason) == ("ALREADY_EXISTS", "SLOT_TAKEN")
    taken = await _refusal(world.book_with(contact=1, slot_token=slot.slot_token))
    assert (taken.code, taken.reason) == ("ALREADY_EXISTS", "SLOT_TAKEN")
    await world.advance(timedelta(seconds=61))
    expired = await _refusal(world.book_with(contact=1, hold_id=hold.hold_id))
    assert expired.reason in {"HOLD_EXPIRED", "NOT_FOUND"}
    made = await world.book_with(contact=1, slot_token=slot.slot_token)
    assert made.start == slot.anatomy.start


async def test_lead_time_at_listing_and_at_commit(world: World) -> None:
    """BK-01, BK-02: a slot suggested in time is refused when the clock has passed 36 h before its start."""
    now = datetime.now(UTC).replace(microsecond=0)
    soon = await _refusal(world.book(now + LEAD - timedelta(minutes=1)))
    assert (soon.code, soon.reason) == ("FAILED_PRECONDITION", "LEAD_TIME")
    within = travel.TimeWindow(
        start=stamp(now + LEAD + timedelta(hours=2)), end=stamp(now + LEAD + timedelta(hours=20))
    )  # a token is good for a day at most
    slot = (await world.suggest(1, limit=1, windows=[within])).slots[0]
    start = slot.anatomy.start.ToDatetime(tzinfo=UTC)
    parameter = booking.SetParameterRequest(name="slot_token_ttl", value="86400s")
    await world.call(world.booking.SetParameter, parameter)
    await world.advance(start - LEAD - now)
    late = await _refusal(world.book_with(contact=1, slot_token=slot.slot_token))
    assert (late.code, late.reason) == ("FAILED_PRECONDITION", "LEAD_TIME")
    listed = await world.suggest(1, limit=50)
    first = min((slot.anatomy.start.seconds for slot in listed.slots), default=0)
    assert first > start.timestamp()


async def test_confirm_and_postpone_at_the_last_moment(world: World) -> None:
    """BK-03, R-011: exempt from the lead time, unless the tenant wants otherwise."""
    made = await world.book(world.day(5, 9))
    start = made.start.ToDatetime(tzinfo=UTC)
    await world.advance(start - timedelta(hours=1) - datetime.now(UTC))
    assert (await world.confirm(made.appointment_id)).state == booking.APPOINTMENT_STATE_CONFIRMED
    moved = await world.postpone(made.appointment_id, start + timedelta(hours=2))
    assert moved.state == booking.APPOINTMENT_STATE_TO_CONFIRM
    earlier = await _refusal(world.postpone(made.appointment_id, start))
    assert (earlier.code, earlier.fields) == ("INVALID_ARGUMENT", ["start"])
    wish = booking.SetParameterRequest(name="postpone_respects_lead_time", value="true")
    await world.call(world.booking.SetParameter, wish)
    refused = await _refusal(world.postpone(made.appointment_id, start + timedelta(hours=4)))
    assert refused.reason == "LEAD_TIME"


async def test_nothing_moves_when_it_does_not_fit(world: World) -> None:
    """Postpone and reassign onto a taken time are refused with the reason; the agendas stay."""
    first = await world.book(world.day(5, 9), contact=1)
    second = await world.book(world.day(5, 12), contact=2)
    other = await world.book(world.day(5, 9), agent=1, contact=3)
    onto = await _refusal(world.postpone(first.appointment_id, world.day(5, 12, 10)))
    assert onto.reason == "SLOT_TAKEN"
    near = await _refusal(world.postpone(first.appointment_id, world.day(5, 11, 25)))
    assert near.reason == "TRAVEL_OUT"
    assert int(near.metadata["short_seconds"]) > 0
    across = await _refusal(world.reassign(other.appointment_id, 0))
    assert across.reason == "SLOT_TAKEN"
    for before in (first, second, other):
        now = await world.get(before.appointment_id)
        assert (now.start, now.agent_id, now.version) == (before.start, before.agent_id, before.version)


async def test_a_stale_version_is_told(world: World) -> None:
    """BK-46: a change of what somebody else changed meanwhile is ABORTED with the current version."""
    made = await world.book(world.day(5, 9))
    await world.confirm(made.appointment_id, version=made.version)
    stale = await _refusal(world.cancel(made.appointment_id, version=made.version))
    assert (stale.code, stale.reason) == ("ABORTED", "STALE_VERSION")
    assert stale.metadata["current_version"] == str(made.version + 1)


async def test_one_request_id_one_appointment(world: World) -> None:
    """BK-38: the same request again gives the same answer; another body under its id is refused."""
    key = request_id()
    made = await world.book(world.day(5, 9), key=key)
    assert await world.book(world.day(5, 9), key=key) == made
    reused = await _refusal(world.book(world.day(5, 15), key=key))
    assert (reused.reason, reused.fields) == ("REQUEST_ID_REUSED", ["request_id"])
    assert len(await world.appointments()) == 1


async def test_the_package_is_a_hard_limit(world: World) -> None:
    """R-136: taken and cancelled of the step count; the refusal tells the counters."""
    world.campaign = await world.make_campaign(purchased=2)
    contacts = [booking.Contact(display_name="Somebody", point=point) for point in world.points]
    taken_in = booking.ImportContactsRequest(
        campaign_id=world.campaign, contacts=contacts, request_id=request_id()
    )
    world.contacts = list((await world.call(world.booking.ImportContacts, taken_in)).contact_ids)
    first = await world.book(world.day(5, 9))
    await world.book(world.day(5, 12))
    await world.cancel(first.appointment_id)
    full = await _refusal(world.book(world.day(5, 15)))
    assert (full.code, full.reason) == ("FAILED_PRECONDITION", "PACKAGE_FULL")
    assert full.metadata == {"purchased": "2", "taken": "1", "cancelled_in_step": "1"} | full.metadata
    box = await world.call(world.booking.GetCampaign, booking.GetCampaignRequest(campaign_id=world.campaign))
    assert (box.purchased, box.taken, box.to_confirm, box.cancelled_in_step) == (2, 1, 1, 1)


async def test_wrong_password_and_unknown_address_look_the_same(world: World) -> None:
    """The answer does not tell whether the address is known."""
    mail = f"{request_id()}@example.com"
    request = identity.CreateUserRequest(
        email=mail,
        password="correct horse battery",
        display_name="Somebody",
        grants=[identity.RoleGrant(role="ROLE_OPERATOR")],
        request_id=request_id(),
    )
    await world.call(world.identity.CreateUser, request)
    right = identity.CreateSessionRequest(email=mail.upper(), password="correct horse battery")
    assert (await world.call(world.identity.CreateSession, right)).access_token
    wrong = await _refusal(
        world.call(world.identity.CreateSession, identity.CreateSessionRequest(email=mail, password="wrong"))
    )
    unknown = await _refusal(
        world.call(
            world.identity.CreateSession, identity.CreateSessionRequest(email="x" + mail, password="wrong")
        )
    )
    assert wrong.code == "UNAUTHENTICATED"
    assert (wrong.code, wrong.reason, str(wrong), wrong.metadata) == (
        unknown.code,
        unknown.reason,
        str(unknown),
        unknown.metadata,
    )


async def test_a_worse_matrix_raises_alarms_and_moves_nothing(world: World) -> None:
    """GEO-13, GEO-17: each direction is its own; what no longer fits is listed, and stays where it is."""
    await world.book(world.day(5, 9), contact=0)
    second = await world.book(world.day(5, 10, 30), contact=1)
    entry = geo.MatrixEntry(from_point=world.points[0], to_point=world.points[1], metres=50_000)
    entry.travel.FromTimedelta(timedelta(hours=2))
    imported = await world.call(
        world.geo.ImportMatrix, geo.ImportMatrixRequest(entries=[entry], request_id=request_id())
    )
    assert imported.now_infeasible == 1
    listed = await world.call(world.geo.ListNowInfeasible, geo.ListNowInfeasibleRequest())
    assert [pair.later_owner_id for pair in listed.pairs] == [second.appointment_id]
    assert listed.pairs[0].present.source == travel.TRAVEL_SOURCE_MATRIX
    now = await world.get(second.appointment_id)
    assert (now.start, now.version) == (second.start, second.version)
    assert await world.violations() == []


async def test_one_trace_from_the_gateway_to_the_consumer(world: World, stack: Stack) -> None:
    """The caller's trace id is on the log lines of booking, of geo, and of the consumer."""
    trace = request_id()
    chosen = booking.ChosenTime(
        campaign_id=world.campaign, agent_id=world.agents[0], start=stamp(world.day(5, 9))
    )
    chosen.duration.FromTimedelta(timedelta(minutes=30))
    request = booking.BookAppointmentRequest(
        time=chosen, contact_id=world.contacts[0], request_id=request_id()
    )
    metadata = (
        ("authorization", f"Bearer {world.token()}"),
        ("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),
    )
    await world.booking.BookAppointment(request, metadata=metadata, timeout=30)
    await eventually(world.changes, lambda seen: len(seen) == 1)

    async def lines() -> tuple[list[str], list[str]]:
        logs = {name: stack.log(name).read_text().splitlines() for name in ("booking", "geo")}
        traced = {name: [line for line in text if trace in line] for name, text in logs.items()}
        return traced["booking"], traced["geo"]

    await eventually(lines, lambda seen: any("ReserveStop" in line for line in seen[1]))
    await eventually(lines, lambda seen: any('"kit.bus' in line for line in seen[0]))
