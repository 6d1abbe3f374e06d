"""Recalls: whose they are, when they are released, what closes them."""

import dataclasses
from datetime import timedelta

import pytest
from booking_house import House
from refix_world import OPERATOR, at, states

from booking.domain.outcomes import Recall, Result
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.refix.list_recalls import close_recall, release_recalls
from kit.errors import NotAllowed, NotFound
from kit.rpc.context import Grant

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_private_recalls_are_their_operators_until_they_are_released(house: House) -> None:
    await states(house)
    await house.parameters(private_release_minutes="45")
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-private")
    (recall,) = await house.recalls()
    assert recall.release_at == recall.due_at + timedelta(minutes=45)
    house.enter(OPERATOR, subject="usr_second")
    assert await house.recalls() == []
    with pytest.raises(NotAllowed):
        await house.refix(card, at(72), choices={"state_id": "refixed"})
    with pytest.raises(NotFound):
        await close_recall(house.desk, recall.recall_id, "")
    house.enter(OPERATOR)
    assert await house.recalls() == [recall]
    house.enter(OPERATOR, subject="usr_second")
    await house.advance(timedelta(minutes=44, seconds=30))
    await release_recalls(house.desk)
    assert await house.recalls() == []
    await house.advance(timedelta(seconds=30))
    assert await house.recalls() == [recall], "at 45 minutes another operator sees it"
    await release_recalls(house.desk)
    assert await house.recalls() == [dataclasses.replace(recall, private=False, release_at=None)]
    await release_recalls(house.desk)
    names = [event for event, _ in await house.events()]
    assert names.count("recall_released") == 1
    made = await house.refix(card, at(72), choices={"state_id": "refixed"})
    assert made.appointment.window.start == at(72)


async def test_zero_minutes_release_no_recall(house: House) -> None:
    await states(house)
    await house.parameters(private_release_minutes="0")
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-private")
    await house.advance(timedelta(days=400))
    await release_recalls(house.desk)
    house.enter(OPERATOR, subject="usr_second")
    assert await house.recalls() == []


async def test_recalls_of_other_campaigns_are_not_seen(house: House) -> None:
    await states(house)
    card = await house.booked(at(48))
    await house.set_outcome(card)
    other = await house.campaign()
    house.enter(Grant("OPERATOR", "campaign", other.campaign_id), subject="usr_second")
    assert await house.recalls() == []
    house.enter(Grant("OPERATOR", "campaign", card.appointment.campaign_id), subject="usr_second")
    (recall,) = await house.recalls()
    closed = await close_recall(house.desk, recall.recall_id, "does not want us any more")
    assert (closed.open, await house.recalls()) == (False, [])
    assert (await close_recall(house.desk, recall.recall_id, "")).open is False
    assert (await house.history(recall.appointment_id))[-1].note == "does not want us any more"


@pytest.mark.parametrize("verb", ["cancel", "refix", "outcome"])
async def test_who_decides_anew_closes_the_recall(house: House, verb: str) -> None:
    await states(house)
    await house.outcome_state("done", result=Result.HELD, recall=Recall.NONE)
    card = await house.booked(at(48))
    await house.set_outcome(card)
    if verb == "cancel":
        command = CancelAppointment(card.appointment.appointment_id, 0, "")
        await cancel_appointment(house.desk, command)
    elif verb == "refix":
        await house.refix(card, at(90), choices={"state_id": "refixed"})
    else:
        await house.set_outcome(card, "done")
    assert await house.recalls() == []
    assert [event for event, _ in await house.events()].count("recall_closed") == 1
