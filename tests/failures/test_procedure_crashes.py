"""kill -9 of booking in the middle of a procedure's run: one effect for each version of an appointment.

The first tests kill the only worker at a failpoint, with several requests under way; the last one has two
workers of two processes share a run, and kills one of them from outside.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from tests.eventually import eventually
from tests.failures.test_crashes import _told_once, _until_it_dies
from tests.world import World, request_id, stamp

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(240)]

RECALL, MOVE, NEW_CARD = "recall-refixed", "move-refixed", "new-card-refixed"
KINDS = {
    RECALL: refix.PROCEDURE_KIND_RECALL,
    MOVE: refix.PROCEDURE_KIND_MOVE,
    NEW_CARD: refix.PROCEDURE_KIND_NEW_CARD,
}
POINTS = [
    (RECALL, "booking.procedure.before_commit"),
    (NEW_CARD, "booking.new_card.after_reserve"),
]
"""Booking's own tests die at every failpoint; here PostgreSQL, geo and NATS outlive the process."""
SUPERSEDED = booking.APPOINTMENT_STATE_SUPERSEDED


@dataclass
class Run:
    """Appointments whose agents have all named a date eight days later, and the procedure that works them."""

    world: World
    procedure: str
    booked: list[Any]

    @classmethod
    async def of(cls, world: World, procedure: str, many: int) -> "Run":
        booked = [
            await world.book(world.day(7, 6 + n // 2), agent=n % 2, contact=n % 12) for n in range(many)
        ]
        run = cls(world, procedure, booked)
        await run._make_states()
        for each in booked:
            asked = outcomes.SetOutcomeRequest(
                appointment_id=each.appointment_id,
                state_id="asked",
                refix_at=stamp(run.asked(each)),
                request_id=request_id(),
            )
            await world.call(OutcomesServiceStub(world.channel).SetOutcome, asked)
        return run

    async def _make_states(self) -> None:
        """A state that a procedure writes, and one whose agent names a date; a recall for those who call."""
        recalls = self.procedure == RECALL
        stub: Any = OutcomesServiceStub(self.world.channel)
        written = outcomes.UpsertOutcomeStateRequest(
            state_id="refixed",
            display_name="Refixed",
            result=outcomes.VISIT_RESULT_OPEN,
            recall=outcomes.RECALL_OPTION_NONE,
        )
        asked = outcomes.UpsertOutcomeStateRequest(
            state_id="asked",
            display_name="Asked",
            result=outcomes.VISIT_RESULT_KO,
            list_state="W" if recalls else "",
            recall=outcomes.RECALL_OPTION_PUBLIC if recalls else outcomes.RECALL_OPTION_NONE,
            refix=True,
        )
        for state in (written, asked):
            await self.world.call(stub.UpsertOutcomeState, state)

    @staticmethod
    def asked(booked: Any) -> datetime:
        """The date that the agent of this appointment named."""
        return booked.start.ToDatetime(UTC) + timedelta(days=8)

    async def switch_on(self) -> None:
        """From now on it is due every minute, and at once."""
        request = refix.UpsertProcedureRequest(
            procedure_id=self.procedure,
            kind=KINDS[self.procedure],
            display_name="p",
            interval=Duration(seconds=60),
            state_id="" if self.procedure == RECALL else "refixed",
            outcome_state_ids=["asked"],
            active=True,
        )
        await self.world.call(RefixServiceStub(self.world.channel).UpsertProcedure, request)

    async def done(self) -> list[str]:
        """Whose request was worked, once for each effect."""
        if self.procedure == RECALL:
            request = refix.ListRecallsRequest(page_size=200)
            found = await self.world.call(RefixServiceStub(self.world.channel).ListRecalls, request)
            return [recall.appointment_id for recall in found.recalls]
        return [each.appointment_id for each in await self.world.appointments() if self._is_done(each)]

    def _is_done(self, appointment: Any) -> bool:
        if self.procedure == NEW_CARD:
            return bool(appointment.state == SUPERSEDED)
        starts = {each.appointment_id: self.asked(each) for each in self.booked}
        return bool(appointment.start == stamp(starts[appointment.appointment_id]))

    async def require_one_effect_each(self) -> None:
        """Asserts that every request was worked exactly once, and that nothing is left half-made."""
        wanted = Counter(each.appointment_id for each in self.booked)
        assert Counter(await eventually(self._going_on, lambda seen: len(seen) >= len(wanted))) == wanted
        assert await eventually(self.world.ownership, lambda seen: seen == ([], [])) == ([], [])
        assert await self.world.violations() == []
        found = {each.appointment_id: each for each in await self.world.appointments()}
        versions = [found[name].version for name in wanted]
        assert versions == [2 if self.procedure == RECALL else 3] * len(wanted)
        new = [each for name, each in found.items() if name not in wanted]
        starts = sorted(each.start.seconds for each in new)
        asked = sorted(stamp(self.asked(each)).seconds for each in self.booked)
        assert starts == (asked if self.procedure == NEW_CARD else [])
        await _told_once(self.world, found)

    async def _going_on(self) -> list[str]:
        """What is done, while time passes: what geo gave no answer to is tried again after a pause."""
        await self.world.advance(timedelta(seconds=20))
        return await self.done()


@pytest.mark.parametrize(("procedure", "failpoint"), POINTS, ids=[f"{p}-{at}" for p, at in POINTS])
async def test_a_worker_killed_in_its_run_has_one_effect_each(
    world: World, stack: Stack, procedure: str, failpoint: str
) -> None:
    world.patience = 15
    run = await Run.of(world, procedure, 8)
    await stack.restart("booking", GIRO_FAILPOINTS=f"{failpoint}=kill")
    world.patience = 0
    try:
        await _until_it_dies(stack, "booking", run.switch_on)
    finally:
        await stack.restart("booking")
    world.patience = 15
    await run.require_one_effect_each()


@asynccontextmanager
async def second_worker(stack: Stack, pause: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One more booking process on the same database, until it is left or killed."""
    made = environment.of_process("booking", os.environ, stack.installation)
    port = free_port()
    made |= {"GIRO_BOOKING_PORT": str(port), "GIRO_BOOKING_METRICS_PORT": "0", "GIRO_BOOKING_FEED_PORT": "0"}
    made |= {"GIRO_SETTLE_AFTER": "6", "GIRO_FAILPOINTS": pause}

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
    run, pause = await Run.of(world, MOVE, 12), "booking.procedure.after_pending=pause:0.3"
    await stack.restart("booking", GIRO_FAILPOINTS=pause)
    try:
        async with second_worker(stack, pause) as second:
            await run.switch_on()
            await eventually(run.done, lambda seen: len(seen) >= 3)
            second.kill()
            await second.wait()
        await run.require_one_effect_each()
    finally:
        await stack.restart("booking")
