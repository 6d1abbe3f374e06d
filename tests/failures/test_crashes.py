"""kill -9 of booking and of geo at each failpoint of hold, book, postpone, reassign and cancel.

After the restart no appointment is without its stop and no stop without its owner within 60 s, what was
acknowledged is there, and repeating the request gives one answer and one appointment.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from allinone.stack import Stack
from tests.eventually import eventually
from tests.failures.armed import doomed
from tests.world import Refusal, World, request_id

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(180)]

LEDGER = ("before_lock", "after_lock", "after_read", "before_commit", "after_commit")
COMMIT = ("before_commit", "after_commit")
PLACES = [
    ("booking", "book", "booking.book", ("after_pending", "after_reserve", *COMMIT)),
    ("booking", "hold", "booking.hold", ("after_pending", "after_reserve", *COMMIT)),
    ("booking", "postpone", "booking.postpone", ("after_pending", "after_move", *COMMIT)),
    ("booking", "reassign", "booking.reassign", ("after_pending", "after_move", *COMMIT)),
    ("booking", "cancel", "booking.cancel", ("before_decide", *COMMIT)),
    ("geo", "hold", "geo.hold_stop", COMMIT),
    ("geo", "book", "geo.reserve_stop", LEDGER),
    ("geo", "postpone", "geo.move_stop", LEDGER),
    ("geo", "reassign", "geo.move_stop", COMMIT),
    ("geo", "cancel", "geo.settle_stop", COMMIT),
]
POINTS = [
    (service, action, f"{at}.{moment}") for service, action, at, moments in PLACES for moment in moments
]
UNKNOWN_OUTCOME = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED"}


@dataclass
class Act:
    """One change in one world: it can be repeated with the same key, and tells what it must have left."""

    world: World
    booked: Any
    token: str
    key: str

    async def book(self) -> Any:
        """Books a time on the second agent."""
        return await self.world.book(self.world.day(7, 15), agent=1, contact=3, key=self.key)

    async def hold(self) -> Any:
        """Keeps the suggested slot."""
        return await self.world.hold(self.token, key=self.key)

    async def postpone(self) -> Any:
        """Moves the booked appointment three hours on."""
        start = self.booked.start.ToDatetime() + timedelta(hours=3)
        return await self.world.postpone(
            self.booked.appointment_id, self.world.day(7, start.hour, start.minute), key=self.key
        )

    async def reassign(self) -> Any:
        """Gives the booked appointment to the second agent."""
        return await self.world.reassign(self.booked.appointment_id, 1, key=self.key)

    async def cancel(self) -> Any:
        """Cancels the booked appointment."""
        return await self.world.cancel(self.booked.appointment_id)


async def _prepared(world: World) -> Act:
    booked = await world.book(world.day(7, 9), agent=0, contact=1)
    suggested = await world.suggest(2, limit=1)
    return Act(world, booked, suggested.slots[0].slot_token, request_id())


async def _answer(call: Callable[[], Awaitable[Any]]) -> Any:
    """The answer; None when the outcome is not known to the caller."""
    try:
        return await call()
    except Refusal as refusal:
        if refusal.code not in UNKNOWN_OUTCOME:
            raise
        return None


async def _until_it_dies(stack: Stack, service: str, call: Callable[[], Awaitable[Any]]) -> Any:
    """Repeats the call until the service is gone; the first answer that a caller had, None without one."""
    down = asyncio.ensure_future(stack.wait_down(service))
    acknowledged = None
    while not down.done():
        answer = await _answer(call)
        acknowledged = answer if acknowledged is None else acknowledged
        await asyncio.wait({down}, timeout=1)
    return acknowledged


async def _final(call: Callable[[], Awaitable[Any]]) -> Any:
    """The first definite answer to the repeated request: a message, or the reason of its refusal."""

    async def ask() -> Any:
        try:
            return await call()
        except Refusal as refusal:
            passing = {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
            in_flight = {"REQUEST_IN_FLIGHT", "CHANGE_IN_PROGRESS"}
            return None if refusal.code in passing or refusal.reason in in_flight else refusal.reason

    return await eventually(ask, lambda answer: answer is not None)


@pytest.mark.parametrize(
    ("service", "action", "failpoint"), POINTS, ids=[point[2] + "-" + point[1] for point in POINTS]
)
async def test_killed_at_a_failpoint(
    world: World, stack: Stack, service: str, action: str, failpoint: str
) -> None:
    """Whatever was under way is made or not made, never half."""
    world.patience = 15
    act = await _prepared(world)
    call = getattr(act, action)
    world.patience = 0
    async with doomed(stack, service, failpoint):
        acknowledged = await _until_it_dies(stack, service, call)
    world.patience = 15
    assert await eventually(world.ownership, lambda seen: seen == ([], [])) == ([], [])
    answer = await _final(call)
    if acknowledged is not None:
        assert answer == acknowledged
    await _holds_together(world, act, action, answer)


async def _holds_together(world: World, act: Act, action: str, answer: Any) -> None:
    assert await eventually(world.ownership, lambda seen: seen == ([], [])) == ([], [])
    assert await world.violations() == []
    found = {each.appointment_id: each for each in await world.appointments()}
    assert len(found) == (2 if action == "book" and not isinstance(answer, str) else 1)
    if action in {"postpone", "reassign", "cancel"} and not isinstance(answer, str):
        now = found[act.booked.appointment_id]
        assert now.version == act.booked.version + 1
        assert (now.start, now.agent_id, now.state) == (answer.start, answer.agent_id, answer.state)
    await _told_once(world, found)


async def _told_once(world: World, found: dict[str, Any]) -> None:
    """Every version of every appointment is told by exactly one event."""
    versions = {(name, version) for name, each in found.items() for version in range(1, each.version + 1)}
    changes = await eventually(world.changes, lambda seen: len(seen) >= len(versions))
    assert sorted((change.appointment_id, change.version) for change in changes) == sorted(versions)
