"""Outcomes as data, set by agents: BK-14 to BK-16, notes and history, versions (BK-46)."""

import asyncio
from datetime import timedelta

import pytest
from booking_house import House, claim
from house_clock import soon
from sqlalchemy import text

from booking.domain.appointment import State
from booking.domain.history import HistoryKind
from booking.domain.outcomes import Characteristic, Kind, ListState, OutcomeState, Recall, Result
from booking.usecases.add_note import AddNote, add_note
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.get_outcome import get_outcome
from booking.usecases.list_history import list_history
from booking.usecases.outcome_states import (
    get_outcome_state,
    list_characteristics,
    list_list_states,
    list_outcome_states,
    upsert_characteristic,
    upsert_list_state,
    upsert_outcome_state,
)
from kit import failpoints
from kit.errors import GiroError, InvalidInput, NotAllowed, NotFound, Reason
from kit.rpc.context import Grant
from kit.testing.schedule import two_sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIELDS = (
    Characteristic("why", "Why not", Kind.CHOICE, ("absent", "ill")),
    Characteristic("floor", "Floor", Kind.NUMBER),
    Characteristic("seen_on", "Seen on", Kind.DATE),
    Characteristic("dog", "Has a dog", Kind.YES_NO),
    Characteristic("remark", "Remark", Kind.TEXT),
)


async def with_fields(house: House) -> None:
    for each in FIELDS:
        await upsert_characteristic(house.desk, each)


def field_of(refused: GiroError) -> tuple[Reason, str]:
    return refused.reason, refused.violations[0].field


async def test_a_state_is_stored_and_returned(house: House) -> None:
    await with_fields(house)
    state = OutcomeState(
        "ko-absent", "KO, absent", Result.KO, "W", Recall.PRIVATE, ("why",), ("why", "remark"), True, True
    )
    await upsert_outcome_state(house.desk, state)
    assert await get_outcome_state(house.desk, "ko-absent") == state
    held = OutcomeState("done", "Done", Result.HELD)
    await upsert_outcome_state(house.desk, held)
    assert list(await list_outcome_states(house.desk)) == [held, state]
    assert [each.characteristic_id for each in await list_characteristics(house.desk)] == sorted(
        each.characteristic_id for each in FIELDS
    )


async def test_list_states_are_data_and_w_is_always_there(house: House) -> None:
    assert list(await list_list_states(house.desk)) == [ListState("W", "Recall")]
    tomorrow = ListState("W", "Richiamo", timedelta(days=1))
    await upsert_list_state(house.desk, tomorrow)
    await upsert_list_state(house.desk, ListState("N", "Never again"))
    assert list(await list_list_states(house.desk)) == [ListState("N", "Never again"), tomorrow]
    await house.outcome_state("gone", list_state="N", recall=Recall.NONE)
    with pytest.raises(NotFound) as refused:
        await house.outcome_state("odd", list_state="X", recall=Recall.NONE)
    assert field_of(refused.value) == (Reason.NOT_FOUND, "list_state")


@pytest.mark.parametrize(
    ("state", "field"),
    [
        (OutcomeState("s", "s", Result.KO, mandatory=("why",), visible=("remark",)), "mandatory"),
        (OutcomeState("s", "s", Result.KO, "", Recall.PUBLIC), "list_state"),
        (OutcomeState("s", "s", Result.KO, "W", Recall.NONE), "recall"),
        (OutcomeState("s", "s", Result.HELD, "W", Recall.PUBLIC), "result"),
        (OutcomeState("s", "s", Result.HELD, refix=True), "result"),
        (OutcomeState("s", "s", Result.KO, visible=("nobodys",)), "visible[0]"),
        (OutcomeState("s", "s", Result.KO, mandatory=("nobodys",), visible=()), "mandatory[0]"),
    ],
)
async def test_a_contradiction_is_refused_by_name_and_nothing_is_stored(
    house: House, state: OutcomeState, field: str
) -> None:
    await with_fields(house)
    with pytest.raises((InvalidInput, NotFound)) as refused:
        await upsert_outcome_state(house.desk, state)
    assert refused.value.violations[0].field == field
    assert list(await list_outcome_states(house.desk)) == []


@pytest.mark.parametrize(
    "change",
    [
        "mandatory = ARRAY['why']",
        "recall = 'NONE'",
        "list_state = ''",
        "result = 'HELD'",
        "state_id = '0'",
    ],
)
async def test_the_database_refuses_the_same(house: House, change: str) -> None:
    await house.outcome_state()
    statement = text(f"UPDATE booking.outcome_states SET {change} WHERE tenant_id = :t")
    with pytest.raises(Exception, match="outcome_states_"):
        async with house.desk.db.uow(house.tenant) as tx:
            await tx.run(statement, {"t": house.tenant})


