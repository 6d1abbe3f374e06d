"""Confirm, postpone, reassign, cancel: states, counters, versions, events (R-011, R-083, BK-46)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from booking_house import HOUR, House, claim
from house_clock import soon
from ledger_double import Lost

from booking.domain.appointment import Card, State
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.get_appointment import get_appointment
from booking.usecases.set_parameter import set_parameter
from kit.errors import (
    AlreadyExists,
    Conflict,
    GiroError,
    InvalidInput,
    NotAllowed,
    NotFound,
    Reason,
    RuleViolated,
    Unavailable,
)
from kit.rpc.context import Grant
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def confirm(house: House, card: Card, version: int = 0) -> Card:
    return await confirm_appointment(house.desk, ConfirmAppointment(card.appointment.appointment_id, version))


async def cancel(house: House, card: Card, version: int = 0) -> Card:
    command = CancelAppointment(card.appointment.appointment_id, version, "moved away")
    return await cancel_appointment(house.desk, command)


async def counters(house: House, card: Card) -> tuple[int, int, int]:
    async with house.desk.db.uow(house.tenant) as tx:
        from booking.storage import campaigns

        package = (await campaigns.get(tx, card.appointment.campaign_id)).package
    return package.taken, package.to_confirm, package.cancelled_in_step


async def test_a_life_in_counters_versions_and_events(house: House) -> None:
    card = await house.booked()
    appointment_id = card.appointment.appointment_id
    assert await counters(house, card) == (1, 1, 0)
    confirmed = await confirm(house, card, 1)
    assert (confirmed.appointment.state, confirmed.appointment.version) == (State.CONFIRMED, 2)
    assert confirmed.leg_before is not None
    assert await counters(house, card) == (1, 0, 0)
    postponed = await house.postpone(card, soon(60), version=2)
    assert (postponed.appointment.state, postponed.appointment.version) == (State.TO_CONFIRM, 3)
    assert await counters(house, card) == (1, 1, 0)
    await confirm(house, card, 3)
    reassigned = await house.reassign(card, house.agents[1])
    assert (reassigned.appointment.state, reassigned.appointment.agent_id) == (
        State.CONFIRMED,
        house.agents[1],
    )
    assert await counters(house, card) == (1, 0, 0)
    cancelled = await cancel(house, card, 5)
    assert (cancelled.appointment.state, cancelled.appointment.version) == (State.CANCELLED, 6)
    assert cancelled.leg_before is None
    assert await counters(house, card) == (0, 0, 1)
    names = ["booked", "confirmed", "postponed", "confirmed", "reassigned", "cancelled"]
    assert await house.events() == [(f"appointment_{name}", appointment_id) for name in names]
    await house.settle()
    await house.require_sound()


async def test_confirming_and_cancelling_twice_changes_nothing_more(house: House) -> None:
    card = await house.booked()
    once = await confirm(house, card)
    assert (await confirm(house, card)).appointment == once.appointment
    cancelled = await cancel(house, card)
    assert (await cancel(house, card)).appointment == cancelled.appointment
    assert len(await house.events()) == 3
    assert await counters(house, card) == (0, 0, 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda house, card: confirm(house, card, 7),
        lambda house, card: cancel(house, card, 7),
        lambda house, card: house.postpone(card, soon(60), version=7),
    ],
)
async def test_a_stale_version_is_refused(
    house: House, change: Callable[[House, Card], Awaitable[Any]]
) -> None:
    card = await house.booked()
    with pytest.raises(Conflict) as refused:
        await change(house, card)
    assert refused.value.reason is Reason.STALE_VERSION
    assert refused.value.metadata == {"current_version": "1"}
    assert (await house.stored(card.appointment.appointment_id)).version == 1


async def test_of_two_changes_with_one_version_one_wins(house: House) -> None:
    """Deterministic: the second session waits for the first one's row, then sees another version."""
    card = await house.booked()
    outcome = await two_sessions(
        lambda: confirm(house, card, 1), lambda: cancel(house, card, 1), at="booking.confirm.before_commit"
    )
    assert outcome.held
    assert not outcome.overtook
    assert isinstance(outcome.first, Card)
    assert isinstance(outcome.second, Conflict)
    assert outcome.second.reason is Reason.STALE_VERSION


