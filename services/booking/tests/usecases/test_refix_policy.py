"""What a tenant may set up: contradictions, where a value comes from, what the database refuses."""

import dataclasses

import pytest
from booking_house import House
from refix_world import MODE_2, at, locked, states
from sqlalchemy import text

from booking.domain.outcomes import Recall
from booking.domain.refix import Screen
from booking.domain.refix_modes import PROCEDURES, Work
from booking.storage.parameters import Place
from booking.usecases.refix.policy import (
    Draft,
    list_procedures,
    upsert_procedure,
    validate_policy,
)
from booking.usecases.set_parameter import get_effective_parameter, import_parameters, set_parameter
from kit.errors import GiroError, InvalidInput, NotFound, Reason
from kit.parameters import Scope

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