@pytest.mark.parametrize(("kind", "choices"), [(Kind.CHOICE, ()), (Kind.TEXT, ("a",))])
async def test_choices_belong_to_a_choice(house: House, kind: Kind, choices: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        await upsert_characteristic(house.desk, Characteristic("x", "x", kind, choices))
    assert field_of(refused.value) == (Reason.INVALID_FIELD, "choices")


@pytest.mark.parametrize("taken", ["refix_at", "corrects"])
async def test_no_characteristic_is_called_as_what_the_history_says_itself(house: House, taken: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await upsert_characteristic(house.desk, Characteristic(taken, "Again", Kind.DATE))
    assert field_of(refused.value) == (Reason.INVALID_FIELD, "characteristic_id")


async def test_an_outcome_without_its_mandatory_field_names_it(house: House) -> None:
    await with_fields(house)
    await house.outcome_state(mandatory=("why", "remark"), visible=("why", "remark"))
    card = await house.booked()
    with pytest.raises(InvalidInput) as refused:
        await house.set_outcome(card, "ko", ("why", "absent"))
    assert field_of(refused.value) == (Reason.MANDATORY_MISSING, "characteristics.remark")
    assert (await house.stored(card.appointment.appointment_id)).version == 1
    done = await house.set_outcome(card, "ko", ("why", "absent"), ("remark", "no bell"))
    assert done.characteristics == {"why": "absent", "remark": "no bell"}
    with pytest.raises(InvalidInput) as refused:  # the KO of another day has a reason of its own
        await house.set_outcome(card, "ko", ("why", "ill"))
    assert field_of(refused.value) == (Reason.MANDATORY_MISSING, "characteristics.remark")
    again = await house.set_outcome(card, "ko", ("why", "ill"), ("remark", "away"))
    assert again.characteristics == {"why": "ill", "remark": "away"}


async def test_a_hidden_field_cannot_be_written(house: House) -> None:
    await with_fields(house)
    await house.outcome_state(visible=("why",))
    card = await house.booked()
    with pytest.raises(InvalidInput) as refused:
        await house.set_outcome(card, "ko", ("why", "ill"), ("remark", "x"))
    assert field_of(refused.value) == (Reason.FIELD_HIDDEN, "characteristics[1].characteristic_id")
    with pytest.raises(InvalidInput) as refused:
        await house.set_outcome(card, "ko", refix_at=soon(90))
    assert field_of(refused.value) == (Reason.FIELD_HIDDEN, "refix_at")
    with pytest.raises(NotFound):
        await house.set_outcome(card, "ko", ("nobodys", "x"))
    assert (await house.stored(card.appointment.appointment_id)).outcome_state_id == ""


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("why", ["absent"], ["Absent", "gone"]),
        ("floor", ["3", "-1", "2.5"], ["1e3", "NaN", "٣", "1,5", "9" * 16]),
        ("seen_on", ["2028-02-29"], ["2027-02-29", "2027-1-1", "20270101", "today"]),
        ("dog", ["true", "false"], ["yes", "True"]),
        ("remark", ["x"], ["  "]),
    ],
)
async def test_values_fit_their_kind(house: House, name: str, good: list[str], bad: list[str]) -> None:
    await with_fields(house)
    await house.outcome_state(visible=(name,))
    card = await house.booked()
    for value in bad:
        with pytest.raises(InvalidInput) as refused:
            await house.set_outcome(card, "ko", (name, value))
        assert field_of(refused.value) == (Reason.INVALID_FIELD, "characteristics[0].value")
    for value in good:
        assert (await house.set_outcome(card, "ko", (name, value))).characteristics == {name: value}


