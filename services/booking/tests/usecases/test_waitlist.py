"""The waiting list: in order, one offer at a time until it expires, one winner, whatever dies (BK-43)."""

import asyncio
from datetime import timedelta

import pytest
from booking_house import VISIT, House, claim
from waiting_queue import TTL, Queue, refused

from booking.domain.appointment import Card
from booking.domain.waitlist import WaitlistState
from booking.usecases.offers import accept_offer, decline_offer
from booking.usecases.openings import work_openings
from booking.usecases.waitlist import leave_waitlist, list_waitlist
from kit.errors import AlreadyExists, GiroError, InvalidInput, NotAllowed, NotFound, Reason
from kit.rpc.context import Grant
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_is_cancelled_is_offered_in_order_until_it_expires(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free(times=3)
    for position in range(3):
        ((found, offer),) = await queue.offered()
        assert (found, offer.agent_id, offer.window.start) == (position, house.agents[0], queue.start)
        await house.advance(TTL - timedelta(seconds=20))
        await work_openings(house.desk)
        assert (await queue.offered())[0][0] == position
        house.ledger.holds.clear()
        await house.advance(timedelta(seconds=21))
        await work_openings(house.desk)
    assert await queue.offered() == []
    told = [name for name, _ in await house.events() if name == "waitlist_offered"]
    assert len(told) == 3


async def test_an_accepted_offer_is_an_appointment_and_nobody_else_is_asked(house: House) -> None:
    queue, key = await Queue.of(house), claim()
    await queue.free()
    offer = await queue.the_offer()
    card = await queue.accept(offer, key)
    assert card.appointment.window.start == queue.start
    assert await queue.accept(offer, key) == card
    assert await refused(queue.accept(offer)) is Reason.ALREADY_EXISTS
    assert await refused(decline_offer(house.desk, offer.offer_id)) is Reason.ALREADY_EXISTS
    await work_openings(house.desk)
    assert await queue.offered() == []
    assert [await queue.state(n) for n in range(3)] == ["BOOKED", "WAITING", "WAITING"]
    await house.settle()
    await house.require_sound()


async def test_a_hundred_accept_at_once_and_one_wins(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    offer = await queue.the_offer()
    made = await asyncio.gather(*(queue.accept(offer) for _ in range(100)), return_exceptions=True)
    winners = [each for each in made if isinstance(each, Card)]
    assert len({card.appointment.appointment_id for card in winners}) == len(winners) == 1
    reasons = {each.reason for each in made if isinstance(each, GiroError)}
    assert reasons <= {Reason.ALREADY_EXISTS, Reason.CONTENTION, Reason.DATABASE_UNAVAILABLE}
    await house.settle()
    await house.require_sound()


async def test_late_and_next_never_both_win(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    late = await queue.the_offer()
    await queue.expire()
    following = await queue.the_offer()
    assert following.offer_id != late.offer_id
    assert await refused(queue.accept(late)) is Reason.HOLD_EXPIRED
    await queue.accept(following)
    await house.settle()
    await house.require_sound()


async def test_declining_and_leaving_pass_it_on(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    first = await queue.the_offer()
    await decline_offer(house.desk, first.offer_id)
    await decline_offer(house.desk, first.offer_id)
    ((position, second),) = await queue.offered()
    assert position == 1
    assert (await leave_waitlist(house.desk, second.entry_id)).state is WaitlistState.LEFT
    assert await refused(queue.accept(second)) is Reason.HOLD_EXPIRED
    await work_openings(house.desk)
    assert [position for position, _ in await queue.offered()] == [2]
    assert len(house.ledger.holds) == 1
    assert [await queue.state(n) for n in range(3)] == ["WAITING", "LEFT", "OFFERED"]


async def test_only_who_fits_is_asked(house: House) -> None:
    queue = await Queue.of(house, number=0)
    hour = timedelta(hours=1)
    queue.entries = [
        await queue.join(not_before=queue.start + hour),
        await queue.join(not_after=queue.start),
        await queue.join(not_before=queue.start, not_after=queue.start + VISIT),
    ]
    await queue.free()
    assert [position for position, _ in await queue.offered()] == [2]
    with pytest.raises(InvalidInput) as error:
        await queue.join(not_before=queue.start, not_after=queue.start + VISIT - timedelta(seconds=1))
    assert [violation.field for violation in error.value.violations] == ["not_after"]


async def test_who_cannot_be_reached_in_time_is_passed_over(house: House) -> None:
    queue = await Queue.of(house, number=2)
    house.ledger.slots = []
    await queue.free()
    assert await queue.offered() == []
    house.ledger.slots = [(house.agents[0], queue.start)]
    queue.entries.append(await queue.join())
    await work_openings(house.desk)
    assert [position for position, _ in await queue.offered()] == [2]


async def test_a_used_up_package_and_the_lead_time_offer_nothing(house: House) -> None:
    full = await Queue.of(house, purchased=1)
    await full.free()  # its unit counts until the step ends
    assert await full.offered() == []
    near = await Queue.of(house)
    await house.advance(timedelta(hours=72 - 36) + VISIT)
    await near.free()
    assert await near.offered() == []


async def test_rounds_at_once_make_one_offer(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    house.ledger.holds.clear()
    await house.advance(TTL)
    await asyncio.gather(*(work_openings(house.desk) for _ in range(6)), return_exceptions=True)
    await work_openings(house.desk)
    assert len(await queue.offered()) == 1


async def test_a_person_waits_once_in_a_campaign(house: House) -> None:
    queue = await Queue.of(house, number=0)
    contact, key = await house.contact(queue.campaign), claim()
    entry = await queue.join(contact, claim=key)
    assert await queue.join(contact, claim=key) == entry
    with pytest.raises(AlreadyExists) as error:
        await queue.join(contact, not_before=queue.start)
    assert error.value.metadata == {"resource": "waitlist entry"}
    assert [violation.field for violation in error.value.violations] == ["contact_id"]
    queue.entries = [entry]
    await queue.free()
    assert await refused(queue.join(contact)) is Reason.ALREADY_EXISTS  # an offer is no end of it
    await leave_waitlist(house.desk, entry.entry_id)
    again = await queue.join(contact)
    assert (again.state, again.entry_id != entry.entry_id) == (WaitlistState.WAITING, True)


async def test_who_took_an_offer_may_wait_for_another_visit(house: House) -> None:
    queue = await Queue.of(house, number=1)
    await queue.free()
    await queue.accept(await queue.the_offer())
    again = await queue.join(queue.entries[0].contact_id)
    assert again.state is WaitlistState.WAITING


async def test_the_database_keeps_two_who_join_at_once_to_one_entry(house: House) -> None:
    queue = await Queue.of(house, number=0)
    contact = await house.contact(queue.campaign)
    both = await two_sessions(
        lambda: queue.join(contact), lambda: queue.join(contact), at="booking.waitlist.before_join"
    )
    assert both.held
    assert isinstance(both.first, AlreadyExists)
    assert both.second.state is WaitlistState.WAITING
    assert both.first.reason is Reason.ALREADY_EXISTS
    assert len((await list_waitlist(house.desk, queue.campaign.campaign_id, 0, "")).entries) == 1


async def test_the_list_comes_in_pages(house: House) -> None:
    queue = await Queue.of(house, number=5)
    campaign = queue.campaign.campaign_id
    found, token = [], ""
    for size in (2, 2, 1):
        page = await list_waitlist(house.desk, campaign, 2, token)
        found += [entry.entry_id for entry in page.entries]
        assert len(page.entries) == size
        token = page.next_page_token
    assert (found, token) == ([entry.entry_id for entry in queue.entries], "")
    first = await list_waitlist(house.desk, campaign, 2, "")
    other = await house.campaign()
    with pytest.raises(InvalidInput):
        await list_waitlist(house.desk, other.campaign_id, 2, first.next_page_token)


async def test_only_within_reach(house: House) -> None:
    queue = await Queue.of(house)
    await queue.free()
    offer = await queue.the_offer()
    other = await house.campaign()
    house.enter(Grant("OPERATOR", "campaign", other.campaign_id))
    for work in (queue.accept(offer), decline_offer(house.desk, offer.offer_id), queue.offered()):
        with pytest.raises(NotAllowed):
            await work
    House(house.desk, house.ledger, house.agents).enter()
    for missing in (
        accept_offer(house.desk, offer.offer_id, claim()),
        leave_waitlist(house.desk, offer.entry_id),
        decline_offer(house.desk, new_id("off")),
    ):
        with pytest.raises(NotFound):
            await missing
