"""Many writers on few agents, all kinds of writes at once: not one broken promise (GEO-02, GEO-03)."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg
import pytest
import pytest_asyncio

from geo.domain.plan import Plan
from geo.storage import owners
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.expire_holds import expire_holds
from geo.usecases.get_reservation import list_reservations
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.ledger import Ledger
from geo.usecases.move_each import move_each
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.release_hold import release_hold
from geo.usecases.remove_absence import remove_absence
from geo.usecases.reserve_each import reserve_each
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.set_calendar import set_calendar
from geo.usecases.settle_stop import settle_stop
from kit.db.failures import constraint_fired
from kit.errors import GiroError, Reason
from kit.testing.databases import Databases
from kit.values.ids import new_id
from services.geo.tests.support.night import nights
from services.geo.tests.support.world import EAST, HOME, PLACES, TENANT, World, open_world, plan, window

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

ATTEMPTS = int(os.environ.get("GIRO_STORM", "1000"))
"""For each way to ask about legs; `make soak` attempts more."""

WRITERS, AGENTS, SEED = 32, 4, 20270301

NAMED = {
    Reason.SLOT_TAKEN,
    Reason.TRAVEL_IN,
    Reason.TRAVEL_OUT,
    Reason.ABSENT,
    Reason.OUTSIDE_SHIFT,
    Reason.CALENDAR_IN_USE,
    Reason.SETTLED,
    Reason.HOLD_EXPIRED,
    Reason.CONTENTION,
}


@dataclass
class Storm:
    """What the writers know of, and what they were told."""

    world: World
    agents: list[str]
    chance: random.Random
    processes: list[Ledger]
    told: Counter[str] = field(default_factory=Counter)
    holds: list[tuple[str, Plan]] = field(default_factory=list)
    booked: list[str] = field(default_factory=list)
    absences: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        """One of two processes of the service."""
        return self.chance.choice(self.processes)

    def plan(self) -> Plan:
        """Somewhere in three nights around midnight, on a grid of five minutes."""
        start = 20 + self.chance.randrange(0, 90) / 12
        length = self.chance.choice((0.25, 0.5, 0.75))
        day = self.chance.randrange(3)
        return plan(
            self.chance.choice(self.agents), start, start + length, self.chance.choice(PLACES), day=day
        )

    async def attempt(self) -> None:
        """One write, and what came of it."""
        write = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        try:
            await getattr(self, write)()
        except GiroError as refused:
            self.told[f"{write} {refused.reason}"] += 1
            if refused.reason not in NAMED:
                raise
        else:
            self.told[f"{write} OK"] += 1

    async def hold(self) -> None:
        asked, hold_id = self.plan(), new_id("hld")
        ttl = timedelta(seconds=self.chance.choice((1, 600)))
        await hold_stop(self.ledger, TENANT, HoldStop(hold_id, asked, ttl))
        self.holds.append((hold_id, asked))

    async def book(self) -> None:
        appointment = new_id("apt")
        await reserve_stop(self.ledger, TENANT, ReserveStop(appointment, self.plan()))
        self.booked.append(appointment)

    async def book_held(self) -> None:
        if not self.holds:
            return
        hold_id, asked = self.chance.choice(self.holds)
        appointment = new_id("apt")
        await reserve_stop(self.ledger, TENANT, ReserveStop(appointment, asked, hold_id))
        self.booked.append(appointment)

    async def release(self) -> None:
        if self.holds:
            await release_hold(self.ledger, TENANT, self.chance.choice(self.holds)[0])

    async def move(self) -> None:
        if self.booked:
            move = MoveStop(new_id("mov"), self.chance.choice(self.booked), self.plan())
            await move_stop(self.ledger, TENANT, move)

    async def move_each(self) -> None:
        chosen = self.chance.sample(self.booked, min(3, len(self.booked)))
        moves = [MoveStop(new_id("mov"), appointment, self.plan()) for appointment in chosen]
        outcomes = await move_each(self.ledger, TENANT, moves) if moves else []
        refused = {outcome.reason for outcome in outcomes if isinstance(outcome, GiroError)}
        assert refused <= NAMED

    async def reserve_each(self) -> None:
        asked = [ReserveStop(new_id("apt"), self.plan()) for _ in range(3)]
        outcomes = await reserve_each(self.ledger, TENANT, asked)
        for command, outcome in zip(asked, outcomes, strict=True):
            if isinstance(outcome, GiroError):
                assert outcome.reason in NAMED
            else:
                self.booked.append(command.appointment_id)

    async def cancel(self) -> None:
        if self.booked:
            place = self.chance.randrange(len(self.booked))
            await settle_stop(self.ledger, TENANT, self.booked.pop(place))

    async def absent(self) -> None:
        start, day = 20 + self.chance.randrange(0, 90) / 12, self.chance.randrange(3)
        command = AddAbsence(
            self.chance.choice(self.agents), window(start, start + 0.5, day), "", new_id("req")
        )
        self.absences.append((await add_absence(self.ledger, TENANT, command)).absence_id)

    async def back(self) -> None:
        if self.absences:
            await remove_absence(self.ledger, TENANT, self.chance.choice(self.absences))

    async def calendar(self) -> None:
        weekly = nights(self.chance.choice((HOME, EAST)))
        await set_calendar(self.ledger, TENANT, self.chance.choice(self.agents), weekly)


WEIGHTS = {
    "hold": 20,
    "book": 25,
    "book_held": 12,
    "release": 6,
    "move": 12,
    "move_each": 6,
    "reserve_each": 6,
    "cancel": 10,
    "absent": 4,
    "back": 3,
    "calendar": 2,
}


@pytest_asyncio.fixture(scope="module")
async def world(make_database: Databases) -> AsyncIterator[World]:
    opened = await open_world(make_database(["geo"]), pool_size=WRITERS + 2)
    yield opened
    await opened.db.stop()


def fired() -> float:
    return sum(
        sample.value
        for metric in constraint_fired.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("instant", [False, True], ids=["legs asked before the lock", "legs known at once"])
async def test_a_storm_breaks_no_promise(world: World, instant: bool) -> None:
    chance = random.Random(SEED)
    world.roads.seconds = {(a, b): chance.randrange(300, 2400, 60) for a in PLACES for b in PLACES if a != b}
    world.roads.instant = instant
    agents = [await world.agent(nights()) for _ in range(AGENTS)]
    storm = Storm(world, agents, chance, [world.ledger, world.ledger])
    left = iter(range(ATTEMPTS))
    before = fired()

    async def write() -> None:
        for number in left:
            await storm.attempt()
            if number % 100 == 0:
                await world.sound()

    async def sweep() -> None:
        while True:
            await expire_holds(world.ledger)
            await asyncio.sleep(0.2)

    sweeper = asyncio.create_task(sweep())
    await gathered(write() for _ in range(WRITERS))
    sweeper.cancel()
    report = await world.sound()
    print(
        f"\n{sum(storm.told.values())} attempts, {report.stops} stops left: {dict(storm.told.most_common())}"
    )
    assert sum(storm.told.values()) == ATTEMPTS
    assert sum(count for name, count in storm.told.items() if name.endswith(" OK")) > ATTEMPTS / 5
    assert fired() == before
    await assert_owners_and_stops_agree(world)


async def gathered(work: Iterable[Coroutine[None, None, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)


async def assert_owners_and_stops_agree(world: World) -> None:
    with psycopg.connect(world.urls.admin) as connection:
        active = connection.execute("SELECT owner_id FROM geo.owners WHERE state = 'ACTIVE'").fetchall()
        there = connection.execute("SELECT owner_id FROM geo.stops WHERE owner_id IS NOT NULL").fetchall()
        ended = connection.execute(
            "SELECT owner_id FROM geo.owners WHERE kind = 'HOLD' AND state = 'SETTLED'"
        ).fetchall()
        told = connection.execute(
            "SELECT entity_id FROM geo.outbox WHERE subject LIKE '%.hold_ended'"
        ).fetchall()
    assert sorted(active) == sorted(there)
    assert sorted(ended) == sorted(told)
    reservations = await list_reservations(world.ledger, TENANT, "", 100_000)
    async with world.db.uow(TENANT) as tx:
        known = [await owners.find(tx, one.appointment_id) for one in reservations]
    assert all(owner.ending is None for found in known for owner in found.values())
