"""The five modes from end to end: BK-17 to BK-22, BK-24 to BK-26; a sixth one (R-031)."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from booking_house import House, claim
from house_clock import soon
from refix_world import FLEXIBLE, MODE_1, MODE_2, OPERATOR, at, locked, raw, states

from booking.domain.appointment import Appointment, State
from booking.domain.history import HistoryKind
from booking.domain.outcomes import ListState, Recall, Result
from booking.domain.refix_modes import CardRule, Mode, Work
from booking.usecases.add_note import AddNote, add_note
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.list_history import list_history
from booking.usecases.outcome_states import upsert_list_state
from booking.usecases.refix.policy import (
    upsert_mode,
)
from booking.usecases.refix.refix_appointment import get_refix_form
from kit.errors import GiroError, InvalidInput, NotFound, Reason
from kit.rpc.context import Grant

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_mode_1_moves_the_same_card_and_keeps_all_notes(house: House) -> None:
    await states(house)
    card = await house.booked(at(48))
    ident = card.appointment.appointment_id
    await confirm_appointment(house.desk, ConfirmAppointment(ident, 0))
    for cycle in range(3):
        await house.set_outcome(card, note=f"KO {cycle}")
        (recall,) = await house.recalls()
        assert (recall.appointment_id, recall.private) == (ident, False)
        form = await get_refix_form(house.desk, ident)
        assert (form.mode_id, form.new_card, form.flag) == ("mode-1", False, None)
        start = at(72 + 24 * cycle)
        again = await house.refix(card, start, choices={"state_id": "refixed", "note": f"call {cycle}"})
        assert (again.appointment.appointment_id, again.appointment.window.start) == (ident, start)
        assert again.appointment.state is State.TO_CONFIRM
        assert again.appointment.outcome_state_id == "refixed"
        assert await house.recalls() == []
        await house.require_sound()
    entries = await house.history(ident)
    assert [entry.note for entry in entries if entry.kind is HistoryKind.OUTCOME] == ["KO 0", "KO 1", "KO 2"]
    assert [entry.note for entry in entries] == ["KO 0", "call 0", "KO 1", "call 1", "KO 2", "call 2"]
    assert len(await house.all_stored()) == 1


async def test_mode_1_wants_a_state_unless_cc0036b_presets_it(house: House) -> None:
    await states(house)
    card = await house.booked(at(48))
    await house.set_outcome(card)
    with pytest.raises(InvalidInput) as refused:
        await house.refix(card, at(72))
    assert refused.value.violations[0].field == "state_id"
    await house.parameters(CC036B="refixed")
    with pytest.raises(GiroError) as preset:
        await house.refix(card, at(72), choices={"state_id": "ko"})
    assert preset.value.reason is Reason.PRESET
    assert (await house.refix(card, at(72))).appointment.outcome_state_id == "refixed"


async def test_mode_2_makes_a_new_card_and_locks_the_old_one(house: House) -> None:
    await states(house)
    await house.parameters(**MODE_2, CC0036C="SI")
    card = await house.booked(at(48))
    ident = card.appointment.appointment_id
    await confirm_appointment(house.desk, ConfirmAppointment(ident, 0))
    await house.set_outcome(card)
    before = await raw(house, ident)
    new = (await house.refix(card, at(72))).appointment
    assert new.appointment_id != ident
    assert (new.supersedes, new.linked, new.outcome_state_id) == (ident, True, "refixed")
    assert (new.state, new.window.start) == (State.TO_CONFIRM, at(72))
    old = await house.stored(ident)
    assert (old.state, old.superseded_by, old.outcome_state_id) == (
        State.SUPERSEDED,
        new.appointment_id,
        "ko",
    )
    assert await raw(house, ident) == before
    await house.settle()
    await house.require_sound()
    assert [row.state for row in (await house.all_stored()).values()].count("TO_CONFIRM") == 1
    assert (await house.events())[-3:] == [
        ("recall_closed", ident),
        ("appointment_superseded", ident),
        ("appointment_booked", new.appointment_id),
    ]


async def test_a_full_package_does_not_keep_a_visit_from_being_fixed_again(house: House) -> None:
    await states(house)
    await house.parameters(**MODE_2)
    campaign = await house.campaign(purchased=1)
    card = await house.book(campaign, await house.contact(campaign), at(48))
    await house.set_outcome(card)
    await house.refix(card, at(72))
    assert (await house.package(campaign)).taken == 1
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("new_card", [None, True, False])
async def test_the_flexible_variant_lets_the_operator_decide(house: House, new_card: bool | None) -> None:
    await states(house)
    await house.parameters(**FLEXIBLE)
    card = await house.booked(at(48))
    await house.set_outcome(card)
    made = await house.refix(card, at(72), choices={"new_card": new_card, "state_id": "refixed"})
    is_new = made.appointment.appointment_id != card.appointment.appointment_id
    assert is_new is (new_card is not False)  # CC0037A=SI: the flag is set unless it is taken away


@pytest.mark.parametrize(
    "role", ["ADMINISTRATOR", "PROJECT_MANAGER", "OPERATOR", "AGENT", "AGENT_SUPERVISOR"]
)
async def test_a_locked_card_refuses_every_write_of_every_role(house: House, role: str) -> None:
    old, _ = await locked(house, linked=False)
    house.enter(Grant(role, "tenant", ""))
    ident = old.appointment_id
    writes = (
        lambda: confirm_appointment(house.desk, ConfirmAppointment(ident, 0)),
        lambda: cancel_appointment(house.desk, CancelAppointment(ident, 0, "")),
        lambda: house.postpone(_card(old), at(90)),
        lambda: house.reassign(_card(old), house.agents[1]),
        lambda: house.set_outcome(old),
        lambda: house.refix(old, at(90)),
        lambda: get_refix_form(house.desk, ident),
    )
    before = await house.all_stored()
    for write in writes:
        with pytest.raises(GiroError) as refused:
            await write()
        assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", Reason.SUPERSEDED)
    if role == "AGENT_SUPERVISOR":
        noted = await add_note(house.desk, AddNote(ident, "checked", claim()))
        assert noted.kind is HistoryKind.NOTE
    else:
        with pytest.raises(GiroError) as refused:
            await add_note(house.desk, AddNote(ident, "checked", claim()))
        assert refused.value.reason is Reason.SUPERSEDED
    assert await house.all_stored() == before


def _card(appointment: Appointment) -> Any:
    from booking.domain.appointment import Card

    return Card(appointment)


@pytest.mark.parametrize("linked", [True, False])
async def test_the_link_is_shown_or_kept_for_auditors(house: House, linked: bool) -> None:
    from booking.transport import messages

    old, new = await locked(house, linked=linked)
    shown = messages.appointment(new), messages.appointment(old)
    assert [each.supersedes for each in shown] == [old.appointment_id if linked else "", ""]
    assert [each.superseded_by for each in shown] == ["", new.appointment_id if linked else ""]
    assert (shown[1].locked, shown[1].card_colour) == (True, 1)
    assert (shown[0].locked, shown[0].card_colour) == (False, 0)
    house.enter(OPERATOR)
    seen = (await list_history(house.desk, new.appointment_id, 0, "")).entries
    assert [entry.kind for entry in seen] == [HistoryKind.SUPERSEDES if linked else HistoryKind.NOTE]
    assert [(entry.note, "supersedes" in entry.facts) for entry in seen] == [("ring twice", linked)]
    locked_entries = (await list_history(house.desk, old.appointment_id, 0, "")).entries
    assert any(new.appointment_id in entry.facts.values() for entry in locked_entries) is linked
    house.enter()
    audit = (await list_history(house.desk, new.appointment_id, 0, "")).entries
    assert [entry.facts["supersedes"] for entry in audit] == [old.appointment_id]


@pytest.mark.parametrize("on_new", [False, True])
@pytest.mark.parametrize("moves", ["SI", "NO"])
async def test_ownership_goes_to_whoever_refixed_with_cc0036a(house: House, on_new: bool, moves: str) -> None:
    await states(house)
    await house.parameters(**(MODE_2 if on_new else {**MODE_1, "CC0036B": "refixed"}), CC0036A=moves)
    card = await house.booked(at(48))
    await house.set_outcome(card)
    house.enter(OPERATOR, subject="usr_second")
    made = (await house.refix(card, at(72))).appointment
    assert made.operator_id == ("usr_second" if moves == "SI" else "usr_operator")
    entries = await house.history(made.appointment_id)
    owners = [entry.facts for entry in entries if entry.kind is HistoryKind.OWNER]
    both = {"previous_owner": "usr_operator", "owner": "usr_second", "mode": "mode-2" if on_new else "mode-1"}
    assert owners == ([both] if moves == "SI" else [])
    assert entries[-1].actor_id == "usr_second"


PARAMETER_SETS = [MODE_1, {**MODE_1, "CC0036B": "refixed", "CC0036A": "SI"}, MODE_2, FLEXIBLE]


@pytest.mark.parametrize("values", PARAMETER_SETS)
async def test_mode_3_moves_the_card_whatever_the_parameters(house: House, values: dict[str, str]) -> None:
    await states(house)
    await house.parameters(**values)
    await house.procedure(Work.MOVE, "ko-date")
    card = await house.booked(at(48))
    refix_at = at(80)
    await house.set_outcome(card, "ko-date", refix_at=refix_at)
    await house.run()
    moved = await house.stored(card.appointment.appointment_id)
    assert (moved.window.start, moved.window.duration) == (refix_at, card.appointment.window.duration)
    assert (moved.outcome_state_id, moved.operator_id, moved.refix_at) == ("refixed", "usr_operator", None)
    assert await house.recalls() == []
    assert (await house.history(moved.appointment_id))[-1].actor_id == "procedure:move-refixed"
    await house.run()
    assert (await house.stored(moved.appointment_id)) == moved
    await house.require_sound()


@pytest.mark.parametrize("values", PARAMETER_SETS)
async def test_mode_4_makes_a_new_card_whatever_the_parameters(house: House, values: dict[str, str]) -> None:
    await states(house)
    await house.parameters(**values)
    await house.procedure(Work.NEW_CARD, "ko-date")
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-date", refix_at=at(80))
    await house.run()
    old = await house.stored(card.appointment.appointment_id)
    assert (old.state, old.outcome_state_id) == (State.SUPERSEDED, "refixed")
    new = await house.stored(str(old.superseded_by))
    assert (new.state, new.window.start, new.outcome_state_id) == (State.TO_CONFIRM, at(80), "")
    await house.run()
    assert len(await house.all_stored()) == 2
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("values", [MODE_1, MODE_2])
async def test_mode_5_recalls_on_the_agents_date_and_then_follows_the_parameters(
    house: House, values: dict[str, str]
) -> None:
    await states(house)
    await house.parameters(**values)
    await upsert_list_state(house.desk, ListState("W", "Recall", timedelta(days=9)))  # overwritten
    await house.procedure(Work.RECALL, "ko-call")
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-call", refix_at=at(30))
    assert await house.recalls() == []
    await house.run()
    await house.run()
    (recall,) = await house.recalls()
    assert recall.due_at == at(30)
    made = (await house.refix(card, at(80), choices={"state_id": "refixed"})).appointment
    is_new = made.appointment_id != card.appointment.appointment_id
    assert is_new is (values is MODE_2)
    assert await house.recalls() == []


async def test_a_sixth_mode_needs_no_code(house: House) -> None:
    await states(house)
    sixth = Mode(
        "tomorrow",
        "Called tomorrow, new card",
        Work.NONE,
        CardRule.NEW,
        recall=True,
        state_ids=("ko",),
        recall_delay=timedelta(days=1),
        priority=5,
    )
    await upsert_mode(house.desk, sixth)
    card = await house.booked(at(48))
    after = await house.set_outcome(card)
    (recall,) = await house.recalls()
    assert recall.due_at == after.updated_at + timedelta(days=1)
    assert (await get_refix_form(house.desk, after.appointment_id)).mode_id == "tomorrow"
    made = await house.refix(card, at(72))  # though CC0036 is NO
    assert made.appointment.supersedes == after.appointment_id
    with pytest.raises(NotFound):
        await upsert_mode(house.desk, dataclasses.replace(sixth, state_ids=("nobodys",)))


async def test_what_says_that_a_visit_was_held_is_the_agents_alone(house: House) -> None:
    await house.outcome_state("done", result=Result.HELD, recall=Recall.NONE)
    await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
    await house.outcome_state()
    for code in ("CC0036B", "CC0036D", "default_appointment_state"):
        with pytest.raises(GiroError) as refused:
            await house.parameters(**{code: "done"})
        assert refused.value.reason is Reason.POLICY_CONTRADICTION
    await house.parameters(CC0036="SI", CC0037="SI", CC0036D="refixed")
    with pytest.raises(GiroError) as refused:
        await house.outcome_state("refixed", result=Result.HELD, recall=Recall.NONE)
    assert refused.value.reason is Reason.POLICY_CONTRADICTION
    await house.parameters(CC0036D="0")
    card = await house.booked()
    await house.set_outcome(card)
    with pytest.raises(GiroError) as refused:
        await house.refix(card, soon(72), choices={"state_id": "done"})
    assert [violation.field for violation in refused.value.violations] == ["state_id"]
    made = await house.refix(card, soon(72))
    assert (made.appointment.state, made.appointment.outcome_state_id) == (State.TO_CONFIRM, "")
