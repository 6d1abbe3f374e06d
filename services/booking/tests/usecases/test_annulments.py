"""Annulment claims on a real database: deadline, contacts, e-mails, decisions, crashes, two at once."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from booking_house import House, claim
from house_clock import soon
from sqlalchemy import text

from booking.domain.annulment import (
    AgentContact,
    AnnulmentClaim,
    AnnulmentReason,
    ClaimChannel,
    ClaimState,
    ContactChannel,
    Decision,
)
from booking.domain.appointment import Card, State
from booking.domain.outcomes import Recall, Result
from booking.usecases import annulments
from booking.usecases.annulments import ClaimAnnulment, RecordAgentContact
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.set_parameter import set_parameter
from kit import failpoints
from kit.db.claims import Claim
from kit.db.failures import constraint_fired
from kit.errors import AlreadyExists, GiroError, InvalidInput, NotAllowed, NotFound, Reason
from kit.rpc.context import Grant
from kit.testing.dying import Died, die_at
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

DISOWNED = AnnulmentReason.DISOWNED


async def contact(
    house: House, card: Card, at: datetime | None = None, key: Claim | None = None
) -> AgentContact:
    command = RecordAgentContact(
        card.appointment.appointment_id, ContactChannel.CALL, at, "they expect me", key or claim()
    )
    return await annulments.record_agent_contact(house.desk, command)


async def annul(house: House, card: Card, reason: AnnulmentReason = DISOWNED, **more: Any) -> AnnulmentClaim:
    given = {
        "note": "nobody here asked for it",
        "channel": ClaimChannel.PORTAL,
        "received_at": None,
        "claim": claim(),
        **more,
    }
    command = ClaimAnnulment(card.appointment.appointment_id, reason, **given)
    return await annulments.claim_annulment(house.desk, command)


async def refused(work: Any) -> Reason:
    with pytest.raises(GiroError) as error:
        await work
    return error.value.reason


async def test_disowning_is_refused_once_the_agent_was_in_touch(house: House) -> None:
    card = await house.booked()
    house.enter(Grant("AGENT", "agent", house.agents[0]), subject="usr_agent")
    made = await contact(house, card)
    assert (made.recorded_by, made.contacted_at) == ("usr_agent", made.recorded_at)
    house.enter()
    assert await refused(annul(house, card)) is Reason.AGENT_CONTACTED
    assert (await annul(house, card, AnnulmentReason.WRONG_DETAILS)).state is ClaimState.OPEN
    page = await annulments.list_agent_contacts(house.desk, card.appointment.appointment_id, (0, ""))
    assert (page.contacts, page.next_page_token) == ([made], "")
    told = [event for event, entity in await house.events() if entity == card.appointment.appointment_id]
    assert told == ["appointment_booked", "agent_contacted", "annulment_claimed"]


async def test_contacts_come_in_pages_and_a_repetition_finds_its_own(house: House) -> None:
    card, key = await house.booked(), claim()
    appointment_id = card.appointment.appointment_id
    at = soon(-1)
    async with house.desk.db.uow(house.tenant) as tx:
        await tx.run(
            text(
                "INSERT INTO booking.agent_contacts SELECT :t, 'act_' || lpad(n::text, 4, '0'), :a, 'CALL',"
                " CAST(:at AS timestamptz) + n / 2 * interval '1 second', '', 'usr',"
                " CAST(:now AS timestamptz) FROM generate_series(1, 120) n"
            ),
            {"t": house.tenant, "a": appointment_id, "at": at, "now": soon(0)},
        )
    made = await contact(house, card, key=key)
    assert await contact(house, card, key=key) == made
    seen, token = [], ""
    for expected in (50, 50, 21):
        page = await annulments.list_agent_contacts(house.desk, appointment_id, (0, token))
        assert len(page.contacts) == expected
        seen, token = [*seen, *page.contacts], page.next_page_token
    assert token == ""
    assert [each.agent_contact_id for each in seen] == [
        *(f"act_{n:04}" for n in range(1, 121)),
        made.agent_contact_id,
    ]
    other = await house.booked(soon(72))
    first = await annulments.list_agent_contacts(house.desk, appointment_id, (10, ""))
    for work in ((other.appointment.appointment_id, first.next_page_token), (appointment_id, "x")):
        with pytest.raises(InvalidInput) as error:
            await annulments.list_agent_contacts(house.desk, work[0], (10, work[1]))
        assert [violation.field for violation in error.value.violations] == ["page_token"]


async def test_a_contact_counts_from_when_it_was(house: House) -> None:
    card = await house.booked()
    await house.advance(timedelta(hours=4))
    before = soon(1)
    await contact(house, card, at=soon(3))
    email = {"channel": ClaimChannel.EMAIL, "received_at": before}
    assert (await annul(house, card, **email)).state is ClaimState.OPEN  # it was written before
    other = await house.booked(agent=1)
    assert await refused(contact(house, other, at=soon(5))) is Reason.INVALID_FIELD
    assert await refused(contact(house, other, at=soon(-1))) is Reason.INVALID_FIELD  # before it was booked
    await house.advance(timedelta(hours=50))
    assert await refused(contact(house, other)) is Reason.TOO_LATE
    assert await refused(contact(house, other, at=soon(5))) is Reason.TOO_LATE


async def test_only_the_agent_of_the_visit_may_tell(house: House) -> None:
    card = await house.booked()
    house.enter(Grant("AGENT", "agent", house.agents[1]))
    assert await refused(contact(house, card)) is Reason.OUT_OF_SCOPE


async def until(house: House, moment: datetime) -> None:
    """Moves the clock to just before an instant: what follows takes less than the second that is left."""
    async with house.desk.db.uow(house.tenant) as tx:
        now = await tx.now()
    await house.advance(timedelta(seconds=int((moment - now).total_seconds())))


@pytest.mark.parametrize(("days", "value"), [(2, ""), (-1, "-1")])
async def test_the_deadline_on_both_sides(house: House, days: int, value: str) -> None:
    first, second = await house.booked(soon(72)), await house.booked(soon(72), agent=1)
    await set_parameter(house.desk, "annulment_deadline_days", "", value)
    closes = (await annul(house, first, AnnulmentReason.NOT_HELD)).closes_at
    third = await house.booked(soon(72), agent=2)
    await until(house, closes - timedelta(seconds=40))
    made = await annul(house, second, AnnulmentReason.NOT_HELD)
    assert made.received_at < made.closes_at == closes
    await house.advance(timedelta(seconds=41))
    late = annul(house, third, AnnulmentReason.NOT_HELD)
    assert await refused(late) is Reason.TOO_LATE
    if days > 0:  # an e-mail's own stamp decides, however late it is entered
        email = {"channel": ClaimChannel.EMAIL, "received_at": closes - timedelta(seconds=1)}
        assert (await annul(house, third, AnnulmentReason.NOT_HELD, **email)).received_at < closes
        await annulments.decide_annulment(house.desk, made.claim_id, Decision(False, "x", ""))
        late_mail = {"channel": ClaimChannel.EMAIL, "received_at": closes}
        assert await refused(annul(house, second, AnnulmentReason.NOT_HELD, **late_mail)) is Reason.TOO_LATE


async def test_an_email_is_entered_with_its_stamp_by_the_providers_people(house: House) -> None:
    card = await house.booked()
    taken = card.appointment.created_at.replace(microsecond=0)
    cases: list[dict[str, Any]] = [
        {"channel": ClaimChannel.EMAIL, "received_at": taken - timedelta(seconds=1)},
        {"channel": ClaimChannel.EMAIL, "received_at": None},
        {"channel": ClaimChannel.EMAIL, "received_at": soon(1)},
        {"channel": ClaimChannel.PORTAL, "received_at": soon(-1)},
    ]
    for case in cases:
        with pytest.raises(InvalidInput) as error:
            await annul(house, card, **case)
        assert [violation.field for violation in error.value.violations] == ["received_at"]
    house.enter(Grant("CUSTOMER", "campaign", card.appointment.campaign_id))
    with pytest.raises(InvalidInput) as error:
        await annul(house, card, channel=ClaimChannel.EMAIL, received_at=soon(-1))
    assert [violation.field for violation in error.value.violations] == ["channel"]
    assert (await annul(house, card)).channel is ClaimChannel.PORTAL
    house.enter()
    other = await house.booked(agent=1)
    taken = other.appointment.created_at.replace(microsecond=0)
    assert (await annul(house, other, channel=ClaimChannel.EMAIL, received_at=taken)).received_at == taken


async def test_one_claim_stands_and_a_rejected_one_may_be_followed(house: House) -> None:
    card = await house.booked()
    key = claim()
    made = await annul(house, card, claim=key)
    assert await annul(house, card, claim=key) == made
    with pytest.raises(AlreadyExists):
        await annul(house, card)
    rejected = await annulments.decide_annulment(
        house.desk, made.claim_id, Decision(False, "usr_pm", "it stands")
    )
    assert (rejected.state, rejected.decision_note) == (ClaimState.REJECTED, "it stands")
    again = await annul(house, card)
    assert (await house.stored(card.appointment.appointment_id)).state is State.TO_CONFIRM
    accepted = await annulments.decide_annulment(house.desk, again.claim_id, Decision(True, "usr_pm", ""))
    assert await annulments.decide_annulment(house.desk, again.claim_id, Decision(True, "x", "")) == accepted
    other = annulments.decide_annulment(house.desk, again.claim_id, Decision(False, "x", ""))
    assert await refused(other) is Reason.WRONG_STATE
    stored = await house.stored(card.appointment.appointment_id)
    assert (stored.state, stored.cancel_note) == (State.CANCELLED, "annulled: DISOWNED")
    assert [event for event, _ in await house.events()] == [
        "appointment_booked",
        "annulment_claimed",
        "annulment_decided",
        "annulment_claimed",
        "annulment_decided",
        "appointment_cancelled",
    ]
    await house.settle()
    await house.require_sound()


async def test_a_visit_that_was_held_is_annulled_until_the_deadline(house: House) -> None:
    card = await house.booked()
    await house.outcome_state("done", result=Result.HELD, recall=Recall.NONE)
    await house.set_outcome(card, "done")
    made = await annul(house, card)
    await annulments.decide_annulment(house.desk, made.claim_id, Decision(True, "usr_pm", ""))
    assert (await house.stored(card.appointment.appointment_id)).state is State.CANCELLED
    await house.settle()
    await house.require_sound()


async def test_what_is_cancelled_cannot_be_annulled(house: House) -> None:
    card = await house.booked()
    await cancel_appointment(house.desk, CancelAppointment(card.appointment.appointment_id, 0, ""))
    assert await refused(annul(house, card)) is Reason.WRONG_STATE
    assert await refused(contact(house, card)) is Reason.WRONG_STATE


async def test_claims_are_listed_newest_first_within_reach(house: House) -> None:
    cards = [await house.booked(soon(48 + 2 * n)) for n in range(3)]
    made = [await annul(house, card) for card in cards]
    await annulments.decide_annulment(house.desk, made[0].claim_id, Decision(False, "x", ""))
    first = await annulments.list_annulment_claims(house.desk, "", None, (2, ""))
    rest = await annulments.list_annulment_claims(house.desk, "", None, (2, first.next_page_token))
    ids = [each.claim_id for each in [*first.claims, *rest.claims]]
    assert ids == [each.claim_id for each in reversed(made)]
    opened = await annulments.list_annulment_claims(house.desk, "", ClaimState.OPEN, (0, ""))
    assert [each.claim_id for each in opened.claims] == ids[:2]
    house.enter(Grant("CUSTOMER", "campaign", cards[1].appointment.campaign_id))
    mine = await annulments.list_annulment_claims(house.desk, "", None, (0, ""))
    assert [each.claim_id for each in mine.claims] == [made[1].claim_id]
    with pytest.raises(NotAllowed):
        await annulments.get_annulment_claim(house.desk, made[0].claim_id)
    House(house.desk, house.ledger, house.agents).enter()
    with pytest.raises(NotFound):
        await annulments.get_annulment_claim(house.desk, made[1].claim_id)
    with pytest.raises(NotFound):
        await annulments.decide_annulment(house.desk, new_id("ann"), Decision(True, "x", ""))


async def test_thirty_claims_at_once_leave_one(house: House) -> None:
    """The index that guards it is never asked: each looks under the appointment's lock."""
    card = await house.booked()
    fired = constraint_fired.labels(constraint="annulment_claims_one_standing")._value.get
    before = fired()
    found = await asyncio.gather(*(annul(house, card) for _ in range(30)), return_exceptions=True)
    assert sum(isinstance(each, AnnulmentClaim) for each in found) == 1
    reasons = {getattr(each, "reason", None) for each in found if not isinstance(each, AnnulmentClaim)}
    assert reasons == {Reason.ALREADY_EXISTS}
    assert fired() == before


