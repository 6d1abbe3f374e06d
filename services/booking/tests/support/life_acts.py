"""What a life does to one card or two, on the product; by the verbs of the model."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from booking_house import House, claim
from life_model import COLOURS, COMING, DATED, OF_PAIR, CardModel
from rounds_double import RoundsDouble

from booking.domain.annulment import AnnulmentReason, ClaimChannel
from booking.domain.appointment import Card, Colour
from booking.domain.outcomes import Written
from booking.usecases.add_note import AddNote, add_note
from booking.usecases.annulments import ClaimAnnulment, claim_annulment
from booking.usecases.apply_repair import ApplyRepair, WantedCancellation, WantedMove, apply_repair
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.hear_answer import Heard, hear_answer
from booking.usecases.set_outcome import SetOutcome, set_outcome
from booking.usecases.swap_appointments import SwapAppointments, swap_appointments

Act = Callable[[], Awaitable[Any]]


def of_card(house: House, verb: str, card: tuple[str, CardModel], start: datetime) -> Act:
    """A change of the card (id, as it is) to this start where it needs one."""
    key, known = card

    async def move() -> Any:
        stored = await house.stored(key)
        if verb == "postpone":
            return await house.postpone(Card(stored), start)
        if verb == "reassign":
            return await house.reassign(Card(stored), house.agents[1 - known.agent])
        return await house.refix(stored, start, choices={"new_card": verb == "new", "state_id": "refixed"})

    async def annul() -> Any:
        asked = (AnnulmentReason.NOT_HELD, "", ClaimChannel.PORTAL, None, claim())
        return await claim_annulment(house.desk, ClaimAnnulment(key, *asked))

    async def outcome() -> Any:
        return await house.set_outcome(
            await house.stored(key), verb, refix_at=start if verb in DATED else None
        )

    async def correct() -> Any:
        written = Written((), "not at all", None)
        return await set_outcome(house.desk, SetOutcome(key, "ko", written, 0, claim(), correction=True))

    acts: dict[str, Act] = {
        "correct": correct,
        "confirm": lambda: confirm_appointment(house.desk, ConfirmAppointment(key, 0)),
        "cancel": lambda: cancel_appointment(house.desk, CancelAppointment(key, 0, "")),
        "note": lambda: add_note(house.desk, AddNote(key, "rings the neighbour's bell", claim())),
        "claim": annul,
    }
    if verb in {"postpone", "reassign", "same", "new"}:
        return move
    return acts.get(verb, outcome)


def answer(house: House, verb: str, key: str, start: datetime, revision: int) -> Act:
    """What reminders tell of this start."""
    coming = COMING[verb]
    heard = Heard(key, start, Colour(COLOURS[coming]), coming, revision, claim())
    return lambda: hear_answer(house.desk, house.tenant, heard)


def of_pair(house: House, verb: str, pair: tuple[str, str], agents: tuple[int, int], start: datetime) -> Act:
    """A swap of two, or a repair that moves the first to this start and cancels another one."""
    assert verb in OF_PAIR
    one, other = pair
    rounds = RoundsDouble(house.ledger)
    if verb == "swap":
        return lambda: swap_appointments(house.desk, rounds, SwapAppointments((one, 0), (other, 0), claim()))
    agent = agents[0] if verb == "repair-same" else 1 - agents[0]
    given_up = (WantedCancellation(other, 0),) if other != one else ()
    moves = (WantedMove(one, house.agents[agent], start, 0),)
    return lambda: apply_repair(house.desk, rounds, ApplyRepair(moves, given_up, "ill", claim()))
