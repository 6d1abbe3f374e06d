"""States, parameters and times that tests of re-fixing share."""

from datetime import datetime, timedelta
from typing import Any

from booking_house import House
from house_clock import soon

from booking.domain.appointment import Appointment
from booking.domain.outcomes import Recall, Result
from booking.domain.refix_modes import Work
from kit.rpc.context import Grant

BASE = soon(0)
OPERATOR = Grant("OPERATOR", "tenant", "")
MODE_1 = {"CC0036": "NO", "CC0036B": "0", "CC0037": "NO", "CC0037A": "NO"}
MODE_2 = {"CC0036": "SI", "CC0037": "SI", "CC0037A": "NO", "CC036DB": "refixed"}
FLEXIBLE = {"CC0036": "SI", "CC0037": "NO", "CC0037A": "SI", "CC0036D": "0"}


def at(hours: float) -> datetime:
    """The same whole second however often it is asked for."""
    return BASE + timedelta(hours=hours)


async def states(house: House) -> None:
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state("ko")
    await house.outcome_state("ko-private", recall=Recall.PRIVATE, list_state="W")
    await house.outcome_state("ko-date", recall=Recall.NONE, refix=True)
    await house.outcome_state("ko-call", recall=Recall.PUBLIC, list_state="W", refix=True)


async def raw(house: House, appointment_id: str) -> dict[str, Any]:
    """What people wrote and see on a card."""
    row = (await house.all_stored())[appointment_id]
    kept = ("campaign_id", "contact_id", "agent_id", "starts_at", "ends_at", "place", "operator_id", "note")
    return {name: getattr(row, name) for name in (*kept, "characteristics")}


async def locked(house: House, *, linked: bool) -> tuple[Appointment, Appointment]:
    await states(house)
    await house.parameters(**MODE_2, CC0036C="SI" if linked else "NO")
    card = await house.booked(at(48))
    await house.set_outcome(card)
    new = (await house.refix(card, at(72), choices={"note": "ring twice"})).appointment
    return await house.stored(card.appointment.appointment_id), new


async def dated(house: House, work: Work, taken: datetime) -> None:
    """A procedure that works agents' dates; at `taken` the first agent is elsewhere, and three other starts
    are open."""
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state("ko-date", refix=True, recall=Recall.NONE)
    await house.procedure(work, "ko-date")
    await house.booked(taken)
    house.ledger.slots = [(house.agents[1], soon(hours)) for hours in (190, 210, 220)]


async def again(house: House) -> None:
    """The worker is started again, and time passes."""
    await house.settle()
    await house.advance(timedelta(minutes=2))
    await house.run()
    await house.settle()
