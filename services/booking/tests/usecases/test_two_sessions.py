"""Two sessions on one card, in either order: one winner, the loser told by name, nothing lost."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from booking_house import House, claim
from house_clock import soon
from rounds_double import RoundsDouble
from two_visits import AT_ONCE, WAITS, Visit, meet

from booking.clients.document_folder import DocumentFolder
from booking.domain.annulment import ClaimState
from booking.domain.appointment import Colour, State
from booking.domain.outcomes import Recall, Result, Written
from booking.domain.refix_modes import Work
from booking.usecases.annulments import get_annulment_claim
from booking.usecases.apply_repair import ApplyRepair, WantedCancellation, WantedMove, apply_repair
from booking.usecases.documents import Shelf, UploadDocument, list_documents, upload_document
from booking.usecases.refix.list_recalls import close_recall
from booking.usecases.set_outcome import SetOutcome, set_outcome
from booking.usecases.swap_appointments import SwapAppointments, swap_appointments
from booking.usecases.virus_scanner import NoScanner
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


# --- the decision of an annulment claim ----------------------------------------------------------------


@pytest.mark.parametrize("annulment_first", [True, False])
async def test_an_annulment_and_a_cancellation_cancel_once(house: House, annulment_first: bool) -> None:
    visit = await Visit.of(house)
    claim_id, accept = await visit.annulment()
    if annulment_first:
        ends = await meet(accept, visit.cancel, "annul_decide.before_commit", WAITS)
    else:
        ends = await meet(visit.cancel, accept, "cancel.before_commit", WAITS)
    assert ends == ("", "")
    assert ((await visit.now()).state, (await visit.now()).version) == (State.CANCELLED, 3)
    assert (await get_annulment_claim(house.desk, claim_id)).state is ClaimState.ACCEPTED
    assert await visit.told("appointment_cancelled") == 1
    await visit.require_sound()


@pytest.mark.parametrize("new_card", [False, True])
@pytest.mark.parametrize("annulment_first", [True, False])
async def test_an_annulment_and_a_refix_leave_one_winner(
    house: House, annulment_first: bool, new_card: bool
) -> None:
    visit = await Visit.of(house, new_card=new_card)
    claim_id, accept = await visit.annulment()
    if annulment_first:
        ends = await meet(accept, visit.refix, "annul_decide.before_commit", WAITS)
        assert ends == ("", "WRONG_STATE")
        assert (await visit.now()).state is State.CANCELLED
    else:
        at = "new_card.after_pending" if new_card else "refix.after_pending"
        assert await meet(visit.refix, accept, at, AT_ONCE) == ("", "CHANGE_IN_PROGRESS")
        assert (await visit.now()).state is (State.SUPERSEDED if new_card else State.TO_CONFIRM)
        assert (await get_annulment_claim(house.desk, claim_id)).state is ClaimState.OPEN
    await visit.require_sound()


# --- recalls -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["recall.before_commit", "refix.before_decide", "refix.after_pending"])
async def test_a_recall_is_closed_once_by_hand_or_by_the_refix(house: House, at: str) -> None:
    visit = await Visit.of(house)
    (recall,) = await house.recalls()

    async def close() -> Any:
        return await close_recall(house.desk, recall.recall_id, "called")

    if at == "recall.before_commit":
        ends = await meet(close, visit.refix, at, WAITS)
    else:
        ends = await meet(visit.refix, close, at, overtakes=at == "refix.after_pending")
    assert ends == ("", "")
    assert await house.recalls() == []
    assert await visit.told("recall_closed") == 1
    assert (await visit.now()).outcome_state_id == "refixed"
    await visit.require_sound()


# --- answers to reminders ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "told"), [("postpone", "WRONG_STATE"), ("cancel", ""), ("refix", "WRONG_STATE")]
)
async def test_whoever_comes_after_a_refusal_of_the_visit_is_told(house: House, verb: str, told: str) -> None:
    visit = await Visit.of(house)
    await house.set_outcome(visit.card, "refixed")  # an open outcome: any start may be chosen
    ends = await meet(visit.answer(coming=False), getattr(visit, verb), "answer.before_commit", WAITS)
    assert ends == ("", told)
    now = await visit.now()
    assert (now.state, now.colour) == (State.CANCELLED, Colour.RED)
    assert await visit.told("appointment_cancelled") == 1
    await visit.require_sound()


@pytest.mark.parametrize(
    ("verb", "at"),
    [
        ("postpone", "postpone.after_pending"),
        ("refix", "refix.after_pending"),
        ("cancel", "cancel.before_commit"),
    ],
)
async def test_an_answer_that_comes_during_a_change_is_of_the_start_before(
    house: House, verb: str, at: str
) -> None:
    """It is told again while geo is asked; by then it is about another start, and decides nothing."""
    visit = await Visit.of(house)
    await house.set_outcome(visit.card, "refixed")
    hear = visit.answer(coming=True)
    moves = verb != "cancel"
    ends = await meet(getattr(visit, verb), hear, at, AT_ONCE if moves else WAITS)
    assert ends == ("", "CHANGE_IN_PROGRESS" if moves else "")
    await hear()
    now = await visit.now()
    assert now.state is (State.TO_CONFIRM if moves else State.CANCELLED)
    assert now.colour is (None if moves else Colour.GREEN)
    assert await visit.told("appointment_confirmed") == 0
    await visit.require_sound()


# --- documents -----------------------------------------------------------------------------------------


async def _content() -> AsyncIterator[bytes]:
    yield b"%PDF-1.7 signed"


@pytest.mark.parametrize(
    ("at", "overtakes", "told"),
    [
        ("document.before_commit", WAITS, ""),
        ("document.after_put", AT_ONCE, "SUPERSEDED"),
        ("new_card.after_pending", AT_ONCE, ""),
        ("new_card.before_commit", WAITS, "SUPERSEDED"),
    ],
)
async def test_a_document_comes_before_a_card_is_locked_or_not_at_all(
    house: House, tmp_path: Path, at: str, overtakes: bool, told: str
) -> None:
    visit = await Visit.of(house, new_card=True)
    folder = DocumentFolder(tmp_path / "documents")

    async def upload() -> Any:
        wanted = UploadDocument(visit.ident, "", "form.pdf", new_id("req"))
        return await upload_document(house.desk, Shelf(folder, NoScanner()), wanted, _content())

    if at.startswith("document"):
        assert await meet(upload, visit.refix, at, overtakes) == (told, "")
    else:
        assert await meet(visit.refix, upload, at, overtakes) == ("", told)
    assert (await visit.now()).state is State.SUPERSEDED
    kept = [path for path in (tmp_path / "documents").rglob("*") if path.is_file()]
    assert len(kept) == len(await list_documents(house.desk, visit.ident)) == (0 if told else 1)
    await visit.require_sound()


# --- procedures ----------------------------------------------------------------------------------------


async def dated(house: House, *, held: bool = False) -> Visit:
    """A visit whose agent has named a date that a procedure moves it to; or one that was said to be held."""
    visit = await Visit.of(house)
    await house.outcome_state("held", result=Result.HELD, recall=Recall.NONE)
    await house.outcome_state("ko-date", refix=True, recall=Recall.NONE)
    await house.procedure(Work.MOVE, "ko-date")
    if held:
        await house.set_outcome(visit.card, "held")
    else:
        await house.set_outcome(visit.card, "ko-date", refix_at=soon(80))
    return visit


@pytest.mark.parametrize("correction_first", [True, False])
async def test_a_correction_and_a_procedure_leave_one_effect(house: House, correction_first: bool) -> None:
    visit = await dated(house, held=correction_first)

    async def correct() -> Any:
        written = Written((), "the wrong door", soon(80))
        command = SetOutcome(visit.ident, "ko-date", written, 0, claim(), correction=True)
        return await set_outcome(house.desk, command)

    if correction_first:
        assert await meet(correct, house.run, "outcome.before_commit", AT_ONCE) == ("", "")
        assert (await visit.now()).outcome_state_id == "ko-date"
        await house.run()
    else:
        assert await meet(house.run, correct, "procedure.after_pending", AT_ONCE) == ("", "WRONG_STATE")
    now = await visit.now()
    assert (now.outcome_state_id, now.state) == ("refixed", State.TO_CONFIRM)
    assert await visit.told("appointment_refixed") == 1
    await visit.require_sound()


@pytest.mark.parametrize(
    ("swap_first", "at", "ends"),
    [
        (True, "repair.after_pending", ("", "")),
        (True, "repair.before_commit", ("", "")),
        (False, "procedure.after_pending", ("", "CHANGE_IN_PROGRESS")),
    ],
)
async def test_a_swap_and_a_procedure_both_have_their_way_in_turn(
    house: House, swap_first: bool, at: str, ends: tuple[str, str]
) -> None:
    visit = await dated(house)
    contact = visit.card.appointment.contact_id
    other = await house.book(visit.campaign, contact, soon(48), house.agents[1])
    pair = (visit.ident, 0), (other.appointment.appointment_id, 0)

    async def swap() -> Any:
        command = SwapAppointments(*pair, claim())
        return await swap_appointments(house.desk, RoundsDouble(house.ledger), command)

    first, second = (swap, house.run) if swap_first else (house.run, swap)
    assert await meet(first, second, at, AT_ONCE) == ends
    await house.settle()
    await house.run()
    now = await visit.now()
    assert (now.outcome_state_id, now.agent_id) == ("refixed", house.agents[1 if swap_first else 0])
    assert await house.exceptions() == []
    await visit.require_sound()


# --- repairs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gives_up", [False, True], ids=["moved", "given up"])
@pytest.mark.parametrize(
    ("at", "overtakes", "told"),
    [
        ("repair.after_pending", AT_ONCE, "CHANGE_IN_PROGRESS"),
        ("repair.before_commit", WAITS, ""),
        ("cancel.before_commit", WAITS, "WRONG_STATE"),
    ],
)
async def test_a_repair_and_a_cancellation_of_one_of_its_cards(
    house: House, gives_up: bool, at: str, overtakes: bool, told: str
) -> None:
    """All of the repair or nothing, and the card is cancelled once."""
    visit = await Visit.of(house)
    contact = visit.card.appointment.contact_id
    other = await house.book(visit.campaign, contact, soon(52))

    async def repair() -> Any:
        named = [visit.ident, other.appointment.appointment_id]
        moved, given_up = named[::-1] if gives_up else named
        moves = (WantedMove(moved, house.agents[1], soon(56), 0),)
        command = ApplyRepair(moves, (WantedCancellation(given_up, 0),), "ill", claim())
        return await apply_repair(house.desk, RoundsDouble(house.ledger), command)

    first, second = (visit.cancel, repair) if at.startswith("cancel") else (repair, visit.cancel)
    assert await meet(first, second, at, overtakes) == ("", told)
    await visit.require_sound()
    repaired = not at.startswith("cancel")
    states = (await visit.now()).state, (await house.stored(other.appointment.appointment_id)).state
    cancelled = not repaired or gives_up or told == ""
    assert (states[0] is State.CANCELLED) == cancelled
    assert (states[1] is State.CANCELLED) == (repaired and not gives_up)
    assert await visit.told("appointment_cancelled") == [*states].count(State.CANCELLED)
    now = await house.stored(other.appointment.appointment_id)
    assert (now.agent_id == house.agents[1]) == (repaired and gives_up)
