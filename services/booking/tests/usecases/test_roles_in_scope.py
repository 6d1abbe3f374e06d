"""A role counts within the scope that it was granted for, and nowhere else (R-181)."""

from typing import Any

import pytest
from booking_house import House, claim
from house_clock import noon, soon

from booking.domain.annulment import AnnulmentReason, ClaimChannel
from booking.domain.appointment import Card
from booking.domain.outcomes import Characteristic, Kind, Recall, Result
from booking.usecases import annulments
from booking.usecases.add_note import AddNote, add_note
from booking.usecases.annulments import ClaimAnnulment
from booking.usecases.get_outcome import get_outcome
from booking.usecases.list_appointments import ListAppointments, list_appointments
from booking.usecases.outcome_states import upsert_characteristic
from booking.usecases.refix.list_recalls import close_recall
from booking.usecases.unavailability import SetUnavailability, set_unavailability
from booking.usecases.views import get_view_log
from kit.errors import GiroError, Reason
from kit.rpc.context import AGENT, CAMPAIGN, TENANT, Grant

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def refused(work: Any) -> Reason:
    with pytest.raises(GiroError) as error:
        await work
    return error.value.reason


def here_and_there(house: House, card: Card, here: str, there: str) -> None:
    """Makes somebody the caller who has one role for the card's campaign, and another elsewhere."""
    house.enter(
        Grant(here, CAMPAIGN, card.appointment.campaign_id),
        Grant(there, CAMPAIGN, "cmp_of_others"),
        subject="usr_both",
    )


async def test_private_recalls_are_shown_where_the_role_holds_that_sees_them(house: House) -> None:
    await house.outcome_state("ko", recall=Recall.PRIVATE, list_state="W")
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.parameters(CC0036="NO", CC036B="refixed")
    first, second = await house.booked(), await house.booked(agent=1)
    for card in (first, second):
        await house.set_outcome(card)
    everything = await house.recalls()
    assert len(everything) == 2
    here_and_there(house, first, "OPERATOR", "PROJECT_MANAGER")
    assert await house.recalls() == []
    (of_first,) = [each for each in everything if each.appointment_id == first.appointment.appointment_id]
    assert await refused(close_recall(house.desk, of_first.recall_id, "")) is Reason.NOT_FOUND
    assert await refused(house.refix(first, soon(72))) is Reason.OUT_OF_SCOPE
    here_and_there(house, first, "PROJECT_MANAGER", "OPERATOR")
    assert await house.recalls() == [of_first]
    house.enter(
        Grant("OPERATOR", TENANT, ""),
        Grant("AGENT_SUPERVISOR", CAMPAIGN, second.appointment.campaign_id),
        subject="usr_wide",
    )
    assert [each.appointment_id for each in await house.recalls()] == [second.appointment.appointment_id]


async def test_late_notice_of_a_person_is_taken_by_a_supervisor_of_that_campaign(house: House) -> None:
    card = await house.booked()

    async def note(**who: str) -> Reason | None:
        there = noon(2).date().isoformat()
        given = {"agent_id": "", "contact_id": "", **who}
        command = SetUnavailability(
            first_day=there, last_day="", note="", override_note="flu", claim=claim(), **given
        )
        try:
            await set_unavailability(house.desk, command)
        except GiroError as refusal:
            return refusal.reason
        return None

    contact = card.appointment.contact_id
    here_and_there(house, card, "PROJECT_MANAGER", "AGENT_SUPERVISOR")
    assert await note(contact_id=contact) is Reason.INVALID_FIELD
    here_and_there(house, card, "AGENT_SUPERVISOR", "PROJECT_MANAGER")
    assert await note(contact_id=contact) is None
    agent = house.agents[0]
    house.enter(Grant("AGENT", AGENT, agent), Grant("AGENT_SUPERVISOR", CAMPAIGN, "cmp_of_others"))
    assert await note(agent_id=agent) is Reason.INVALID_FIELD


async def test_an_annulment_by_email_is_entered_by_people_of_that_campaign(house: House) -> None:
    card = await house.booked()
    command = ClaimAnnulment(
        card.appointment.appointment_id,
        AnnulmentReason.WRONG_DETAILS,
        "wrong street",
        ClaimChannel.EMAIL,
        card.appointment.created_at.replace(microsecond=0),
        claim(),
    )
    here_and_there(house, card, "CUSTOMER", "OPERATOR")
    assert await refused(annulments.claim_annulment(house.desk, command)) is Reason.INVALID_FIELD
    here_and_there(house, card, "OPERATOR", "CUSTOMER")
    assert await annulments.claim_annulment(house.desk, command)


async def test_a_locked_card_is_annotated_by_a_supervisor_of_that_campaign(house: House) -> None:
    card = await house.superseded()
    ident = card.appointment.appointment_id
    here_and_there(house, card, "OPERATOR", "AGENT_SUPERVISOR")
    assert await refused(add_note(house.desk, AddNote(ident, "hello", claim()))) is Reason.SUPERSEDED
    here_and_there(house, card, "AGENT_SUPERVISOR", "OPERATOR")
    assert await add_note(house.desk, AddNote(ident, "hello", claim()))


async def test_an_agent_sees_hidden_fields_only_where_another_role_shows_them(house: House) -> None:
    await upsert_characteristic(house.desk, Characteristic("secret", "Secret", Kind.TEXT))
    await house.outcome_state("told", visible=("secret",))
    await house.outcome_state("silent")
    card = await house.booked()
    written = await house.set_outcome(card, "told", ("secret", "owes money"))
    await house.set_outcome(written, "silent")
    ident = card.appointment.appointment_id
    own = Grant("AGENT", AGENT, house.agents[0])
    house.enter(own, Grant("OPERATOR", CAMPAIGN, "cmp_of_others"))
    assert (await get_outcome(house.desk, ident)).characteristics == {}
    house.enter(own, Grant("OPERATOR", CAMPAIGN, card.appointment.campaign_id))
    assert (await get_outcome(house.desk, ident)).characteristics == {"secret": "owes money"}


async def test_a_view_is_kept_in_the_role_that_shows_it(house: House) -> None:
    first, second = await house.booked(), await house.booked(agent=1)
    house.enter(
        Grant("CUSTOMER", CAMPAIGN, first.appointment.campaign_id),
        Grant("OPERATOR", CAMPAIGN, second.appointment.campaign_id),
        subject="usr_both",
    )
    shown = await list_appointments(house.desk, ListAppointments(False, "", "", "", 0, ""))
    assert len(shown.appointments) == 2
    house.enter()
    logs = [await get_view_log(house.desk, card.appointment.appointment_id) for card in (first, second)]
    assert [[view.role for view in log] for log in logs] == [["CUSTOMER"], []]