async def test_a_contact_and_a_claim_that_meet_are_one_after_the_other(house: House) -> None:
    card = await house.booked()
    at_decision, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        failpoints.disarm("booking.annul.before_decide")
        at_decision.set()
        await go_on.wait()

    failpoints.arm("booking.annul.before_decide", wait)
    claiming = asyncio.create_task(annul(house, card))
    await at_decision.wait()
    telling = asyncio.create_task(contact(house, card))
    done, _ = await asyncio.wait([telling], timeout=0.1)
    assert not done  # it waits for the appointment's row
    go_on.set()
    assert (await claiming).state is ClaimState.OPEN
    assert (await telling).contacted_at >= (await claiming).received_at


@pytest.mark.parametrize(
    "point", ["annul.before_commit", "annul_decide.before_commit", "contact.before_commit"]
)
async def test_death_before_a_commit_leaves_nothing(house: House, point: str) -> None:
    card = await house.booked()
    made = None if point.startswith("annul.") else await annul(house, card)
    events = await house.events()
    die_at(f"booking.{point}")
    key = claim()

    async def act() -> Any:
        if point.startswith("contact"):
            return await contact(house, card, key=key)
        if made is None:
            return await annul(house, card, claim=key)
        return await annulments.decide_annulment(house.desk, made.claim_id, Decision(True, "x", ""))

    with pytest.raises(Died):
        await act()
    assert await house.events() == events
    assert (await house.stored(card.appointment.appointment_id)).state is State.TO_CONFIRM
    await act()
    await house.settle()
    await house.require_sound()


async def test_a_superseded_card_takes_neither_contact_nor_claim(house: House) -> None:
    card = await house.superseded()
    assert await refused(contact(house, card)) is Reason.SUPERSEDED
    assert await refused(annul(house, card)) is Reason.SUPERSEDED