async def promised(house: House, width: timedelta) -> Card:
    """A booked appointment whose arrival was promised within so long."""
    campaign = await house.campaign()
    seconds = f"{int(width.total_seconds())}s"
    await set_parameter(house.desk, "arrival_window", campaign.campaign_id, seconds)
    return await house.book(campaign, await house.contact(campaign), soon())


@pytest.mark.parametrize("lost", [None, Lost.REQUEST, Lost.ANSWER])
@pytest.mark.parametrize(("late", "anew"), [(0, False), (1, True), (86_400, True)])
async def test_a_start_outside_of_what_was_promised_is_promised_anew(
    house: House, late: int, anew: bool, lost: Lost | None
) -> None:
    """R-011, BK-39: within the window the promise stays, both ends included."""
    card = await promised(house, HOUR)
    start = card.appointment.window.start
    key, later = claim(), start + HOUR + timedelta(seconds=late)
    if lost is not None:
        house.ledger.lose("move", lost)
        with pytest.raises(Unavailable):
            await house.postpone(card, later, key=key)
    moved = (await house.postpone(card, later, key=key)).appointment
    assert moved.window.start == later
    assert moved.arrival == (Window(later, later + HOUR) if anew else Window(start, start + HOUR))
    await house.settle()
    await house.require_sound()


async def test_postponing_one_hour_before_is_allowed(house: House) -> None:
    """BK-03: confirm and postpone are exempt from the lead time."""
    start = soon(48)
    card = await house.booked(start)
    await house.advance(timedelta(hours=47))
    await confirm(house, card)
    moved = await house.postpone(card, start + timedelta(hours=2))
    assert moved.appointment.window.start == start + timedelta(hours=2)


async def test_a_tenant_may_want_the_lead_time_for_postponements(house: House) -> None:
    start = soon(48)
    card = await house.booked(start)
    campaign = card.appointment.campaign_id
    await set_parameter(house.desk, "postpone_respects_lead_time", campaign, "true")
    await house.advance(timedelta(hours=47))
    with pytest.raises(RuleViolated) as refused:
        await house.postpone(card, start + timedelta(hours=2))
    assert refused.value.reason is Reason.LEAD_TIME
    await house.postpone(card, start + timedelta(hours=48))


@pytest.mark.parametrize("offset", [-3600, 0])
async def test_postponing_to_an_earlier_or_the_same_start_is_refused(house: House, offset: int) -> None:
    start = soon()
    card = await house.booked(start)
    with pytest.raises(InvalidInput) as refused:
        await house.postpone(card, start + timedelta(seconds=offset))
    assert refused.value.reason is Reason.NOT_LATER
    assert [violation.field for violation in refused.value.violations] == ["start"]


async def test_reassigning_needs_another_agent_of_the_campaign(house: House) -> None:
    campaign = await house.campaign(agents=house.agents[:2])
    card = await house.book(campaign, await house.contact(campaign), soon())
    for agent in (house.agents[2], new_id("agt")):
        with pytest.raises(RuleViolated) as refused:
            await house.reassign(card, agent)
        assert refused.value.reason is Reason.AGENT_NOT_IN_CAMPAIGN
    with pytest.raises(InvalidInput) as same:
        await house.reassign(card, card.appointment.agent_id)
    assert [violation.field for violation in same.value.violations] == ["agent_id"]


async def test_what_does_not_fit_moves_nothing(house: House) -> None:
    start = soon()
    card = await house.booked(start)
    campaign = await house.campaign()
    await house.book(campaign, await house.contact(campaign), start, house.agents[1])
    with pytest.raises(AlreadyExists):
        await house.reassign(card, house.agents[1])
    stored = await house.stored(card.appointment.appointment_id)
    assert (stored.version, stored.agent_id, stored.move_id) == (1, house.agents[0], None)
    await house.require_sound()


