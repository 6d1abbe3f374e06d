"""kill -9 of booking in the middle of procedures' runs: one effect for each version of an appointment.

The first test kills the only worker three times, each time in another kind of work and with more of it left;
in the second one two workers of two processes share a run of moves, and one of them is killed from outside.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from allinone import environment
from allinone.stack import Stack
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import outcomes_pb2 as outcomes
from giro.booking.v1 import refix_pb2 as refix
from giro.booking.v1.outcomes_pb2_grpc import OutcomesServiceStub
from giro.booking.v1.refix_pb2_grpc import RefixServiceStub
from kit.testing.ports import free_port, listening
from tests.conftest import QUICK_SETTLING
from tests.eventually import eventually
from tests.failures.armed import armed, doomed
from tests.failures.test_crashes import _told_once, _until_it_dies
from tests.world import World, request_id, stamp

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(240)]

RECALL, NEW_CARD, MOVE = "recall-refixed", "new-card-refixed", "move-refixed"
KINDS = {
    RECALL: refix.PROCEDURE_KIND_RECALL,
    NEW_CARD: refix.PROCEDURE_KIND_NEW_CARD,
    MOVE: refix.PROCEDURE_KIND_MOVE,
}
DEATHS = {
    RECALL: "booking.procedure.before_commit",
    NEW_CARD: "booking.new_card.after_reserve",
    MOVE: "booking.procedure.after_agent",
}
"""Booking's own tests die at every failpoint; here PostgreSQL, geo and NATS outlive the process."""
SUPERSEDED = booking.APPOINTMENT_STATE_SUPERSEDED


