"""Roads that die while they are asked, for a tenant that allows the estimate in their place: what they told
before is still at hand, everything else is estimated, and the two are never mixed nor kept for each other."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import pytest

from geo.domain.agenda import Agenda
from geo.domain.calendar import Calendar, WeeklyShift
from geo.domain.chain import Splice
from geo.domain.errors import StartAgain
from geo.domain.legs import LegBook, Pair
from geo.domain.modes import TravelMode
from geo.storage import matrices
from geo.storage.matrices import Matrices, OfTenant
from geo.storage.rewrite import CHANNEL, Changes
from geo.usecases.ledger import Desk, Draft, Ledger, book_of, write
from geo.usecases.prepared_gaps import PreparedGaps
from kit.db.uow import Tx
from services.geo.tests.support.search_days import BASE, SHOP, TABLE, VISIT, at, booked, diary
from services.geo.tests.support.search_world import TableTravel
from services.geo.tests.support.world import HOME, NORTH, SOUTH, TENANT, Roads, World, everyones

pytestmark = pytest.mark.asyncio

KNOWN, UNKNOWN = (HOME, NORTH), (HOME, SOUTH)


class DyingRoads(Roads):
    """Answers about KNOWN alone by the roads, and any question with another pair in it by the estimate."""

    async def legs(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        self.data = "roads-1" if set(pairs) <= {KNOWN} else "estimate-1"
        return await super().legs(tenant, pairs)


async def test_a_decision_gets_all_its_legs_of_one_version(world: World) -> None:
    async def decide(desk: Desk) -> Draft[set[str]]:
        legs = [book_of(desk.books, TravelMode.CAR).leg(pair) for pair in (KNOWN, UNKNOWN)]
        return Draft({leg.version for leg in legs if leg is not None})

    assert await write(Ledger(world.db, everyones(DyingRoads())), TENANT, "test", (), decide) == {
        "estimate-1"
    }


async def test_a_leg_that_is_only_welcome_costs_none_that_is_needed(world: World) -> None:
    looks = iter(range(100))

    async def decide(desk: Desk) -> Draft[str]:
        leg = book_of(desk.books, TravelMode.CAR).leg(KNOWN)
        if next(looks) == 0:
            raise StartAgain  # the second look has all that it needs, and asks for what is welcome
        welcome = Changes(splices={agent: Splice(wanted=frozenset({UNKNOWN}))})
        return Draft("" if leg is None else leg.version, welcome)

    agent = await world.agent()
    assert (
        await write(Ledger(world.db, everyones(DyingRoads())), TENANT, "test", [agent], decide) == "roads-1"
    )


@dataclass
class DyingTables(TableTravel):
    """Roads that know some pairs still; any question with another one in it is answered by the estimate."""

    known: set[Pair] = field(default_factory=set)
    dead: bool = True
    questions: int = 0

    async def legs_at_hand(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        self.questions += 1
        if self.questions > 20:
            raise AssertionError("it asks for ever")
        if not self.dead or set(pairs) <= self.known:
            return await super().legs_at_hand(tenant, pairs)
        return await replace(self, dead=False, version="estimate-1", default=9).legs_at_hand(tenant, pairs)


def agenda(name: str, monday: int, tuesday: int) -> Agenda:
    """From BASE to one place on Mondays, with a visit, and to another on Tuesdays."""
    shifts = WeeklyShift(1, 480, 720, BASE, monday), WeeklyShift(2, 480, 720, BASE, tuesday)
    one = replace(diary(name=name), calendar=Calendar("UTC", shifts, ()))
    return booked(one, 9, 10).agenda(at(-48))


def span() -> tuple[int, int]:
    return int(at(-24).timestamp()), int(at(240).timestamp())


async def test_gaps_are_never_made_of_two_versions_and_never_kept_for_another() -> None:
    travel = DyingTables(TABLE, known={(SHOP, BASE), (BASE, SHOP)})
    prepared = PreparedGaps(everyones(travel))
    easy, hard = agenda("agt_a", SHOP, SHOP), agenda("agt_b", SHOP, VISIT)
    await prepared.of("ten", (TravelMode.CAR, [easy]), *span())
    assert travel.questions == 1
    both = await prepared.of("ten", (TravelMode.CAR, [easy, hard]), *span())
    travel.dead = False
    after = await prepared.of("ten", (TravelMode.CAR, [easy, hard]), *span())
    assert after is not both
    assert after.agents[0] is both.agents[0]
    assert after.agents[1] is not both.agents[1]
    assert after is await prepared.of("ten", (TravelMode.CAR, [easy, hard]), *span())


async def test_a_matrix_that_is_forgotten_while_it_is_read_is_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word of an import comes between the reading of the old matrix and its being kept."""
    reading, go_on = asyncio.Event(), asyncio.Event()
    load = matrices.load

    async def slow(tx: Tx) -> OfTenant:
        found = await load(tx)
        reading.set()
        await go_on.wait()
        return found

    held = Matrices(world.db)
    monkeypatch.setattr(matrices, "load", slow)
    first = asyncio.create_task(held.at_hand(TENANT, TravelMode.CAR))
    await reading.wait()
    monkeypatch.undo()
    async with world.db.uow(TENANT) as tx:
        number = await matrices.put_in_force(
            tx, OfTenant(0, {TravelMode.CAR: {(HOME, NORTH): (77, 770)}}), CHANNEL
        )
    held.forget(TENANT)
    go_on.set()
    assert (await first).version < number
    assert (await held.at_hand(TENANT, TravelMode.CAR)).version == number