async def test_nothing_else_happens_while_a_move_is_under_way(house: House) -> None:
    card = await house.booked()
    house.ledger.lose("move", Lost.ANSWER)
    with pytest.raises(Unavailable):
        await house.postpone(card, soon(60))
    for change in (
        lambda: confirm(house, card),
        lambda: cancel(house, card),
        lambda: house.postpone(card, soon(72)),
        lambda: house.reassign(card, house.agents[1]),
    ):
        with pytest.raises(Conflict) as refused:
            await change()
        assert refused.value.reason is Reason.CHANGE_IN_PROGRESS
    await house.settle()
    await confirm(house, card)
    await house.require_sound()


async def test_a_move_begun_before_a_change_that_waited_for_its_row(house: House) -> None:
    """The second session has read its statement's snapshot before the move was committed."""
    card = await house.booked()
    outcome = await two_sessions(
        lambda: house.postpone(card, soon(60)),
        lambda: cancel(house, card),
        at="booking.postpone.before_decide",
    )
    assert outcome.held
    assert not outcome.overtook
    results = {type(outcome.first), type(outcome.second)}
    assert Card in results
    await house.settle()
    await house.require_sound()


async def test_confirming_needs_nothing_of_geo(house: House) -> None:
    card = await house.booked()
    house.ledger.down = True
    confirmed = await confirm(house, card)
    assert confirmed.appointment.state is State.CONFIRMED
    assert confirmed.leg_before is None
    with pytest.raises(Unavailable):
        await get_appointment(house.desk, card.appointment.appointment_id)
    house.ledger.down = False
    assert (await get_appointment(house.desk, card.appointment.appointment_id)).leg_before is not None


async def test_a_cancelled_appointment_frees_its_time_even_when_the_bus_is_down(house: House) -> None:
    card = await house.booked()
    await cancel(house, card)
    assert house.ledger.stops  # the event has not been delivered
    await house.settle()
    await house.require_sound()


async def test_ids_of_others_are_not_found(house: House) -> None:
    card = await house.booked()
    stranger = House(house.desk, house.ledger, house.agents)
    stranger.enter()
    changes: list[Callable[[], Awaitable[Any]]] = [
        lambda: confirm(stranger, card),
        lambda: cancel(stranger, card),
        lambda: stranger.postpone(card, soon(60)),
        lambda: stranger.reassign(card, house.agents[1]),
        lambda: get_appointment(house.desk, card.appointment.appointment_id),
    ]
    for change in changes:
        with pytest.raises(NotFound) as refused:
            await change()
        assert refused.value.metadata == {"resource": "appointment"}
        assert [violation.field for violation in refused.value.violations] == ["appointment_id"]


async def test_a_role_for_another_campaign_changes_nothing(house: House) -> None:
    card = await house.booked()
    other = await house.campaign()
    house.enter(Grant("OPERATOR", "campaign", other.campaign_id))
    changes: list[Callable[[], Awaitable[Any]]] = [
        lambda: confirm(house, card),
        lambda: cancel(house, card),
        lambda: house.postpone(card, soon(60)),
        lambda: house.reassign(card, house.agents[1]),
        lambda: get_appointment(house.desk, card.appointment.appointment_id),
    ]
    for change in changes:
        with pytest.raises(NotAllowed) as refused:
            await change()
        assert refused.value.reason is Reason.OUT_OF_SCOPE


async def test_an_agent_sees_the_own_appointments_alone(house: House) -> None:
    card = await house.booked()
    appointment_id = card.appointment.appointment_id
    house.enter(Grant("AGENT", "agent", card.appointment.agent_id))
    assert (await get_appointment(house.desk, appointment_id)).appointment.appointment_id == appointment_id
    house.enter(Grant("AGENT", "agent", house.agents[1]))
    with pytest.raises(NotAllowed):
        await get_appointment(house.desk, appointment_id)


async def test_a_failed_booking_cannot_be_changed(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    house.ledger.lose("reserve", RuleViolated(Reason.TRAVEL_IN, "too far", metadata={"short_seconds": 40}))
    with pytest.raises(RuleViolated):
        await house.book(campaign, contact, soon())
    (appointment_id,) = await house.all_stored()
    with pytest.raises(GiroError) as refused:
        await confirm_appointment(house.desk, ConfirmAppointment(appointment_id, 0))
    assert refused.value.reason is Reason.WRONG_STATE
    assert refused.value.metadata == {"state": "FAILED"}
