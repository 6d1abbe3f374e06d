"""Many operators at once on few agents: the promise holds, and every loser is told why (GEO-02, GEO-03)."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from allinone.stack import Stack
from tests.eventually import eventually
from tests.world import Refusal, World

ATTEMPTS = int(os.environ.get("GIRO_STORM", "1000"))
"""`make soak` attempts more."""

WRITERS = 32
NAMED = {
    "SLOT_TAKEN",
    "SLOT_TOKEN_STALE",
    "TRAVEL_IN",
    "TRAVEL_OUT",
    "HOLD_EXPIRED",
    "CONTENTION",
    "CHANGE_IN_PROGRESS",
    "WRONG_STATE",
    "STALE_VERSION",
    "INVALID_FIELD",
    "NOT_LATER",
    "LEAD_TIME",
    "NOT_FOUND",
}
UNANSWERED = {"SERVICE_UNAVAILABLE", "DATABASE_UNAVAILABLE", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
"""A loaded machine may leave a call without an answer in time; that is settled, and told, too."""

MOST_UNANSWERED = ATTEMPTS // 10

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest_asyncio.fixture
async def crowded(stack: Stack) -> AsyncIterator[World]:
    """Four agents, so that thirty-two writers meet."""
    made = await World.make(stack, agents=4)
    yield made
    await made.close()


@dataclass
class Storm:
    """Writers that hold, book, postpone, reassign and cancel at random from one seed."""

    world: World
    seed: int
    booked: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """All attempts, shared among the writers."""
        numbers = iter(range(ATTEMPTS))
        await asyncio.gather(*(self._writer(writer, numbers) for writer in range(WRITERS)))

    async def _writer(self, writer: int, numbers: Any) -> None:
        chance = random.Random(f"{self.seed}-{writer}")
        for _ in numbers:
            act = chance.choices(
                [self._book, self._hold_and_book, self._postpone, self._reassign, self._cancel],
                [40, 15, 15, 15, 15],
            )[0]
            try:
                await act(chance)
                self.outcomes[act.__name__] += 1
            except Refusal as refusal:
                self.outcomes[refusal.reason or refusal.code] += 1

    async def _book(self, chance: random.Random) -> None:
        start = self.world.day(chance.choice([4, 5]), chance.randrange(24), chance.choice(range(0, 60, 5)))
        made = await self.world.book(start, agent=chance.randrange(4), contact=chance.randrange(12))
        self.booked.append(made.appointment_id)

    async def _hold_and_book(self, chance: random.Random) -> None:
        contact = chance.randrange(12)
        suggested = await self.world.suggest(contact, limit=5)
        if suggested.slots:
            hold = await self.world.hold(chance.choice(suggested.slots).slot_token)
            made = await self.world.book_with(contact=contact, hold_id=hold.hold_id)
            self.booked.append(made.appointment_id)

    async def _postpone(self, chance: random.Random) -> None:
        start = self.world.day(chance.choice([5, 6]), chance.randrange(24), chance.choice(range(0, 60, 5)))
        await self.world.postpone(self._one(chance), start)

    async def _reassign(self, chance: random.Random) -> None:
        await self.world.reassign(self._one(chance), chance.randrange(4))

    async def _cancel(self, chance: random.Random) -> None:
        await self.world.cancel(self._one(chance))

    def _one(self, chance: random.Random) -> str:
        return chance.choice(self.booked[-40:]) if self.booked else "apt_none"


async def test_a_storm_of_writers_breaks_no_promise(crowded: World, stack: Stack) -> None:
    """1,000 attempts, 32 writers, 4 agents: no violation, named losers, constraints that never fire."""
    storm = Storm(crowded, seed=2027)
    await storm.run()
    assert sum(storm.outcomes.values()) == ATTEMPTS
    losers = {name for name in storm.outcomes if not name.startswith("_")}
    assert losers <= NAMED | UNANSWERED, storm.outcomes
    assert storm.outcomes["_book"] > ATTEMPTS / 40, storm.outcomes
    assert sum(storm.outcomes[name] for name in UNANSWERED) <= MOST_UNANSWERED, storm.outcomes
    assert await crowded.violations() == []
    assert await eventually(crowded.ownership, lambda seen: seen == ([], [])) == ([], [])
    assert await _constraints_fired(stack) == 0


async def _constraints_fired(stack: Stack) -> float:
    """How often the database had to refuse what the code let through, in all services."""
    fired = 0.0
    async with httpx2.AsyncClient() as client:
        for service in ("booking", "geo"):
            text = (await client.get(stack.urls.metrics[service])).text
            lines = [line for line in text.splitlines() if line.startswith("giro_db_constraint_fired_total{")]
            fired += sum(float(line.rsplit(" ", 1)[1]) for line in lines)
    return fired