@dataclass
class Run:
    """Appointments whose agents have all named a date eight days later, by the procedure that works them."""

    world: World
    booked: Mapping[str, list[Any]]

    @classmethod
    async def of(cls, world: World, **sizes: int) -> "Run":
        """So many of each kind: RECALL, NEW_CARD, MOVE."""
        kinds = [globals()[kind] for kind, many in sizes.items() for _ in range(many)]
        hours = [world.day(7, 6 + n // 2) for n in range(len(kinds))]
        visits = [world.book(hour, agent=n % 2, contact=n % 12) for n, hour in enumerate(hours)]
        booked = list(zip(kinds, await asyncio.gather(*visits), strict=True))
        run = cls(world, {kind: [visit for its, visit in booked if its == kind] for kind in KINDS})
        await run._make_states()
        await asyncio.gather(*(run._ask(kind, visit) for kind, visit in booked))
        return run

    async def _ask(self, kind: str, visit: Any) -> None:
        asked = outcomes.SetOutcomeRequest(
            appointment_id=visit.appointment_id,
            state_id=f"asked-{kind}",
            refix_at=stamp(self.asked(visit)),
            request_id=request_id(),
        )
        await self.world.call(OutcomesServiceStub(self.world.channel).SetOutcome, asked)

    async def _make_states(self) -> None:
        """A state that procedures write, and for each one whose agent names a date; a recall for those who
        call."""
        stub: Any = OutcomesServiceStub(self.world.channel)
        written = outcomes.UpsertOutcomeStateRequest(
            state_id="refixed",
            display_name="Refixed",
            result=outcomes.VISIT_RESULT_OPEN,
            recall=outcomes.RECALL_OPTION_NONE,
        )
        await self.world.call(stub.UpsertOutcomeState, written)
        for kind in KINDS:
            recalls = kind == RECALL
            asked = outcomes.UpsertOutcomeStateRequest(
                state_id=f"asked-{kind}",
                display_name="Asked",
                result=outcomes.VISIT_RESULT_KO,
                list_state="W" if recalls else "",
                recall=outcomes.RECALL_OPTION_PUBLIC if recalls else outcomes.RECALL_OPTION_NONE,
                refix=True,
            )
            await self.world.call(stub.UpsertOutcomeState, asked)

    @staticmethod
    def asked(booked: Any) -> datetime:
        """The date that the agent of this appointment named."""
        return booked.start.ToDatetime(UTC) + timedelta(days=8)

    def ids(self, kind: str) -> list[str]:
        """Of the appointments of one kind."""
        return [visit.appointment_id for visit in self.booked[kind]]

    async def switch_on(self, kind: str) -> None:
        """From now on it is due every minute, and at once."""
        request = refix.UpsertProcedureRequest(
            procedure_id=kind,
            kind=KINDS[kind],
            display_name="p",
            interval=Duration(seconds=60),
            state_id="" if kind == RECALL else "refixed",
            outcome_state_ids=[f"asked-{kind}"],
            active=True,
        )
        await self.world.call(RefixServiceStub(self.world.channel).UpsertProcedure, request)

    async def done(self) -> list[str]:
        """Whose request was worked, once for each effect."""
        request = refix.ListRecallsRequest(page_size=200)
        found = await self.world.call(RefixServiceStub(self.world.channel).ListRecalls, request)
        called = [recall.appointment_id for recall in found.recalls]
        cards = {each.appointment_id: each for each in await self.world.appointments()}
        new = [name for name in self.ids(NEW_CARD) if cards[name].state == SUPERSEDED]
        moved = [
            visit.appointment_id
            for visit in self.booked[MOVE]
            if cards[visit.appointment_id].start == stamp(self.asked(visit))
        ]
        return [*called, *new, *moved]

    async def require_one_effect_each(self) -> None:
        """Asserts that every request was worked exactly once, and that nothing is left half-made."""
        wanted = Counter(name for kind in KINDS for name in self.ids(kind))
        assert Counter(await eventually(self._going_on, lambda seen: len(seen) >= len(wanted))) == wanted
        assert await eventually(self.world.ownership, lambda seen: seen == ([], [])) == ([], [])
        assert await self.world.violations() == []
        found = {each.appointment_id: each for each in await self.world.appointments()}
        for kind in KINDS:
            assert {found[name].version for name in self.ids(kind)} <= {2 if kind == RECALL else 3}
        new = [each for name, each in found.items() if name not in wanted]
        starts = sorted(each.start.seconds for each in new)
        assert starts == sorted(stamp(self.asked(each)).seconds for each in self.booked[NEW_CARD])
        await _told_once(self.world, found)

    async def _going_on(self) -> list[str]:
        """What is done, while time passes: what geo gave no answer to is tried again after a pause."""
        await self.world.advance(timedelta(seconds=20))
        return await self.done()


async def test_a_worker_killed_again_and_again_has_one_effect_each(world: World, stack: Stack) -> None:
    world.patience = 15
    run = await Run.of(world, RECALL=3, NEW_CARD=3, MOVE=8)
    for kind, failpoint in DEATHS.items():
        world.patience = 0
        async with doomed(stack, "booking", failpoint):
            await _until_it_dies(stack, "booking", partial(run.switch_on, kind))
        world.patience = 15
    await run.require_one_effect_each()


async def test_geo_killed_while_it_moves_a_runs_stops(world: World, stack: Stack) -> None:
    """It has made them, and nobody is told: that is settled, and made once."""
    world.patience = 15
    run = await Run.of(world, MOVE=4)
    async with doomed(stack, "geo", "geo.move_each.after_commit"):
        await _until_it_dies(stack, "geo", partial(run.switch_on, MOVE))
    await run.require_one_effect_each()
    assert await world.differing() == []


@asynccontextmanager
async def second_worker(stack: Stack, pause: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One more booking process on the same database, until it is left or killed."""
    made = environment.of_process("booking", os.environ, stack.installation)
    port = free_port()
    made |= {"GIRO_BOOKING_PORT": str(port), "GIRO_BOOKING_METRICS_PORT": "0", "GIRO_BOOKING_FEED_PORT": "0"}
    made |= {**QUICK_SETTLING, "GIRO_FAILPOINTS": pause}

    async def serves() -> bool:
        return listening(port)

    with stack.log("booking-2").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "booking", "serve", env=made, stdout=log, stderr=log
        )
    try:
        await eventually(serves, bool)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_two_workers_share_a_run_and_one_of_them_is_killed(world: World, stack: Stack) -> None:
    world.patience = 15
    run, pause = await Run.of(world, MOVE=12), "booking.procedure.after_pending=pause:0.3"
    with armed(stack, "booking", pause):
        async with second_worker(stack, pause) as second:
            await run.switch_on(MOVE)
            await eventually(run.done, lambda seen: len(seen) >= 3)
            second.kill()
            await second.wait()
    await run.require_one_effect_each()
