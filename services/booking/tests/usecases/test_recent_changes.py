"""The panel of recent changes: each once, newest first, whatever comes twice or late."""

from datetime import timedelta

import pytest
from booking_house import House, claim
from house_clock import soon
from sqlalchemy import text

from booking.transport.consumers import RecentChanges
from booking.usecases.add_note import AddNote, add_note
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.list_campaigns import get_campaign
from booking.usecases.list_recent_changes import list_recent_changes
from booking.usecases.views import get_view_log
from kit.bus.events import Event
from kit.errors import NotFound, Reason
from kit.rpc.context import Grant
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def deliver(house: House, times: int = 1, backwards: bool = False) -> None:
    """What the relay and the bus do, with repetitions and in another order where asked."""
    async with house.desk.db.uow(house.tenant) as tx:
        query = text("SELECT * FROM booking.outbox WHERE tenant_id = :t ORDER BY id")
        rows = list(await tx.run(query, {"t": house.tenant}))
    handler = RecentChanges(house.desk.db)
    for row in (rows[::-1] if backwards else rows) * times:
        event = Event(
            id=row.event_id,
            tenant=row.tenant_id,
            subject=row.subject,
            entity_id=row.entity_id,
            data=bytes(row.payload),
            traceparent="",
            request_id="",
            durable="booking-recent-changes",
        )
        await handler(event)


@pytest.mark.parametrize("backwards", [False, True])
async def test_every_change_is_fed_once_newest_first(house: House, backwards: bool) -> None:
    card = await house.booked()
    command = ConfirmAppointment(card.appointment.appointment_id, 0)
    await confirm_appointment(house.desk, command)
    await house.postpone(card, soon(60))
    await house.reassign(card, house.agents[1])
    await cancel_appointment(house.desk, CancelAppointment(card.appointment.appointment_id, 0, ""))
    before = await get_campaign(house.desk, card.appointment.campaign_id)
    await deliver(house, times=3, backwards=backwards)
    page = await list_recent_changes(house.desk, "", 3, "")
    rest = await list_recent_changes(house.desk, "", 3, page.next_page_token)
    changes = [*page.changes, *rest.changes]
    verbs = ["cancelled", "reassigned", "postponed", "confirmed", "booked"]
    assert [change.change for change in changes] == verbs
    assert [change.version for change in changes] == [5, 4, 3, 2, 1]
    assert changes[0].agent_id == house.agents[1]
    assert await get_campaign(house.desk, card.appointment.campaign_id) == before  # BK-12
    campaign, agents, nobody = card.appointment.campaign_id, house.agents, new_id("cmp")
    narrowed = await list_recent_changes(house.desk, campaign, 0, "")
    assert len(narrowed.changes) == 5
    for grants, seen in (
        ([("CUSTOMER", "campaign", campaign)], verbs),
        ([("CUSTOMER", "campaign", nobody)], []),
        ([("AGENT", "agent", agents[1])], ["cancelled", "reassigned"]),
        ([("CUSTOMER", "campaign", campaign), ("AGENT", "agent", agents[0])], verbs),
        ([("CUSTOMER", "campaign", nobody), ("AGENT", "agent", agents[0])], verbs[2:]),
    ):
        house.enter(*(Grant(*grant) for grant in grants))
        first = await list_recent_changes(house.desk, "", 4, "")
        told = list(first.changes)
        if first.next_page_token:
            told += (await list_recent_changes(house.desk, "", 4, first.next_page_token)).changes
        assert [change.change for change in told] == seen
    house.enter()
    looks = await get_view_log(house.desk, card.appointment.appointment_id)
    assert {(look.role, look.version) for look in looks} == {("CUSTOMER", number) for number in range(1, 6)}


async def test_a_note_is_the_newest_change_when_it_was_added(house: House) -> None:
    card = await house.booked()
    other = await house.booked(soon(60))
    await house.advance(timedelta(hours=3))
    noted = await add_note(
        house.desk, AddNote(card.appointment.appointment_id, "the bell is broken", claim())
    )
    await deliver(house)
    newest, before, _ = (await list_recent_changes(house.desk, "", 0, "")).changes
    assert (newest.change, newest.version, newest.happened_at) == ("noted", 1, noted.at)
    assert (before.change, before.appointment_id) == ("booked", other.appointment.appointment_id)


async def test_a_failed_booking_and_a_strange_event_are_no_changes(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    house.ledger.lose("reserve", NotFound(Reason.NOT_FOUND, "no such agent"))
    with pytest.raises(NotFound):
        await house.book(campaign, contact, soon())
    await deliver(house)
    assert (await list_recent_changes(house.desk, "", 0, "")).changes == []
    subject = f"giro.evt.{house.tenant}.booking.v1.appointment_booked"
    for data in (b"\xff\xff", b""):
        event = Event("evt_1", house.tenant, subject, "apt_1", data, "", "", "booking-recent-changes")
        with pytest.raises(Exception, match=r"names no appointment|parsing"):
            await RecentChanges(house.desk.db)(event)
