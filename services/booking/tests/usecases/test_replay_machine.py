"""Random lives, all ways to change a card: after each step the events rebuild every row, byte for byte."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import soon
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ledger_double import LedgerDouble
from rounds_double import RoundsDouble
from sqlalchemy import text

from booking.domain.annulment import AnnulmentReason, ClaimChannel, Decision
from booking.domain.appointment import Appointment, Card, Colour
from booking.domain.outcomes import Recall, Result, Written
from booking.domain.refix_modes import Work
from booking.events.kept import read
from booking.storage import appointment_events
from booking.transport import messages
from booking.usecases import annulments
from booking.usecases.annulments import ClaimAnnulment
from booking.usecases.apply_repair import ApplyRepair, WantedCancellation, WantedMove, apply_repair
from booking.usecases.book_appointment import BookAppointment, HeldSlot, TokenSlot, book_appointment
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.create_series import CreateSeries, create_series
from booking.usecases.desk import Desk
from booking.usecases.hear_answer import Heard, hear_answer
from booking.usecases.hold_slot import HoldSlot, hold_slot
from booking.usecases.replay import replay_tenant
from booking.usecases.set_outcome import SetOutcome, set_outcome
from booking.usecases.suggest_slots import SuggestSlots, suggest_slots
from booking.usecases.swap_appointments import SwapAppointments, swap_appointments
from kit.errors import GiroError
from kit.testing.databases import DatabaseUrls
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

BASE = soon(0)
DAY = timedelta(days=1)


@dataclass
class Life:
    """Plays steps on a fresh tenant; every step has an hour of its own, so that times are free."""

    house: House
    cards: list[str] = field(default_factory=list)
    hours: "count[int]" = field(default_factory=lambda: count(60))
    refused: int = 0
    done: dict[str, int] = field(default_factory=dict)

    async def set_up(self) -> None:
        house = self.house
        house.enter()
        await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
        await house.outcome_state("held", result=Result.HELD, recall=Recall.NONE)
        await house.outcome_state("ko")
        await house.outcome_state("ko-date", recall=Recall.NONE, refix=True)
        await house.outcome_state("ko-card", recall=Recall.NONE, refix=True)
        await house.procedure(Work.MOVE, "ko-date")
        await house.procedure(Work.NEW_CARD, "ko-card")
        await house.parameters(CC0036="SI", CC0037="NO", CC0036A="SI", CC0036C="SI")
        self.campaign = await house.campaign(purchased=1000)
        self.contact = await house.contact(self.campaign, zone="north")

    async def play(self, steps: list[tuple[str, int]]) -> None:
        for verb, number in steps:
            try:
                await self._act(verb, number)
                self.done[verb] = self.done.get(verb, 0) + 1
            except GiroError:
                self.refused += 1  # what is refused changes nothing, and that is replayed too
            await self.house.require_replayed()

    async def _act(self, verb: str, number: int) -> None:
        if verb in BOOKING or not self.cards:
            await getattr(self, f"_{verb}" if verb in BOOKING else "_token")()
            self.cards = sorted(await self.house.all_stored())
            return
        card = await self.house.stored(self.cards[number % len(self.cards)])
        acts: dict[str, Callable[[Appointment, int], Awaitable[Any]]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }
        await acts[verb](card, number)
        self.cards = sorted(await self.house.all_stored())

    def _next(self) -> datetime:
        return BASE + timedelta(hours=next(self.hours))

    async def _tokens(self) -> list[str]:
        self.house.ledger.slots = [(agent, self._next()) for agent in self.house.agents]
        query = SuggestSlots(self.campaign.campaign_id, "", PLACE, VISIT, "", "", (), (), 0, explain=False)
        return list((await suggest_slots(self.house.desk, query)).tokens)

    async def _token(self) -> None:
        command = BookAppointment(TokenSlot((await self._tokens())[1]), self.contact, "by token", claim())
        await book_appointment(self.house.desk, command)

    async def _hold(self) -> None:
        held = await hold_slot(self.house.desk, HoldSlot((await self._tokens())[0], None, claim()))
        await book_appointment(
            self.house.desk, BookAppointment(HeldSlot(held.hold_id), self.contact, "", claim())
        )

    async def _series(self) -> None:
        start, agent = self._next() + 20 * DAY, self.house.agents[0]
        where = self.campaign.campaign_id, self.contact, agent
        await create_series(self.house.desk, CreateSeries(*where, start, VISIT, 1, 3, "", claim()))

    async def do_confirm(self, card: Appointment, _: int) -> None:
        await confirm_appointment(self.house.desk, ConfirmAppointment(card.appointment_id, 0))

    async def do_cancel(self, card: Appointment, _: int) -> None:
        await cancel_appointment(self.house.desk, CancelAppointment(card.appointment_id, 0, "niente più"))

    async def do_postpone(self, card: Appointment, _: int) -> None:
        await self.house.postpone(Card(card), self._next())

    async def do_reassign(self, card: Appointment, number: int) -> None:
        await self.house.reassign(Card(card), self.house.agents[number % 4])

    async def do_swap(self, card: Appointment, number: int) -> None:
        other = self.cards[(number + 1) % len(self.cards)]
        both = SwapAppointments((card.appointment_id, 0), (other, 0), claim())
        await swap_appointments(self.house.desk, RoundsDouble(self.house.ledger), both)

    async def do_repair(self, card: Appointment, number: int) -> None:
        other = self.cards[(number + 1) % len(self.cards)]
        gone = () if other == card.appointment_id else (WantedCancellation(other, 0),)
        wanted = WantedMove(card.appointment_id, card.agent_id, self._next(), 0)
        repair = ApplyRepair((wanted,), gone, "the van broke down", claim())
        await apply_repair(self.house.desk, RoundsDouble(self.house.ledger), repair)

    async def do_ko(self, card: Appointment, _: int) -> None:
        await self.house.set_outcome(card, "ko")

    async def do_held(self, card: Appointment, _: int) -> None:
        await self.house.set_outcome(card, "held")

    async def do_correct(self, card: Appointment, _: int) -> None:
        written = Written((), "the wrong door", None)
        command = SetOutcome(card.appointment_id, "ko", written, 0, claim(), correction=True)
        await set_outcome(self.house.desk, command)

    async def do_date(self, card: Appointment, _: int) -> None:
        await self.house.set_outcome(card, "ko-date", refix_at=self._next())

    async def do_card(self, card: Appointment, _: int) -> None:
        await self.house.set_outcome(card, "ko-card", refix_at=self._next())

    async def do_run(self, _: Appointment, __: int) -> None:
        await self.house.run()

    async def do_same(self, card: Appointment, _: int) -> None:
        self.house.enter(subject="usr_other")
        await self.house.refix(card, self._next(), choices={"new_card": False, "state_id": "refixed"})

    async def do_new(self, card: Appointment, _: int) -> None:
        await self.house.refix(card, self._next(), choices={"new_card": True, "state_id": "refixed"})

    async def do_annul(self, card: Appointment, _: int) -> None:
        wanted = ClaimAnnulment(
            card.appointment_id, AnnulmentReason.DISOWNED, "no", ClaimChannel.PORTAL, None, claim()
        )
        made = await annulments.claim_annulment(self.house.desk, wanted)
        await annulments.decide_annulment(self.house.desk, made.claim_id, Decision(True, "", "usr_1"))

    async def do_answer(self, card: Appointment, number: int) -> None:
        coming = (True, None, False, None)[number % 4]
        colour = {True: Colour.GREEN, False: Colour.RED, None: Colour.ORANGE}[coming]
        heard = Heard(card.appointment_id, card.window.start, colour, coming, next(self.hours), claim())
        await hear_answer(self.house.desk, self.house.tenant, heard)


BOOKING = ("token", "hold", "series")
VERBS = [*BOOKING, *(name.removeprefix("do_") for name in dir(Life) if name.startswith("do_"))]


def life_of(house: House) -> Life:
    ledger = LedgerDouble(agents={new_id("agt") for _ in range(4)})
    desk = house.desk
    own = Desk(desk.db, desk.grounds, ledger, ledger, desk.slot_tokens, desk.page_tokens)
    return Life(House(own, ledger, sorted(ledger.agents)))


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 5)), min_size=8, max_size=24))
async def test_events_rebuild_any_life(house: House, steps: list[tuple[str, int]]) -> None:
    life = life_of(house)
    await life.set_up()
    await life.play(steps)


async def test_every_way_to_change_a_card_is_replayed(house: House) -> None:
    """Each verb does its work at least once, and the API's own message is rebuilt in its bytes."""
    life = life_of(house)
    await life.set_up()
    plan = ["token", "hold", "series", "confirm", "answer", "postpone", "swap", "reassign", "ko", "same"]
    plan += [
        "token",
        "date",
        "run",
        "token",
        "card",
        "run",
        "new",
        "repair",
        "token",
        "held",
        "correct",
        "held",
        "annul",
        "cancel",
    ]
    for verb in plan:
        for number in range(12):
            before = life.done.get(verb, 0)
            await life.play([(verb, number)])
            if life.done.get(verb, 0) > before:
                break
    assert set(life.done) == set(VERBS), "each verb was done"
    async with life.house.desk.db.uow(life.house.tenant) as tx:
        kept = await appointment_events.of(tx, life.cards)
    told = {read(each.event, each.payload, each.personal).happened.value for each in kept}
    wanted = "booked confirmed postponed reassigned refixed outcome_set cancelled superseded colour_changed"
    assert told == {f"appointment_{name}" for name in wanted.split()}


