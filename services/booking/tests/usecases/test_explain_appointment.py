"""Why an appointment is where it is: from the record, with what applied, was offered and was promised."""

import json
from datetime import timedelta

import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import soon
from ledger_double import LEG, Lost
from sqlalchemy import text

from booking.domain.appointment import Colour
from booking.domain.decision import Channel, SlotSource
from booking.domain.outcomes import Recall, Result
from booking.domain.refix_modes import Work
from booking.transport.explanation_messages import explanation as as_message
from booking.usecases.book_appointment import BookAppointment, HeldSlot, TokenSlot, book_appointment
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.create_series import CreateSeries, create_series
from booking.usecases.explain_appointment import Explanation, explain_appointment
from booking.usecases.hear_answer import Heard, hear_answer
from booking.usecases.hold_slot import HoldSlot, hold_slot
from booking.usecases.set_parameter import set_parameter
from booking.usecases.suggest_slots import Suggestions, SuggestSlots, suggest_slots
from kit.errors import NotAllowed, NotFound, Unavailable
from kit.rpc.context import Grant

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def suggested(house: House, campaign_id: str) -> Suggestions:
    house.ledger.slots = [(house.agents[n % 4], soon(50 + n)) for n in range(12)]
    house.ledger.grades = [1] * 5 + [2] * 7
    query = SuggestSlots(campaign_id, "", PLACE, VISIT, "", "", (), (), 12, explain=False)
    return await suggest_slots(house.desk, query)


async def explained(house: House, appointment_id: str) -> Explanation:
    return await explain_appointment(house.desk, appointment_id)


async def test_a_booking_tells_what_it_was_chosen_from(house: House) -> None:
    campaign = await house.campaign()
    await set_parameter(house.desk, "lead_time", campaign.campaign_id, "7200s")
    contact = await house.contact(campaign)
    made = await suggested(house, campaign.campaign_id)
    house.enter(Grant("OPERATOR", "tenant", ""), subject="usr_anna")
    command = BookAppointment(TokenSlot(made.tokens[2]), contact, "", claim())
    card = await book_appointment(house.desk, command)
    house.enter()
    found = await explained(house, card.appointment.appointment_id)
    (booked,) = found.changes
    assert found.complete
    decision = booked.decision
    assert decision is not None
    assert (decision.chooser.subject, decision.chooser.channel) == ("usr_anna", Channel.OPERATOR)
    assert decision.chooser.roles == ("OPERATOR",)
    told = {each.name: (each.value, each.source) for each in decision.parameters}
    assert told["lead_time"] == ("7200s", "CAMPAIGN")
    assert told["reveal_agent"] == ("true", "SYSTEM")
    assert decision.slot_source is SlotSource.SUGGESTION
    assert booked.legs == (LEG, LEG)
    page = booked.page
    assert page is not None
    assert (page.count, page.chosen, len(page.slots)) == (12, 3, 10)
    shown = [(slot.agent_id, slot.start, slot.added_travel, slot.grade) for slot in page.slots]
    assert shown == [
        (house.agents[n % 4], house.ledger.slots[n][1], n, house.ledger.grades[n]) for n in range(10)
    ]
    assert shown[page.chosen - 1][:2] == (card.appointment.agent_id, card.appointment.window.start)
    message = as_message(found)
    assert message.changes[0].leg_before.version == "estimate-1"
    assert message.changes[0].leg_before.source == message.changes[0].leg_after.source == 1
    assert message.changes[0].offered.slots[9].grade == 2


