"""A visit that was said to be held and was not: a supervisor corrects it; nothing is forgotten (R-018)."""

import asyncio

import psycopg
import pytest
from booking_house import House, claim
from house_clock import soon

from booking.domain.annulment import AnnulmentReason, ClaimChannel, Decision
from booking.domain.appointment import Appointment, Card, State
from booking.domain.outcomes import Characteristic, Kind, Recall, Result, Written
from booking.events.kept import read
from booking.storage import appointment_events
from booking.usecases.annulments import ClaimAnnulment, claim_annulment, decide_annulment
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.outcome_states import upsert_characteristic
from booking.usecases.set_outcome import SetOutcome, set_outcome
from giro.booking.v1 import booking_events_pb2 as pb
from giro.booking.v1 import outcomes_pb2
from kit import failpoints
from kit.db.claims import Claim
from kit.errors import GiroError, InvalidInput, NotAllowed, Reason
from kit.rpc.context import Grant
from kit.testing.databases import DatabaseUrls
from kit.testing.schedule import two_sessions

pytestmark = pytest.mark.asyncio(loop_scope="session")

REASON = "the agent was at the wrong door"


async def held(house: House, *, confirmed: bool = False) -> Card:
    """A visit that an agent said was held."""
    await house.outcome_state("held", result=Result.HELD, recall=Recall.NONE)
    await house.outcome_state("sold", result=Result.HELD, recall=Recall.NONE)
    await house.outcome_state("ko")
    card = await house.booked()
    if confirmed:
        await confirm_appointment(house.desk, ConfirmAppointment(card.appointment.appointment_id, 0))
    assert (await house.set_outcome(card, "held", note="all well")).state is State.HELD
    return card


async def correct(
    house: House,
    card: Card,
    state_id: str = "ko",
    *values: tuple[str, str],
    reason: str = REASON,
    version: int = 0,
    key: Claim | None = None,
) -> Appointment:
    ident, written = card.appointment.appointment_id, Written(values, reason, None)
    command = SetOutcome(ident, state_id, written, version, key or claim(), correction=True)
    return await set_outcome(house.desk, command)


async def refusal(work: object) -> GiroError:
    with pytest.raises(GiroError) as refused:
        await work  # type: ignore[misc]
    return refused.value


@pytest.mark.parametrize("confirmed", [False, True])
async def test_by_ko_it_is_what_it_was_before_and_may_be_fixed_again(house: House, confirmed: bool) -> None:
    card, key = await held(house, confirmed=confirmed), claim()
    ident = card.appointment.appointment_id
    corrected = await correct(house, card, key=key)
    assert await correct(house, card, key=key) == corrected
    assert corrected.state is (State.CONFIRMED if confirmed else State.TO_CONFIRM)
    assert corrected.outcome_state_id == "ko"
    await house.require_sound()  # counters are a recount's, and the events rebuild the row
    first, second = await house.history(ident)
    assert (first.state_id, first.note, first.facts) == ("held", "all well", {})
    assert (second.state_id, second.note, second.facts) == ("ko", REASON, {"corrects": "held"})
    assert [each.appointment_id for each in await house.recalls()] == [ident]  # as after any KO
    start = soon(60)
    again = await house.refix(corrected, start, choices={"state_id": "ko"})
    assert again.appointment.window.start == start
    await house.require_sound()


async def test_the_event_tells_what_was_corrected(house: House) -> None:
    card = await held(house)
    await correct(house, card)
    async with house.desk.db.uow(house.tenant) as tx:
        *_, before, last = await appointment_events.of(tx, [card.appointment.appointment_id])
    told = pb.AppointmentOutcomeSet.FromString(last.payload)
    assert (told.held, told.state_id, told.corrected_state_id) == (False, "ko", "held")
    assert told.result == outcomes_pb2.VISIT_RESULT_KO
    assert pb.AppointmentOutcomeSet.FromString(before.payload).corrected_state_id == ""
    assert read(last.event, last.payload, last.personal).after.state is State.TO_CONFIRM
    assert last.decision is not None
    assert last.decision.chooser.by == "correction"


