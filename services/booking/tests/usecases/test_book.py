"""Booking: what it stores, tells and refuses."""

import pytest
from booking_house import VISIT, House, claim, soon

from booking.domain.appointment import State
from kit.errors import InvalidInput, NotFound, RuleViolated
from kit.values.ids import new_id
from kit.values.latlng import LatLng

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_booking_is_to_confirm_with_its_stop_its_unit_and_its_event(house: House) -> None:
    campaign = await house.campaign()
    contact = await house.contact(campaign)
    start = soon()
    card = await house.book(campaign, contact, start)
    made = card.appointment
    assert (made.state, made.version, made.agent_id) == (State.TO_CONFIRM, 1, house.agents[0])
    assert (made.window.start, made.window.end) == (start, start + VISIT)
    assert made.operator_id == "usr_operator"
    assert made.note == "ring twice"
    assert card.leg_before is not None
    plan = house.ledger.stops[house.tenant, made.appointment_id].plan
    assert plan.skills == ("pv",)
    assert plan.buffer.total_seconds() == 300
    package = await house.package(campaign)
    assert (package.taken, package.to_confirm, package.cancelled_in_step) == (1, 1, 0)
    assert await house.events() == [("appointment_booked", made.appointment_id)]
    await house.require_sound()