async def test_agents_date_and_note_are_asked_for(house: House) -> None:
    await house.outcome_state("later", recall=Recall.NONE, refix=True, note_required=True)
    card = await house.booked()
    for wrong, field in (
        ({"refix_at": soon(90), "note": " "}, "note"),
        ({}, "refix_at"),
        ({"refix_at": soon(-1)}, "refix_at"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await house.set_outcome(card, "later", **wrong)
        assert refused.value.violations[0].field == field
    assert (await house.set_outcome(card, "later", refix_at=soon(90))).refix_at == soon(90)


async def test_held_is_set_by_the_outcome_and_counts_as_taken(house: House) -> None:
    await house.outcome_state("done", result=Result.HELD, recall=Recall.NONE)
    card = await house.booked()
    campaign = card.appointment.campaign_id
    held = await house.set_outcome(card, "done")
    assert held.state is State.HELD
    await house.require_sound()
    async with house.desk.db.uow(house.tenant) as tx:
        row = (
            await tx.run(
                text("SELECT taken, to_confirm FROM booking.campaigns WHERE campaign_id = :c"),
                {"c": campaign},
            )
        ).one()
    assert (row.taken, row.to_confirm) == (1, 0)
    for change in (
        confirm_appointment(house.desk, ConfirmAppointment(held.appointment_id, 0)),
        cancel_appointment(house.desk, CancelAppointment(held.appointment_id, 0, "")),
        house.set_outcome(held, "done"),
    ):
        with pytest.raises(GiroError) as refused:
            await change
        assert refused.value.reason is Reason.WRONG_STATE


async def test_an_agent_speaks_of_own_visits_only_and_sees_what_the_state_shows(house: House) -> None:
    await with_fields(house)
    await house.outcome_state(visible=("why", "remark"))
    await house.outcome_state("brief", visible=("why",))
    card = await house.booked()
    await house.set_outcome(card, "ko", ("remark", "for the office"), ("why", "ill"))
    await house.set_outcome(card, "brief")
    house.enter(Grant("AGENT", "agent", house.agents[1]))
    with pytest.raises(NotAllowed):
        await house.set_outcome(card, "ko")
    house.enter(Grant("AGENT", "agent", house.agents[0]))
    key = claim()
    for _ in range(2):  # the repetition's answer hides the same
        told = await house.set_outcome(card, "brief", ("why", "absent"), key=key)
        assert (told.version, told.characteristics) == (4, {"why": "absent"})
    page = await list_history(house.desk, card.appointment.appointment_id, 0, "")
    assert [each.facts for each in page.entries] == [{"why": "ill"}, {}, {"why": "absent"}]
    seen = await get_outcome(house.desk, card.appointment.appointment_id)
    assert seen.characteristics == {"why": "absent"}
    house.enter()
    page = await list_history(house.desk, card.appointment.appointment_id, 0, "")
    assert page.entries[0].facts == {"why": "ill", "remark": "for the office"}
    seen = await get_outcome(house.desk, card.appointment.appointment_id)
    assert seen.characteristics == {"why": "absent", "remark": "for the office"}


async def test_a_stale_version_is_refused(house: House) -> None:
    await house.outcome_state()
    card = await house.booked()
    await house.set_outcome(card, version=1)
    with pytest.raises(GiroError) as refused:
        await house.set_outcome(card, version=1)
    assert (refused.value.code, refused.value.reason) == ("ABORTED", Reason.STALE_VERSION)
    assert refused.value.metadata == {"current_version": "2"}


async def test_a_repeated_request_has_one_effect(house: House) -> None:
    await house.outcome_state()
    card, key = await house.booked(), claim()
    first = await house.set_outcome(card, key=key)
    assert await house.set_outcome(card, key=key) == first
    assert len(await house.history(first.appointment_id)) == 1


async def test_notes_and_outcomes_are_kept_in_order_and_cannot_be_changed(house: House) -> None:
    await house.outcome_state()
    card = await house.booked()
    appointment_id = card.appointment.appointment_id
    for number in range(3):
        await house.set_outcome(card, note=f"KO {number}")
        key = claim()
        for _ in range(2):
            await add_note(house.desk, AddNote(appointment_id, f"note {number}", key))
    entries = await house.history(appointment_id)
    assert [each.note for each in entries] == ["KO 0", "note 0", "KO 1", "note 1", "KO 2", "note 2"]
    assert {each.kind for each in entries} == {HistoryKind.OUTCOME, HistoryKind.NOTE}
    page = await list_history(house.desk, appointment_id, 4, "")
    rest = await list_history(house.desk, appointment_id, 4, page.next_page_token)
    assert [*page.entries, *rest.entries] == entries
    for verb in ("UPDATE booking.history SET note = ''", "DELETE FROM booking.history"):
        with pytest.raises(Exception, match="permission denied"):
            async with house.desk.db.uow(house.tenant) as tx:
                await tx.run(text(verb))
    with pytest.raises(InvalidInput):
        await add_note(house.desk, AddNote(appointment_id, "  ", claim()))
    events = [event for event, _ in await house.events() if event.startswith("appointment_")]
    assert events == ["appointment_booked", *["appointment_outcome_set", "appointment_noted"] * 3]


async def test_an_outcome_and_a_cancellation_meet(house: House) -> None:
    await house.outcome_state()
    card = await house.booked()
    appointment_id = card.appointment.appointment_id
    met = await two_sessions(
        lambda: house.set_outcome(card),
        lambda: cancel_appointment(house.desk, CancelAppointment(appointment_id, 1, "")),
        at="booking.outcome.before_decide",
    )
    assert met.held
    assert not met.overtook, "the second waits for the first one's row"
    assert isinstance(met.second, GiroError)
    assert met.second.reason is Reason.STALE_VERSION
    await house.require_sound()


@pytest.mark.parametrize("step", ["before_decide", "before_commit", "after_commit"])
async def test_an_outcome_that_died_is_set_or_not(house: House, step: str) -> None:
    await house.outcome_state()
    card, key = await house.booked(), claim()

    async def die() -> None:
        failpoints.disarm(f"booking.outcome.{step}")
        raise asyncio.CancelledError

    failpoints.arm(f"booking.outcome.{step}", die)
    with pytest.raises(asyncio.CancelledError):
        await house.set_outcome(card, key=key)
    entries = await house.history(card.appointment.appointment_id)
    assert len(entries) == (1 if step == "after_commit" else 0)
    assert (await house.set_outcome(card, key=key)).version == 2
    assert len(await house.history(card.appointment.appointment_id)) == 1