async def test_the_message_of_the_api_is_rebuilt_in_its_bytes(house: House) -> None:
    from booking.domain.replay import replay

    life = life_of(house)
    await life.set_up()
    await life.play([("token", 0), ("answer", 0), ("ko", 0), ("new", 0), ("postpone", 1)])
    async with life.house.desk.db.uow(life.house.tenant) as tx:
        for ident in life.cards:
            kept = await appointment_events.of(tx, [ident])
            rebuilt = replay([read(each.event, each.payload, each.personal) for each in kept]).card
            stored = messages.appointment(await life.house.stored(ident))
            again = messages.appointment(rebuilt)
            assert again.SerializeToString(deterministic=True) == stored.SerializeToString(deterministic=True)
    assert len(life.cards) == 2


TAMPERED = {
    "agent_id = 'agt_nobody'": "differs in agent_id",
    "note = note || '!'": "differs in note",
    "note = note || '!', version = version + 1": "differs in note",
    "updated_at = updated_at + interval '1 microsecond'": "differs in updated_at",
    "colour = 'GREEN', coloured_start = starts_at": "differs in colour",
}


@pytest.mark.parametrize("change", TAMPERED)
async def test_a_row_that_changed_without_an_event_is_found(house: House, change: str) -> None:
    card = (await house.booked()).appointment
    await house.booked(agent=1)
    async with house.desk.db.uow(house.tenant) as tx:
        statement = text(f"UPDATE booking.appointments SET {change} WHERE appointment_id = :a")
        await tx.run(statement, {"a": card.appointment_id})
    found = await replay_tenant(house.desk.db, house.tenant)
    (different,) = found.different
    assert different.appointment_id == card.appointment_id
    assert TAMPERED[change] in different.reason
    assert (found.cards, found.partly, found.unrecorded) == (2, 0, 0)


