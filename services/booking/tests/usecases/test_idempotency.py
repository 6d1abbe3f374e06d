"""One request, one effect, one answer (BK-38, I4)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import soon
from ledger_double import Lost, certificate_of

from booking.domain.appointment import Card
from booking.domain.itinerary import Certificate
from booking.domain.outcomes import Recall, Result
from booking.domain.slot_token import SlotTokens, SuggestedSlot
from booking.transport import messages
from booking.usecases.book_appointment import BookAppointment, TokenSlot, book_appointment
from booking.usecases.desk import Desk
from booking.usecases.hold_slot import HoldSlot, hold_slot
from booking.usecases.refix.refix_appointment import Choices, RefixAppointment, refix_appointment
from kit.errors import AlreadyExists, Conflict, GiroError, InvalidInput, Reason, Unavailable

pytestmark = pytest.mark.asyncio(loop_scope="session")


def wire(card: Card) -> bytes:
    return messages.card(card).SerializeToString(deterministic=True)


async def test_a_repeated_booking_gets_the_same_bytes(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    key, start = claim(), soon()
    first = await house.book(campaign, contact, start, key=key)
    await house.postpone(first, soon(60))  # whatever became of it since
    again = await house.book(campaign, contact, start, key=key)
    assert wire(again) == wire(first)
    assert len(await house.all_stored()) == 1


async def test_the_same_id_with_another_body_is_refused(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    key = claim("one body")
    card = await house.book(campaign, contact, soon(), key=key)
    other = claim("another body", key.key.removeprefix("req:"))
    for again in (
        lambda: house.book(campaign, contact, soon(60), key=other),
        lambda: house.postpone(card, soon(60), key=other),
    ):
        with pytest.raises(InvalidInput) as refused:
            await again()
        assert refused.value.reason is Reason.REQUEST_ID_REUSED
        assert [violation.field for violation in refused.value.violations] == ["request_id"]


async def parallel(times: int, work: Callable[[], Awaitable[Card]]) -> list[Card | BaseException]:
    return await asyncio.gather(*(work() for _ in range(times)), return_exceptions=True)


async def until_answered(work: Callable[[], Awaitable[Card]]) -> Card:
    """Repeats as a client does that is told that its request is being worked on."""
    while True:
        try:
            return await work()
        except Conflict as busy:
            if busy.reason not in {Reason.REQUEST_IN_FLIGHT, Reason.CONTENTION}:
                raise


async def test_sixteen_equal_bookings_at_once_are_one(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    key, start = claim(), soon()
    answers = await parallel(
        16, lambda: until_answered(lambda: house.book(campaign, contact, start, key=key))
    )
    assert {wire(card) for card in answers if isinstance(card, Card)} == {wire(answers[0])}  # type: ignore[arg-type]
    assert len(answers) == len([card for card in answers if isinstance(card, Card)])
    assert len(await house.all_stored()) == 1
    assert (await house.package(campaign)).taken == 1
    assert [event for event, _ in await house.events()] == ["appointment_booked"]
    await house.require_sound()


async def test_sixteen_equal_postponements_at_once_are_one(house: House) -> None:
    card = await house.booked()
    key, start = claim(), soon(60)
    answers = await parallel(16, lambda: until_answered(lambda: house.postpone(card, start, key=key)))
    cards = [answer for answer in answers if isinstance(answer, Card)]
    assert len(cards) == 16
    assert len({wire(found) for found in cards}) == 1
    assert cards[0].appointment.version == 2
    assert [event for event, _ in await house.events()] == ["appointment_booked", "appointment_postponed"]
    await house.require_sound()


@pytest.mark.parametrize("lost", [Lost.REQUEST, Lost.ANSWER])
async def test_a_booking_without_an_answer_is_finished_by_repeating_it(house: House, lost: Lost) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    key, start = claim(), soon()
    house.ledger.lose("reserve", lost)
    with pytest.raises(Unavailable) as unknown:
        await house.book(campaign, contact, start, key=key)
    assert "same request_id" in unknown.value.message
    assert unknown.value.metadata["service"] == "geo"
    card = await house.book(campaign, contact, start, key=key)
    assert wire(await house.book(campaign, contact, start, key=key)) == wire(card)
    await house.require_sound()


@pytest.mark.parametrize("lost", [Lost.REQUEST, Lost.ANSWER])
async def test_a_repeated_request_brings_the_certificate_again(house: House, lost: Lost) -> None:
    """GEO-28: the ledger holds the start against it whenever it acts."""
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    agent, start = house.agents[0], soon(48)
    issued = int(soon(0).timestamp())
    slot = SuggestedSlot(
        campaign.campaign_id,
        agent,
        int(start.timestamp()),
        int((start + VISIT).timestamp()),
        PLACE.key,
        issued,
        certificate_of(agent, start),
    )
    token = house.desk.slot_tokens.write(house.tenant, slot)
    command = BookAppointment(TokenSlot(token), contact, "", claim())
    house.ledger.lose("reserve", lost)
    with pytest.raises(Unavailable):
        await book_appointment(house.desk, command)
    await book_appointment(house.desk, command)
    until = datetime.fromtimestamp(issued, UTC) + timedelta(minutes=30)
    assert house.ledger.sources == [Certificate(certificate_of(agent, start), until)] * 2
    await house.require_sound()


@pytest.mark.parametrize("lost", [Lost.REQUEST, Lost.ANSWER])
@pytest.mark.parametrize("card", ["SI", "NO"], ids=["new card", "same card"])
async def test_a_new_fix_by_a_suggested_slot_brings_its_certificate_each_time(
    house: House, card: str, lost: Lost
) -> None:
    await house.parameters(CC0036=card, CC0037=card, CC0037A="NO", CC036DB="refixed")
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    old = (await house.booked(soon(40))).appointment
    issued, start = int(soon(0).timestamp()), soon(60)
    times = int(start.timestamp()), int((start + VISIT).timestamp())
    rests = certificate_of(old.agent_id, start)
    slot = SuggestedSlot(old.campaign_id, old.agent_id, *times, PLACE.key, issued, rests)
    token = house.desk.slot_tokens.write(house.tenant, slot)
    command = RefixAppointment(old.appointment_id, token, Choices(state_id="refixed"), 0, claim())
    house.ledger.sources.clear()
    house.ledger.lose("reserve" if card == "SI" else "move", lost)
    with pytest.raises(Unavailable):
        await refix_appointment(house.desk, command)
    fixed = await refix_appointment(house.desk, command)
    assert fixed.appointment.window.start == start
    assert (fixed.appointment.appointment_id != old.appointment_id) is (card == "SI")
    until = datetime.fromtimestamp(issued, UTC) + timedelta(minutes=30)
    assert house.ledger.sources == [Certificate(rests, until)] * 2
    await house.settle()
    await house.require_sound()


def rolled_out(house: House) -> Desk:
    """A replica of another version: no token of before can be read there."""
    return replace(house.desk, slot_tokens=SlotTokens(b"of another version, 32 bytes long"))


async def token_for(house: House, campaign_id: str, start: datetime) -> str:
    times = int(start.timestamp()), int((start + VISIT).timestamp())
    issued, agent = int(soon(0).timestamp()), house.agents[0]
    rests = certificate_of(agent, start)
    slot = SuggestedSlot(campaign_id, agent, *times, PLACE.key, issued, rests)
    return house.desk.slot_tokens.write(house.tenant, slot)


async def require_unreadable(act: Awaitable[object]) -> None:
    with pytest.raises(GiroError) as refused:
        await act
    assert refused.value.reason is Reason.SLOT_TOKEN_INVALID


async def test_a_hold_is_answered_again_when_its_token_counts_no_more(house: House) -> None:
    campaign = await house.campaign()
    token, key, other = await token_for(house, campaign.campaign_id, soon(60)), claim(), claim()
    held = await hold_slot(house.desk, HoldSlot(token, None, key))
    with pytest.raises(AlreadyExists):
        await hold_slot(house.desk, HoldSlot(token, None, other))
    desk = rolled_out(house)
    assert await hold_slot(desk, HoldSlot(token, None, key)) == held
    with pytest.raises(AlreadyExists) as refused:
        await hold_slot(desk, HoldSlot(token, None, other))
    assert refused.value.reason is Reason.SLOT_TAKEN
    await house.advance(timedelta(hours=1))
    assert await hold_slot(house.desk, HoldSlot(token, None, key)) == held
    await require_unreadable(hold_slot(desk, HoldSlot(token, None, claim())))


@pytest.mark.parametrize("card", ["SI", "NO"], ids=["new card", "same card"])
async def test_a_new_fix_is_answered_again_when_its_token_counts_no_more(house: House, card: str) -> None:
    await house.parameters(CC0036=card, CC0037=card, CC0037A="NO", CC036DB="refixed")
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    old = (await house.booked(soon(40))).appointment
    token = await token_for(house, old.campaign_id, soon(60))
    command = RefixAppointment(old.appointment_id, token, Choices(state_id="refixed"), 0, claim())
    fixed, desk = await refix_appointment(house.desk, command), rolled_out(house)
    assert wire(await refix_appointment(desk, command)) == wire(fixed)
    await house.advance(timedelta(hours=1))
    assert wire(await refix_appointment(house.desk, command)) == wire(fixed)
    new = replace(command, appointment_id=fixed.appointment.appointment_id, claim=claim())
    await require_unreadable(refix_appointment(desk, new))


@pytest.mark.parametrize("lost", [Lost.REQUEST, Lost.ANSWER])
async def test_a_postponement_without_an_answer_is_finished_by_repeating_it(house: House, lost: Lost) -> None:
    card = await house.booked()
    key, start = claim(), soon(60)
    house.ledger.lose("move", lost)
    with pytest.raises(Unavailable):
        await house.postpone(card, start, key=key)
    moved = await house.postpone(card, start, key=key)
    assert moved.appointment.window.start == start
    await house.require_sound()


async def test_a_refused_postponement_stays_refused(house: House) -> None:
    card = await house.booked()
    campaign = await house.campaign()
    await house.book(campaign, await house.contact(campaign), soon(60))
    key = claim()
    with pytest.raises(AlreadyExists) as refused:
        await house.postpone(card, soon(60), key=key)
    house.ledger.stops = {
        owner: stop
        for owner, stop in house.ledger.stops.items()
        if owner[1] == card.appointment.appointment_id
    }
    with pytest.raises(GiroError) as again:
        await house.postpone(card, soon(60), key=key)
    assert str(again.value) == str(refused.value)
    assert (await house.stored(card.appointment.appointment_id)).move_id is None
    later = await house.postpone(card, soon(60))  # under another id it may
    assert later.appointment.version == 2
