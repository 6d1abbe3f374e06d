"""The five modes from end to end: BK-17 to BK-22, BK-24 to BK-26, BK-29 to BK-32; a sixth one (R-031)."""

import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
from booking_house import House, claim
from house_clock import soon
from sqlalchemy import text

from booking.domain.appointment import Appointment, State
from booking.domain.history import HistoryKind
from booking.domain.outcomes import ListState, Recall, Result
from booking.domain.refix import Screen
from booking.domain.refix_modes import PROCEDURES, CardRule, Mode, Work
from booking.storage.parameters import Place
from booking.usecases.add_note import AddNote, add_note
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.list_history import list_history
from booking.usecases.outcome_states import upsert_list_state
from booking.usecases.refix.list_recalls import close_recall, release_recalls
from booking.usecases.refix.policy import (
    Draft,
    list_procedures,
    upsert_mode,
    upsert_procedure,
    validate_policy,
)
from booking.usecases.refix.refix_appointment import get_refix_form
from booking.usecases.refix.run_procedures import run_procedures
from booking.usecases.set_parameter import get_effective_parameter, import_parameters, set_parameter
from kit.errors import GiroError, InvalidInput, NotAllowed, NotFound, Reason
from kit.parameters import Scope
from kit.rpc.context import Grant

pytestmark = pytest.mark.asyncio(loop_scope="session")

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


async def locked(house: House, *, linked: bool) -> tuple[Appointment, Appointment]:
    await states(house)
    await house.parameters(**MODE_2, CC0036C="SI" if linked else "NO")
    card = await house.booked(at(48))
    await house.set_outcome(card)
    new = (await house.refix(card, at(72), choices={"note": "ring twice"})).appointment
    return await house.stored(card.appointment.appointment_id), new


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


@pytest.mark.parametrize("kind", [Work.MOVE, Work.NEW_CARD])
async def test_a_date_that_cannot_be_kept_moves_nothing_and_offers_three(house: House, kind: Work) -> None:
    await states(house)
    await house.procedure(kind, "ko-date")
    card = await house.booked(at(48))
    await house.booked(at(80))  # the same agent is elsewhere by then
    house.ledger.slots = [(house.agents[0], at(hours)) for hours in (30, 79, 82, 84, 110)]
    await house.set_outcome(card, "ko-date", refix_at=at(80))
    before = await house.stored(card.appointment.appointment_id)
    await house.run()
    assert await house.stored(before.appointment_id) == before
    (found,) = await house.exceptions()
    assert (found.reason, found.refix_at) == ("SLOT_TAKEN", at(80))
    assert [each.start for each in found.alternatives] == [at(79), at(82), at(84)]
    assert (await house.history(before.appointment_id))[-1].kind is HistoryKind.EXCEPTION
    await house.run()
    assert await house.exceptions() == [found]
    made = await house.refix(before, found.alternatives[0].start, choices={"state_id": "refixed"})
    assert made.appointment.window.start == at(79)
    assert await house.exceptions() == []
    await house.settle()
    await house.require_sound()


async def test_a_date_that_has_passed_meanwhile_is_an_exception(house: House) -> None:
    await states(house)
    await house.procedure(Work.MOVE, "ko-date", active=False)
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-date", refix_at=at(1))
    await house.advance(timedelta(hours=2))
    house.ledger.slots = [(house.agents[1], at(50))]
    await house.procedure(Work.MOVE, "ko-date")
    await house.run()
    (found,) = await house.exceptions()
    assert (found.reason, [each.agent_id for each in found.alternatives]) == ("LEAD_TIME", [house.agents[1]])
    assert "move_each" not in house.ledger.calls


async def test_a_date_is_no_more_once_the_appointment_has_changed(house: House) -> None:
    await states(house)
    await house.procedure(Work.MOVE, "ko-date")
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-date", refix_at=at(80))
    await house.postpone(card, at(90))
    await house.run()
    assert (await house.stored(card.appointment.appointment_id)).window.start == at(90)


async def test_a_procedure_runs_when_its_interval_is_over_and_only_while_active(house: House) -> None:
    await states(house)
    await house.procedure(Work.RECALL, "ko-call", interval=timedelta(hours=1))
    await run_procedures(house.desk)
    card = await house.booked(at(48))
    await house.set_outcome(card, "ko-call", refix_at=at(30))
    await run_procedures(house.desk)
    assert await house.recalls() == []
    await house.advance(timedelta(minutes=61))
    await house.procedure(Work.RECALL, "ko-call", active=False)
    await run_procedures(house.desk)
    assert await house.recalls() == []
    await house.procedure(Work.RECALL, "ko-call")
    await run_procedures(house.desk)
    assert len(await house.recalls()) == 1


async def test_the_same_rules_hold_on_three_screens(house: House) -> None:
    await states(house)
    await house.parameters(**MODE_2, CC0036C="SI")
    results = []
    for number, screen in enumerate(Screen):
        card = await house.booked(at(48 + number))
        await house.set_outcome(card)
        made = (await house.refix(card, at(72 + number), choices={"screen": screen})).appointment
        entries = await house.history(made.appointment_id)
        assert entries[0].facts["screen"] == screen.value
        old = await house.stored(card.appointment.appointment_id)
        results.append((made.state, made.outcome_state_id, made.linked, old.state, made.operator_id))
    assert len(set(results)) == 1