async def test_a_kept_slot_tells_what_its_hold_was_chosen_from(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    made = await suggested(house, campaign.campaign_id)
    held = await hold_slot(house.desk, HoldSlot(made.tokens[11], None, claim()))
    command = BookAppointment(HeldSlot(held.hold_id), contact, "", claim())
    card = await book_appointment(house.desk, command)
    (booked,) = (await explained(house, card.appointment.appointment_id)).changes
    assert booked.decision is not None
    assert booked.page is not None
    assert (booked.decision.slot_source, booked.decision.hold_id) == (SlotSource.HOLD, held.hold_id)
    assert (booked.page.count, booked.page.chosen) == (12, 12)


async def test_a_chosen_time_was_offered_nothing(house: House) -> None:
    card = await house.booked()
    (booked,) = (await explained(house, card.appointment.appointment_id)).changes
    assert booked.decision is not None
    assert (booked.decision.slot_source, booked.page) == (SlotSource.CHOSEN_TIME, None)
    assert (
        not as_message(await explained(house, card.appointment.appointment_id)).changes[0].HasField("offered")
    )


async def test_each_change_tells_policy_as_it_was_then(house: House) -> None:
    card = await house.booked()
    ident, start = card.appointment.appointment_id, card.appointment.window.start
    await confirm_appointment(house.desk, ConfirmAppointment(ident, 0))
    await house.postpone(card, start + timedelta(hours=3))
    await set_parameter(house.desk, "postpone_respects_lead_time", "", "true")
    await house.reassign(card, house.agents[2])
    await set_parameter(house.desk, "postpone_respects_lead_time", "", "")
    await house.reassign(card, house.agents[1])
    await cancel_appointment(house.desk, CancelAppointment(ident, 0, ""))
    found = await explained(house, ident)
    assert [change.after.version for change in found.changes] == [1, 2, 3, 4, 5, 6]
    assert [change.happened.value.removeprefix("appointment_") for change in found.changes] == [
        "booked",
        "confirmed",
        "postponed",
        "reassigned",
        "reassigned",
        "cancelled",
    ]
    decisions = [change.decision for change in found.changes]
    versions = [decision.policy_version if decision else None for decision in decisions]
    assert versions[0] == versions[2] == versions[4] != versions[3]
    assert versions[1] == versions[5] == "", "no policy was asked"
    assert {each.name: each.value for each in decisions[3].parameters}[
        "postpone_respects_lead_time"
    ] == "true"  # type: ignore[union-attr]
    assert [change.legs != (None, None) for change in found.changes] == [True, False, True, True, True, False]
    assert len({change.event_id for change in found.changes}) == 6


async def test_procedures_and_customers_choose_too(house: House) -> None:
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state("ko", recall=Recall.NONE, refix=True)
    await house.procedure(Work.MOVE, "ko")
    card = (await house.booked()).appointment
    await house.set_outcome(card, refix_at=soon(72))
    await house.run()
    heard = Heard(
        card.appointment_id,
        (await house.stored(card.appointment_id)).window.start,
        Colour.RED,
        False,
        2,
        claim(),
    )
    await hear_answer(house.desk, house.tenant, heard)
    booked, outcome, refixed, cancelled = (await explained(house, card.appointment_id)).changes
    assert booked.decision
    assert outcome.decision
    assert refixed.decision
    assert cancelled.decision
    (row,) = outcome.decision.rules
    assert (row.kind, row.id, json.loads(row.definition)["refix"]) == ("outcome_state", "ko", True)
    assert refixed.decision.chooser.channel is Channel.PROCEDURE
    assert refixed.decision.chooser.subject == "move-refixed"
    assert refixed.decision.slot_source is SlotSource.AGENTS_DATE
    assert [rule.kind for rule in refixed.decision.rules] == ["outcome_state", "refix_mode", "procedure"]
    assert refixed.legs == (LEG, LEG)
    assert (cancelled.decision.chooser.channel, cancelled.decision.chooser.subject) == (
        Channel.CUSTOMER,
        card.contact_id,
    )
    assert cancelled.decision.parameters[0].name == "decline_cancels"
    assert as_message(await explained(house, card.appointment_id)).changes[2].chosen_by.channel == 4


async def test_each_of_a_series_tells_its_series_and_its_drives(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    where = campaign.campaign_id, contact, house.agents[0], soon(48), VISIT
    made = await create_series(house.desk, CreateSeries(*where, 7, 3, "", claim()))
    for _, appointment in made.appointments:
        (booked,) = (await explained(house, appointment.appointment_id)).changes
        assert booked.decision is not None
        assert booked.decision.chooser.by == f"series {made.series_id}"
        assert booked.legs == (LEG, LEG)
    assert len(made.appointments) == 3


async def test_a_move_that_the_reconciler_finished_is_its_beginners(house: House) -> None:
    card = await house.booked()
    house.enter(Grant("ADMINISTRATOR", "tenant", ""), subject="usr_beginner")
    house.ledger.lose("move", Lost.ANSWER)
    with pytest.raises(Unavailable):
        await house.postpone(card, soon(72))
    await house.settle()
    house.enter()
    postponed = (await explained(house, card.appointment.appointment_id)).changes[1]
    assert postponed.decision is not None
    assert postponed.decision.chooser.subject == "usr_beginner"
    assert postponed.legs == (LEG, LEG)


async def test_a_hidden_link_is_not_told_here_either(house: House) -> None:
    card = await house.superseded()
    await house.parameters(CC0036C="NO")
    async with house.desk.db.uow(house.tenant) as tx:
        await tx.run(
            text("UPDATE booking.appointments SET linked = false WHERE tenant_id = :t"), {"t": house.tenant}
        )
    found = await explained(house, card.appointment.appointment_id)
    assert {change.after.superseded_by for change in found.changes} == {None}
    assert found.complete


async def test_a_card_older_than_the_record_says_so(house: House) -> None:
    card = await house.booked()
    ident = card.appointment.appointment_id
    async with house.desk.db.uow(house.tenant) as tx:
        await tx.run(
            text("UPDATE booking.appointments SET version = 2 WHERE tenant_id = :t"), {"t": house.tenant}
        )
    assert not (await explained(house, ident)).complete


async def test_whose_card_it_is_not(house: House) -> None:
    card = await house.booked()
    ident = card.appointment.appointment_id
    house.enter(Grant("AGENT_SUPERVISOR", "campaign", "cmp_other"))
    with pytest.raises(NotAllowed):
        await explained(house, ident)
    house.enter(Grant("AGENT_SUPERVISOR", "campaign", card.appointment.campaign_id))
    assert (await explained(house, ident)).complete
    House(house.desk, house.ledger, house.agents).enter()
    with pytest.raises(NotFound):
        await explained(house, ident)


async def test_what_is_kept_cannot_be_changed(house: House) -> None:
    await house.booked()
    for table in ("appointment_events", "decisions"):
        for change in (f"UPDATE booking.{table} SET decision = NULL", f"DELETE FROM booking.{table}"):
            with pytest.raises(Exception, match="permission denied"):
                async with house.desk.db.uow(house.tenant) as tx:
                    await tx.run(text(change))