async def test_by_another_way_of_being_held_it_stays_held(house: House) -> None:
    card = await held(house)
    assert (await correct(house, card, "sold")).state is State.HELD
    assert (await correct(house, card, "ko")).state is State.TO_CONFIRM  # as before the first word
    await house.require_sound()
    assert await house.recalls() != []
    await house.set_outcome(card, "held")
    assert [each.state_id for each in await house.history(card.appointment.appointment_id)] == [
        "held",
        "sold",
        "ko",
        "held",
    ]
    await house.require_sound()


async def test_only_what_is_held_is_corrected(house: House) -> None:
    card = await held(house)
    ident = card.appointment.appointment_id
    assert (await refusal(correct(house, card, version=1))).reason is Reason.STALE_VERSION
    await correct(house, card, version=2)
    assert (await refusal(correct(house, card))).reason is Reason.WRONG_STATE
    await cancel_appointment(house.desk, CancelAppointment(ident, 0, ""))
    assert (await refusal(correct(house, card))).reason is Reason.WRONG_STATE
    await house.settle()
    locked = await house.superseded()
    assert (await refusal(correct(house, locked))).reason is Reason.SUPERSEDED


async def test_what_the_state_asks_for_counts_and_nothing_is_written_without_it(house: House) -> None:
    await upsert_characteristic(house.desk, Characteristic("why", "Why", Kind.TEXT))
    await house.outcome_state("ko-why", mandatory=("why",), visible=("why",))
    card = await held(house)
    refused = await refusal(correct(house, card, reason=" \n"))
    assert isinstance(refused, InvalidInput)
    assert [each.field for each in refused.violations] == ["reason"]
    assert (await refusal(correct(house, card, "ko-why"))).reason is Reason.MANDATORY_MISSING
    assert (await refusal(correct(house, card, "nobodys"))).violations[0].field == "state_id"
    house.enter(Grant("AGENT_SUPERVISOR", "campaign", (await house.campaign()).campaign_id))
    with pytest.raises(NotAllowed):
        await correct(house, card)
    house.enter()
    assert len(await house.history(card.appointment.appointment_id)) == 1
    assert (await correct(house, card, "ko-why", ("why", "absent"))).characteristics == {"why": "absent"}


async def test_what_nobody_knows_to_have_been_confirmed_is_to_be_confirmed(
    house: House, urls: DatabaseUrls
) -> None:
    card = await held(house, confirmed=True)
    with psycopg.connect(urls.admin) as connection:  # held before events were kept
        connection.execute("DELETE FROM booking.appointment_events WHERE tenant_id = %s", [house.tenant])
    assert (await correct(house, card)).state is State.TO_CONFIRM


@pytest.mark.parametrize("annulment_first", [False, True])
async def test_a_correction_and_an_annulment_meet(house: House, annulment_first: bool) -> None:
    """Both take effect, or the later one is refused by name; the counters fit either way."""
    card = await held(house)
    ident = card.appointment.appointment_id
    asked = (AnnulmentReason.NOT_HELD, "", ClaimChannel.PORTAL, None, claim())
    made = await claim_annulment(house.desk, ClaimAnnulment(ident, *asked))
    accepted = Decision(True, "usr_manager", "")

    async def annul() -> object:
        return await decide_annulment(house.desk, made.claim_id, accepted)

    async def put_right() -> object:
        return await correct(house, card)

    if annulment_first:
        met = await two_sessions(annul, put_right, at="booking.annul_decide.before_commit")
        assert met.second.reason is Reason.WRONG_STATE
    else:
        met = await two_sessions(put_right, annul, at="booking.outcome.before_commit")
        assert not isinstance(met.second, Exception)
    assert (met.held, met.overtook) == (True, False)
    assert not isinstance(met.first, Exception)
    assert (await house.stored(ident)).state is State.CANCELLED
    await house.settle()
    await house.require_sound()


@pytest.mark.parametrize("step", ["before_decide", "before_commit", "after_commit"])
async def test_a_correction_that_died_is_made_once(house: House, step: str) -> None:
    card, key = await held(house), claim()

    async def die() -> None:
        failpoints.disarm(f"booking.outcome.{step}")
        raise asyncio.CancelledError

    failpoints.arm(f"booking.outcome.{step}", die)
    with pytest.raises(asyncio.CancelledError):
        await correct(house, card, key=key)
    assert (await correct(house, card, key=key)).version == 3
    assert len(await house.history(card.appointment.appointment_id)) == 2
    await house.require_sound()