async def changed_by_an_older_replica(house: House, card: Card, change: str) -> None:
    """A change of which no event is kept."""
    async with house.desk.db.uow(house.tenant) as tx:
        statement = text(f"UPDATE booking.appointments SET {change} WHERE appointment_id = :a")
        await tx.run(statement, {"a": card.appointment.appointment_id})


async def test_a_change_of_a_replica_of_before_the_record_is_counted_apart(house: House) -> None:
    last, between, untouched = [await house.booked(soon(hours)) for hours in (40, 50, 60)]
    older = f"agent_id = '{house.agents[1]}', version = version + 1, updated_at = now()"
    for card in (last, between):
        await changed_by_an_older_replica(house, card, older)
    await house.postpone(between, soon(70))
    found = await replay_tenant(house.desk.db, house.tenant)
    assert (found.different, found.cards, found.gapped, found.partly) == ([], 3, 2, 0)
    assert (await house.stored(untouched.appointment.appointment_id)).version == 1


async def test_a_card_coloured_before_the_record_keeps_its_colour(house: House, urls: DatabaseUrls) -> None:
    card = await house.booked()
    painted = "colour = 'GREEN', coloured_start = starts_at"
    await changed_by_an_older_replica(house, card, painted)
    with psycopg.connect(urls.admin) as connection:  # nobody else may
        connection.execute("DELETE FROM booking.appointment_events WHERE tenant_id = %s", [house.tenant])
    ident = card.appointment.appointment_id
    await confirm_appointment(house.desk, ConfirmAppointment(ident, 0))
    assert (await house.stored(ident)).colour is not None
    found = await replay_tenant(house.desk.db, house.tenant)
    assert (found.different, found.cards, found.partly, found.gapped) == ([], 1, 1, 0)