async def test_a_contradiction_is_refused_when_it_is_saved_and_listed_when_asked(house: House) -> None:
    await states(house)
    with pytest.raises(GiroError) as refused:
        await house.procedure(Work.MOVE, "ko")
    assert refused.value.reason is Reason.POLICY_CONTRADICTION
    assert refused.value.metadata == {"codes": "PROCEDURE_WITHOUT_DATE"}
    await house.procedure(Work.MOVE, "ko-date")
    with pytest.raises(GiroError) as refused:
        await house.outcome_state("ko-date", recall=Recall.PUBLIC, list_state="W", refix=True)
    assert refused.value.metadata == {"codes": "PROCEDURE_FORBIDS_RECALL"}
    for values in ({"CC0037": "SI"}, {"CC036B": "nobodys"}):
        with pytest.raises(GiroError) as refused:
            await house.parameters(**values)
        assert refused.value.reason is Reason.POLICY_CONTRADICTION
    await house.parameters(CC0036D="nobodys")  # its default is proposed instead
    draft = Draft([("CC036B", "nobodys"), ("CC0037", "SI")])
    found = await validate_policy(house.desk, Place(), draft)
    assert [each.code for each in found if each.refused] == ["NEW_CARD_NOT_ALLOWED", "UNKNOWN_STATE"]
    stored = await validate_policy(house.desk, Place(), Draft())
    assert [(each.code, each.subject) for each in stored] == [("NO_MODE", "ko-call")]
    with pytest.raises(NotFound) as missing:
        await validate_policy(house.desk, Place(), Draft([("CC0036", "SI"), ("CC0099", "SI")]))
    assert missing.value.violations[0].field == "parameters[1].name"
    twice = [("CC0036", "SI"), ("CC036", "NO")]  # both spellings are the same parameter
    for ask in (
        validate_policy(house.desk, Place(), Draft(twice)),
        import_parameters(house.desk, Place(), twice),
    ):
        with pytest.raises(InvalidInput) as doubled:
            await ask
        assert doubled.value.violations[0].field == "parameters[1].name"


async def test_a_procedure_tells_how_it_is_set_up_until_it_is_told_otherwise(house: House) -> None:
    await states(house)
    built_in = {each.procedure_id: each.description for each in PROCEDURES}
    made = await house.procedure(Work.MOVE, "ko-date")
    assert made.description == built_in["move-refixed"]
    own = await upsert_procedure(house.desk, dataclasses.replace(made, description="as ours does"))
    assert (await upsert_procedure(house.desk, dataclasses.replace(own, description=""))) == own
    found = {each.procedure_id: each.description for each in await list_procedures(house.desk)}
    assert found == {**built_in, "move-refixed": "as ours does"}


async def test_a_parameter_tells_its_source_from_system_to_user(house: House) -> None:
    campaign = (await house.campaign()).campaign_id
    seen = (campaign, "usr_1")
    for place, scope in (
        (None, Scope.SYSTEM),
        (Place(), Scope.TENANT),
        (Place(campaign), Scope.CAMPAIGN),
        (Place("", "usr_1"), Scope.USER),
    ):
        if place is not None:
            await set_parameter(house.desk, "CC036", place.campaign_id, "SI", place.user_id)
        shown = await get_effective_parameter(house.desk, "allow_new_card_on_refix", *seen)
        assert (shown.source, shown.value, shown.code) == (
            scope,
            "false" if place is None else "true",
            "CC0036",
        )
    other = await get_effective_parameter(house.desk, "CC0036", campaign, "usr_2")
    assert other.source is Scope.CAMPAIGN
    await set_parameter(house.desk, "CC0036", "", "", "usr_1")
    assert (await get_effective_parameter(house.desk, "CC0036", *seen)).source is Scope.CAMPAIGN
    for where in ("", campaign):
        with pytest.raises(InvalidInput) as refused:
            await set_parameter(house.desk, "lead_time", where, "0s", "usr_1")
        assert refused.value.violations[0].field == "user_id"


async def test_several_parameters_are_set_or_none(house: House) -> None:
    with pytest.raises(InvalidInput) as refused:
        await house.parameters(CC0036="SI", CC0037="maybe")
    assert refused.value.violations[0].field == "parameters[1].value"
    assert (await get_effective_parameter(house.desk, "CC0036", "")).source is Scope.SYSTEM


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE booking.appointments SET superseded_by = NULL WHERE state = 'SUPERSEDED'",
        "UPDATE booking.appointments SET supersedes = appointment_id WHERE supersedes IS NOT NULL",
        "INSERT INTO booking.recalls SELECT tenant_id, 'rcl_2', appointment_id, campaign_id, contact_id, 'u',"
        " false, now(), NULL, 9, true FROM booking.appointments WHERE state = 'TO_CONFIRM'",
    ],
)
async def test_the_database_refuses_broken_links_and_second_recalls(house: House, statement: str) -> None:
    _, new = await locked(house, linked=True)
    await house.set_outcome(new)
    with pytest.raises(Exception, match=r"appointments_|recalls_"):
        async with house.desk.db.uow(house.tenant) as tx:
            await tx.run(text(statement))


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
