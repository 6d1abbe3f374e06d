"""kill -9 of booking while every other way to write is in the middle: nothing is half-made or told twice.

An operator's re-fix on the same and on a new card, an outcome and its correction, a series, a plan of two, a
swap and the decision of an annulment claim are all held at one moment of theirs, then the process is killed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration

from allinone.stack import Stack
from giro.booking.v1 import annulments_pb2 as annulments
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import outcomes_pb2 as outcomes
from giro.booking.v1 import plans_pb2 as plans
from giro.booking.v1 import refix_pb2 as refix
from giro.booking.v1 import series_pb2 as series
from giro.booking.v1 import swaps_pb2 as swaps
from giro.booking.v1.annulments_pb2_grpc import AnnulmentsServiceStub
from giro.booking.v1.outcomes_pb2_grpc import OutcomesServiceStub
from giro.booking.v1.refix_pb2_grpc import RefixServiceStub
from giro.booking.v1.series_pb2_grpc import SeriesServiceStub
from giro.booking.v1.swaps_pb2_grpc import SwapsServiceStub
from giro.geo.v1 import geo_pb2 as geo
from tests.eventually import eventually
from tests.failures.armed import armed
from tests.failures.test_crashes import UNKNOWN_OUTCOME, _final, _told_once
from tests.world import Refusal, World, request_id, stamp

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(240)]

IN_TRANSACTION = ("outcome.before_commit", "annul_decide.before_commit")
MOMENTS = {
    "geo was not asked": (
        *IN_TRANSACTION,
        "refix.after_pending",
        "new_card.after_pending",
        "series.after_pending",
        "book_plan.after_pending",
        "repair.after_pending",
    ),
    "geo has answered": (
        *IN_TRANSACTION,
        "refix.after_move",
        "new_card.after_reserve",
        "series.after_reserve",
        "book_plan.after_reserve",
        "repair.after_move",
    ),
    "nobody was told": (
        "outcome.after_commit",
        "annul_decide.before_commit",
        "refix.after_commit",
        "new_card.after_commit",
        "series.before_commit",
        "repair.after_commit",
    ),
}
"""Where each act is held; a swap is a repair of two, a correction an outcome; a plan ends as a series does.
Those of a swap, of a series, of a plan, of a re-fix and of a new card differ in what geo has made."""

RESULTS = {
    "ko": outcomes.VISIT_RESULT_KO,
    "held": outcomes.VISIT_RESULT_HELD,
    "refixed": outcomes.VISIT_RESULT_OPEN,
}
TOLD = "nobody was told"
OPEN = ("annulment", "correction", "outcome")
"""What is held in a transaction comes last: a database waits for an idle one for some seconds only."""
OPEN_LAST = ("annulment", "plan", "series")
"""What is still open where the others are made and nobody was told."""
PENDING = 8
"""A re-fix, a new card, a series, a plan and a swap of two wait for geo."""
VISITS = ("refixed", "renewed", "told", "held", "first", "second", "annulled")
CREATED, REFUSED = series.SERIES_STATE_CREATED, series.SERIES_STATE_REFUSED
STATE = booking.AppointmentState


@dataclass
class Acts:
    """Each on visits of its own; each may be repeated under its key."""

    world: World
    cards: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    claim: str = ""
    beside: dict[str, World] = field(default_factory=dict)
    """The tenant in other campaigns: what is held in a transaction keeps its campaign's counters locked."""

    @classmethod
    async def of(cls, world: World) -> "Acts":
        """Seven booked visits; one was held, of one it is claimed that it was not."""
        acts = cls(world)
        for name in ("held", "annulled", "series", "plan"):
            acts.beside[name] = replace(world)
            await acts.beside[name]._make_campaign(10, 1)
        visits = [acts._book(number, name) for number, name in enumerate(VISITS)]
        acts.cards = dict(zip(VISITS, await asyncio.gather(*visits), strict=True))
        acts.keys = {name: request_id() for name in acts.all}
        await acts._make_states()
        await acts._outcome("held", "held", request_id())
        request = annulments.ClaimAnnulmentRequest(
            appointment_id=acts._id("annulled"),
            reason=annulments.ANNULMENT_REASON_WRONG_DETAILS,
            request_id=request_id(),
        )
        made: Any = await world.call(AnnulmentsServiceStub(world.channel).ClaimAnnulment, request)
        acts.claim = made.claim_id
        return acts

    async def _book(self, number: int, name: str) -> Any:
        world = self.beside.get(name, self.world)
        contact = 0 if name in self.beside else number
        start = world.day(7, 6 + 2 * number)
        return await world.book(start, agent=int(name == "second"), contact=contact)

    @property
    def all(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """By name."""
        return {
            "refix": lambda: self._refix("refixed", refix.CARD_CHOICE_SAME, 9),
            "new card": lambda: self._refix("renewed", refix.CARD_CHOICE_NEW, 10),
            "outcome": lambda: self._outcome("told", "ko", self.keys["outcome"]),
            "correction": self._correct,
            "series": self._series,
            "plan": self._plan,
            "swap": self._swap,
            "annulment": self._annul,
        }

    def _id(self, name: str) -> str:
        return str(self.cards[name].appointment_id)

    async def _make_states(self) -> None:
        stub: Any = OutcomesServiceStub(self.world.channel)
        for name, result in RESULTS.items():
            state = outcomes.UpsertOutcomeStateRequest(state_id=name, display_name=name, result=result)
            await self.world.call(stub.UpsertOutcomeState, state)
        asked = refix.ImportParametersRequest(parameters=[refix.NamedValue(name="CC0036", value="SI")])
        await self.world.call(RefixServiceStub(self.world.channel).ImportParameters, asked)

    async def _refix(self, name: str, card: Any, days: int) -> Any:
        request = refix.RefixAppointmentRequest(
            appointment_id=self._id(name),
            time=refix.RefixTime(agent_id=self.world.agents[0], start=stamp(self.world.day(days))),
            card=card,
            state_id="refixed",
            request_id=self.keys["refix" if name == "refixed" else "new card"],
        )
        return await self.world.call(RefixServiceStub(self.world.channel).RefixAppointment, request)

    async def _outcome(self, name: str, state: str, key: str) -> Any:
        request = outcomes.SetOutcomeRequest(appointment_id=self._id(name), state_id=state, request_id=key)
        return await self.world.call(OutcomesServiceStub(self.world.channel).SetOutcome, request)

    async def _correct(self) -> Any:
        request = outcomes.CorrectOutcomeRequest(
            appointment_id=self._id("held"),
            state_id="ko",
            reason="the wrong door",
            request_id=self.keys["correction"],
        )
        return await self.world.call(OutcomesServiceStub(self.world.channel).CorrectOutcome, request)

    async def _series(self) -> Any:
        request = series.CreateSeriesRequest(
            campaign_id=self.beside["series"].campaign,
            contact_id=self.beside["series"].contacts[0],
            agent_id=self.world.agents[1],
            start=stamp(self.world.day(12)),
            duration=Duration(seconds=1800),
            every_days=1,
            count=2,
            request_id=self.keys["series"],
        )
        return await self.world.call(SeriesServiceStub(self.world.channel).CreateSeries, request)

    async def _plan(self) -> Any:
        visits = [
            plans.PlanVisit(
                campaign_id=self.beside["plan"].campaign,
                contact_id=self.beside["plan"].contacts[0],
                agent_id=self.world.agents[0],
                start=stamp(self.world.day(days)),
                duration=Duration(seconds=1800),
            )
            for days in (14, 15)
        ]
        request = plans.BookPlanRequest(visits=visits, request_id=self.keys["plan"])
        return await self.world.call(self.world.plans.BookPlan, request)

    async def _swap(self) -> Any:
        request = swaps.SwapAppointmentsRequest(
            appointment_id=self._id("first"),
            other_appointment_id=self._id("second"),
            request_id=self.keys["swap"],
        )
        return await self.world.call(SwapsServiceStub(self.world.channel).SwapAppointments, request)

    async def _annul(self) -> Any:
        request = annulments.DecideAnnulmentRequest(claim_id=self.claim, accepted=True)
        return await self.world.call(AnnulmentsServiceStub(self.world.channel).DecideAnnulment, request)

    async def with_geo(self, stack: Stack, moment: str) -> bool:
        """Whether what asks geo has come as far as it is to come."""
        if moment == "geo was not asked":
            return (await self._looked(stack))[0] >= PENDING
        if moment == "geo has answered":
            return await self._stops_made()
        return await self._versions("refixed", "renewed", "first", "second") == [2, 2, 2, 2]

    async def in_transaction(self, stack: Stack, moment: str) -> bool:
        """The same of what is held in its transaction, or just after it."""
        _, held_open = await self._looked(stack)
        if moment != TOLD:
            return held_open >= len(OPEN)
        return held_open >= len(OPEN_LAST) and await self._versions("told", "held") == [2, 3]

    async def _looked(self, stack: Stack) -> tuple[int, int]:
        return await asyncio.to_thread(_looked, stack.urls.admin_database, self.world.tenant)

    async def _versions(self, *names: str) -> list[int]:
        found = {each.appointment_id: each for each in await self.world.appointments()}
        return [found[self._id(name)].version for name in names]

    async def _stops_made(self) -> bool:
        first, second = [await self._starts(agent) for agent in self.world.agents]
        mine = {stamp(self.world.day(days)).seconds for days in (9, 10, 14, 15)}
        theirs = {stamp(self.world.day(days)).seconds for days in (12, 13)}
        swapped = {self.cards["first"].start.seconds} <= second
        return mine <= first and theirs <= second and swapped

    async def _starts(self, agent: str) -> set[int]:
        request = geo.GetItineraryRequest(
            agent_id=agent, from_time=stamp(self.world.day(7, 0)), to_time=stamp(self.world.day(16, 0))
        )
        found = await self.world.call(self.world.geo.GetItinerary, request)
        return {stop.start.seconds for stop in found.stops}

    async def require_whole(self, answers: dict[str, Any]) -> None:
        """Asserts that each is there as it was answered, or not at all."""
        found = {each.appointment_id: each for each in await self.world.appointments()}
        now = {name: found[self._id(name)] for name in self.cards}
        made = {name for name, answer in answers.items() if not isinstance(answer, str)}
        assert {"outcome", "correction", "annulment"} <= made, answers
        assert (now["told"].outcome_state_id, now["told"].version) == ("ko", 2)
        assert (now["held"].state, now["held"].version) == (STATE.APPOINTMENT_STATE_TO_CONFIRM, 3)
        assert now["annulled"].state == STATE.APPOINTMENT_STATE_CANCELLED
        assert (now["refixed"].start == stamp(self.world.day(9))) == ("refix" in made)
        assert (now["renewed"].state == STATE.APPOINTMENT_STATE_SUPERSEDED) == ("new card" in made)
        changed = [now[name].agent_id != self.cards[name].agent_id for name in ("first", "second")]
        assert changed == ["swap" in made] * 2
        booked = "series" in made and answers["series"].state == CREATED
        assert "series" not in made or answers["series"].state in {CREATED, REFUSED}
        extra = found.keys() - {self._id(name) for name in self.cards}
        assert len(extra) == 2 * booked + 2 * ("plan" in made) + ("new card" in made)
        await _told_once(self.world, found)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_while_all_are_under_way(world: World, stack: Stack, moment: str) -> None:
    world.patience = 15
    acts = await Acts.of(world)
    world.patience = 0
    try:
        await _die(stack, acts, moment)
    finally:
        await stack.restart("booking")
    world.patience = 15
    assert await eventually(world.ownership, lambda seen: seen == ([], [])) == ([], [])
    answers = {name: await _final(act) for name, act in acts.all.items()}
    assert {name: await _final(act) for name, act in acts.all.items()} == answers
    assert await eventually(world.ownership, lambda seen: seen == ([], [])) == ([], [])
    await acts.require_whole(answers)
    assert await world.violations() == []
    for each in (world, *acts.beside.values()):
        assert await each.differing() == []


async def _die(stack: Stack, acts: Acts, moment: str) -> None:
    """All begin, are held at the moment, and lose the process; nobody is answered."""
    late = {*OPEN, *OPEN_LAST} if moment == TOLD else {*OPEN}
    with armed(stack, "booking", ",".join(f"booking.{point}=pause:60" for point in MOMENTS[moment])):
        calls = [_begun(act) for name, act in acts.all.items() if name not in late]
        assert await eventually(lambda: acts.with_geo(stack, moment), bool)
        calls += [_begun(acts.all[name]) for name in sorted(late)]
        assert await eventually(lambda: acts.in_transaction(stack, moment), bool)
        await stack.kill("booking")
        assert set(await asyncio.gather(*calls)) <= UNKNOWN_OUTCOME


def _begun(act: Callable[[], Awaitable[Any]]) -> "asyncio.Future[str]":
    return asyncio.ensure_future(_unanswered(act))


def _looked(database: str, tenant: str) -> tuple[int, int]:
    """How many cards of the tenant wait for geo, and how many transactions of booking are held open."""
    waiting = (
        "SELECT count(*) FROM booking.appointments"
        " WHERE tenant_id = %s AND (move_id IS NOT NULL OR state = 'PENDING')"
    )
    held = (
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'giro_booking'"
        " AND state = 'idle in transaction' AND xact_start < now() - interval '0.2 s'"
    )
    with psycopg.connect(database) as connection:
        cards, sessions = (
            connection.execute(query, args).fetchone() for query, args in ((waiting, [tenant]), (held, []))
        )
    assert cards is not None
    assert sessions is not None
    return int(cards[0]), int(sessions[0])


async def _unanswered(act: Callable[[], Awaitable[Any]]) -> str:
    """How a caller was told; nothing may have been answered."""
    try:
        return f"answered: {await act()}"
    except Refusal as refusal:
        return refusal.code if refusal.code in UNKNOWN_OUTCOME else str(refusal)
