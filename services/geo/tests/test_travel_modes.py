"""Agents by car, by bicycle and on foot: every drive is by the agent's own mode (GEO-25)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from geo.domain.agent import Agent
from geo.domain.modes import TravelMode
from geo.domain.starts import Position
from geo.storage.agendas import Agendas
from geo.usecases.add_absence import AddAbsence, add_absence
from geo.usecases.by_mode import ByMode
from geo.usecases.create_agent import create_agent
from geo.usecases.explain_start import ChangeKind, ExplainStart, explain_start
from geo.usecases.get_agent import get_agent
from geo.usecases.hold_stop import HoldStop, hold_stop
from geo.usecases.ledger import Ledger
from geo.usecases.move_stop import MoveStop, move_stop
from geo.usecases.move_stops import MoveStops, move_stops
from geo.usecases.reserve_stop import ReserveStop, reserve_stop
from geo.usecases.search_slots import Found, SearchSlots, SlotSearch
from geo.usecases.set_travel_mode import set_travel_mode
from geo.usecases.settle_stop import settle_stop
from geo.usecases.validate_route import RouteStop, ValidateRoute, validate_route
from geo.usecases.verify_invariants import verify_invariants
from kit.db.claims import Claim
from kit.errors import GiroError, Reason, RuleViolated, Unavailable
from kit.testing.databases import Databases
from kit.testing.schedule import two_sessions
from kit.values.ids import new_id
from services.geo.tests.support.search_world import TableTravel
from services.geo.tests.support.world import (
    NORTH,
    SOUTH,
    TENANT,
    Roads,
    World,
    at,
    open_world,
    plan,
    week,
    window,
)

pytestmark = pytest.mark.asyncio

CAR, BICYCLE, FOOT = TravelMode
DRIVE, RIDE = 1200, 3000
"""Seconds between any two places, by car and by bicycle."""


@dataclass
class Fleet:
    """A ledger with roads for cars and for bicycles, and none for feet."""

    world: World
    cars: Roads
    bicycles: Roads
    changed: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.world.db, ByMode({CAR: self.cars, BICYCLE: self.bicycles}))

    async def agent(self, mode: TravelMode = CAR) -> str:
        made = Agent(new_id("agt"), "Ada", (), 0, week(lunch=False), mode=mode)
        await create_agent(self.ledger, TENANT, made, Claim(new_id("req"), b""))
        return made.agent_id

    async def book(self, agent: str, start: float, end: float, place: int) -> str:
        appointment = new_id("apt")
        await reserve_stop(self.ledger, TENANT, ReserveStop(appointment, plan(agent, start, end, place)))
        return appointment

    def legs(self, agent: str) -> list[tuple[int, str]]:
        """Seconds and versions of the drives on an agenda, in order."""
        with psycopg.connect(self.world.urls.admin) as connection:
            return connection.execute(
                "SELECT leg_seconds, leg_version FROM geo.stops WHERE agent_id = %s AND leg_version <> 'none'"
                " ORDER BY starts_at",
                (agent,),
            ).fetchall()

    async def sound(self) -> None:
        report = await verify_invariants(self.ledger, TENANT)
        assert report.violations == ()

    async def search(self, agents: list[str], start: float, end: float, **more: Any) -> Found:
        tables = {
            CAR: TableTravel({}, DRIVE, self.cars.told),
            BICYCLE: TableTravel({}, RIDE, self.bicycles.told),
        }
        search = SlotSearch(Agendas(self.world.db), ByMode(tables))
        asked = SearchSlots(SOUTH, 1800, (window(start, end),), at(0), tuple(agents), granularity=60, **more)
        found = await search.search(TENANT, asked)
        assert all(len(table.asked) <= 1 for table in tables.values()), "each engine is asked once"
        return found


@pytest_asyncio.fixture(scope="module", params=["asked before the lock", "known at once", "one of each"])
async def fleet(make_database: Databases, request: pytest.FixtureRequest) -> AsyncIterator[Fleet]:
    world = await open_world(make_database(["geo"]))
    cars, bicycles = Roads(data="car-1"), Roads(usual=RIDE, data="bicycle-1", mode=BICYCLE)
    cars.instant = request.param != "asked before the lock"
    bicycles.instant = request.param == "known at once"
    yield Fleet(world, cars, bicycles)
    await world.db.stop()


async def refusal(awaitable: Any) -> GiroError:
    with pytest.raises(GiroError) as refused:
        await awaitable
    return refused.value


async def test_the_same_pair_takes_each_agent_the_time_of_their_mode(fleet: Fleet) -> None:
    driver, rider = await fleet.agent(), await fleet.agent(BICYCLE)
    for agent in (driver, rider):
        await fleet.book(agent, 9, 10, NORTH)
    ride = timedelta(seconds=RIDE) / timedelta(hours=1)
    await fleet.book(driver, 10 + DRIVE / 3600, 11, SOUTH)
    assert (await refusal(fleet.book(rider, 10 + DRIVE / 3600, 11, SOUTH))).reason is Reason.TRAVEL_IN
    short = await refusal(fleet.book(rider, 10 + ride - 1 / 3600, 11.5, SOUTH))
    assert (short.reason, short.metadata["short_seconds"]) == (Reason.TRAVEL_IN, "1")
    await fleet.book(rider, 10 + ride, 11.5, SOUTH)
    assert set(fleet.legs(driver)) == {(DRIVE, "car-1")}
    assert set(fleet.legs(rider)) == {(RIDE, fleet.bicycles.told)}
    await fleet.sound()


async def test_a_mode_without_roads_is_refused_and_named(fleet: Fleet) -> None:
    agent = await fleet.agent()
    for refused in (
        await refusal(fleet.agent(FOOT)),
        await refusal(set_travel_mode(fleet.ledger, TENANT, agent, FOOT)),
    ):
        assert (refused.reason, refused.violations[0].field) == (Reason.NO_ROADS_FOR_MODE, "travel_mode")
        assert refused.metadata["travel_mode"] == "foot"
    assert (await get_agent(fleet.ledger, TENANT, agent)).mode is CAR


async def test_where_the_roads_of_a_mode_are_gone_nothing_stands_in_for_them(fleet: Fleet) -> None:
    rider = await fleet.agent(BICYCLE)
    first = await fleet.book(rider, 9, 10, NORTH)
    gone = Ledger(fleet.world.db, ByMode({CAR: fleet.cars}))
    what = ReserveStop(new_id("apt"), plan(rider, 12, 13, SOUTH))
    with pytest.raises(Unavailable) as refused:
        await reserve_stop(gone, TENANT, what)
    assert refused.value.reason is Reason.TRAVEL_UNAVAILABLE
    assert (await verify_invariants(gone, TENANT)).violations == ()
    assert await settle_stop(gone, TENANT, first)  # what is given up needs no roads


async def test_a_new_mode_moves_nothing_and_measures_every_drive_to_come(fleet: Fleet) -> None:
    agent = await fleet.agent()
    first = await fleet.book(agent, 9, 10, NORTH)
    await fleet.book(agent, 11.5, 12, SOUTH)
    before = await _times(fleet, agent)
    assert {version for _, version in fleet.legs(agent)} == {"car-1"}
    assert (await set_travel_mode(fleet.ledger, TENANT, agent, BICYCLE)).mode is BICYCLE
    assert await _times(fleet, agent) == before
    assert set(fleet.legs(agent)) == {(RIDE, fleet.bicycles.told)}
    await set_travel_mode(fleet.ledger, TENANT, agent, BICYCLE)  # the same again is no error
    await fleet.sound()
    # what is left when one goes is the ride between the others, not the drives that were
    await settle_stop(fleet.ledger, TENANT, first)
    assert set(fleet.legs(agent)) == {(RIDE, fleet.bicycles.told)}
    await fleet.sound()


async def test_a_mode_that_breaks_a_promise_by_a_second_is_refused(fleet: Fleet) -> None:
    agent = await fleet.agent()
    await fleet.book(agent, 9, 10, NORTH)
    later = await fleet.book(agent, 10 + (RIDE - 1) / 3600, 11, SOUTH)
    before = fleet.legs(agent)
    refused = await refusal(set_travel_mode(fleet.ledger, TENANT, agent, BICYCLE))
    assert isinstance(refused, RuleViolated)
    assert refused.reason is Reason.TRAVEL_MODE_IN_USE
    assert refused.metadata["short_seconds"] == "1"
    assert later in str(refused.metadata["stop_ids"])
    assert (await get_agent(fleet.ledger, TENANT, agent)).mode is CAR
    assert fleet.legs(agent) == before
    moved = MoveStop(new_id("mov"), later, plan(agent, 10 + RIDE / 3600, 11, SOUTH))
    await move_stop(fleet.ledger, TENANT, moved)
    await set_travel_mode(fleet.ledger, TENANT, agent, BICYCLE)
    await fleet.sound()


async def test_holds_whose_time_is_up_and_breaks_do_not_stand_in_the_way(fleet: Fleet) -> None:
    agent = await fleet.agent()
    await fleet.book(agent, 9, 10, NORTH)
    await hold_stop(
        fleet.ledger, TENANT, HoldStop(new_id("hld"), plan(agent, 10.5, 11, SOUTH), timedelta(seconds=900))
    )
    assert (await refusal(set_travel_mode(fleet.ledger, TENANT, agent, BICYCLE))).reason is (
        Reason.TRAVEL_MODE_IN_USE
    )
    with psycopg.connect(fleet.world.urls.admin) as connection:
        connection.execute(
            "UPDATE geo.stops SET expires_at = now() - interval '1 minute' WHERE kind = 'HOLD'"
        )
    await add_absence(fleet.ledger, TENANT, AddAbsence(agent, window(12, 13), "", new_id("req")))
    await set_travel_mode(fleet.ledger, TENANT, agent, BICYCLE)
    assert set(fleet.legs(agent)) == {(RIDE, fleet.bicycles.told)}
    await fleet.sound()


@pytest.mark.parametrize("cycles_first", [True, False])
async def test_a_booking_sees_the_mode_that_was_set_while_it_waited(fleet: Fleet, cycles_first: bool) -> None:
    """Two sessions on one agent. By car the visit would just fit, by bicycle it does not: whichever is
    second is refused."""
    agent = await fleet.agent()
    await fleet.book(agent, 9, 10, NORTH)
    what = ReserveStop(new_id("apt"), plan(agent, 10.5, 11, SOUTH))

    async def ride() -> object:
        return await set_travel_mode(fleet.ledger, TENANT, agent, BICYCLE)

    async def book() -> object:
        return await reserve_stop(fleet.ledger, TENANT, what)

    calls = (ride, book) if cycles_first else (book, ride)
    held = "geo.set_travel_mode.before_commit" if cycles_first else "geo.reserve_stop.before_commit"
    outcome = await two_sessions(*calls, at=held)
    assert not isinstance(outcome.first, BaseException), outcome.first
    assert isinstance(outcome.second, RuleViolated)
    assert outcome.second.reason is (Reason.TRAVEL_IN if cycles_first else Reason.TRAVEL_MODE_IN_USE)
    await fleet.sound()


async def test_a_visit_changes_hands_between_a_car_and_a_bicycle(fleet: Fleet) -> None:
    driver, rider = await fleet.agent(), await fleet.agent(BICYCLE)
    for agent in (driver, rider):
        await fleet.book(agent, 9, 10, NORTH)
    visit = await fleet.book(driver, 10.5, 11, SOUTH)
    to = MoveStop(new_id("mov"), visit, plan(rider, 10.5, 11, SOUTH))
    assert (await refusal(move_stop(fleet.ledger, TENANT, to))).reason is Reason.TRAVEL_IN
    later = replace(to, move_id=new_id("mov"), plan=plan(rider, 11, 11.5, SOUTH))
    await move_stop(fleet.ledger, TENANT, later)
    assert set(fleet.legs(rider)) == {(RIDE, fleet.bicycles.told)}
    back = MoveStop(new_id("mov"), visit, plan(driver, 10.5, 11, SOUTH))
    await move_stops(fleet.ledger, TENANT, MoveStops((back,)))
    assert set(fleet.legs(driver)) == {(DRIVE, "car-1")}
    await fleet.sound()


async def test_search_over_both_modes_offers_what_commits(fleet: Fleet) -> None:
    driver, rider = await fleet.agent(), await fleet.agent(BICYCLE)
    for agent in (driver, rider):
        await fleet.book(agent, 9, 10, NORTH)
    found = await fleet.search([driver, rider], 10, 12, explain=True)
    slots = {slot.agent_id: slot for slot, _ in found.slots}
    assert (slots[driver].start, slots[rider].start) == tuple(
        int(at(10).timestamp()) + seconds for seconds in (DRIVE, RIDE)
    )
    assert [slot.agent_id for slot, _ in found.slots] == [driver, rider], "least added travel first"
    for agent, version in ((driver, "car-1"), (rider, fleet.bicycles.told)):
        leg = slots[agent].leg_before
        assert leg is not None
        assert leg.version == version
    only = await fleet.search([driver, rider], 10, 12, limit=1)
    assert [slot.agent_id for slot, _ in only.slots] == [driver]
    assert len(only.certificates) == 1


async def test_an_explanation_proposes_an_agent_with_a_car(fleet: Fleet) -> None:
    driver, rider = await fleet.agent(), await fleet.agent(BICYCLE)
    for agent in (driver, rider):
        await fleet.book(agent, 9, 10, NORTH)
    tables = {
        CAR: TableTravel({}, DRIVE, fleet.cars.told),
        BICYCLE: TableTravel({}, RIDE, fleet.bicycles.told),
    }
    search = SlotSearch(Agendas(fleet.world.db), ByMode(tables))
    wanted = plan(rider, 10.5, 11, SOUTH)
    asked = ExplainStart(wanted, (window(10, 12),), (driver, rider), at(0), granularity=60)
    found = await explain_start(fleet.ledger, search, TENANT, asked)
    assert [ground.reason for ground in found.grounds] == [Reason.TRAVEL_IN]
    assert found.grounds[0].short_seconds == RIDE - 1800
    others = {change.kind: change for change in found.changes}
    assert others[ChangeKind.AGENT].agent_id == driver
    assert others[ChangeKind.LATER].start == at(10 + RIDE / 3600)


async def test_a_round_is_validated_by_the_agents_own_mode(fleet: Fleet) -> None:
    driver, rider = await fleet.agent(), await fleet.agent(BICYCLE)
    stops = (
        RouteStop("a", NORTH, window(9, 10)),
        RouteStop("b", SOUTH, window(10.5, 11)),
    )
    assert (await validate_route(fleet.ledger, TENANT, ValidateRoute(driver, stops))).faults == ()
    verdict = await validate_route(fleet.ledger, TENANT, ValidateRoute(rider, stops))
    assert [(fault.reference, fault.seconds) for fault in verdict.faults] == [("b", RIDE - 1800)]
    assert verdict.travel_version == fleet.bicycles.told


async def test_a_drive_of_the_wrong_mode_is_found_out(fleet: Fleet) -> None:
    """The mode changed past the service: what is promised by the cars' roads is no bicycle's promise."""
    agent = await fleet.agent()
    await fleet.book(agent, 9, 10, NORTH)
    with psycopg.connect(fleet.world.urls.admin) as connection:
        set_mode = "UPDATE geo.agents SET travel_mode = %s WHERE agent_id = %s"
        connection.execute(set_mode, ("bicycle", agent))
        connection.commit()
        report = await verify_invariants(fleet.ledger, TENANT)
        connection.execute(set_mode, ("car", agent))
    assert {(one.agent_id, one.kind) for one in report.violations} == {(agent, "LEG")}
    await fleet.sound()


async def _times(fleet: Fleet, agent: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(fleet.world.urls.admin) as connection:
        return connection.execute(
            "SELECT stop_id, starts_at, ends_at, place FROM geo.stops WHERE agent_id = %s ORDER BY starts_at",
            (agent,),
        ).fetchall()


class Away(TableTravel):
    """Roads that do not answer."""

    async def around(self, tenant: str, place: int, ends: Any) -> Any:
        raise Unavailable(Reason.TRAVEL_UNAVAILABLE, "no engine answers")


@pytest.mark.parametrize("bicycles", [Away({}, RIDE, "bicycle-1"), None])
async def test_roads_that_are_away_stop_the_agents_of_their_mode_alone(
    fleet: Fleet, bicycles: TableTravel | None
) -> None:
    driver, rider = await fleet.agent(), await fleet.agent(BICYCLE)
    here: dict[TravelMode, TableTravel] = {CAR: TableTravel({}, DRIVE, "car-1")}
    search = SlotSearch(
        Agendas(fleet.world.db), ByMode(here if bicycles is None else {**here, BICYCLE: bicycles})
    )
    asked = SearchSlots(SOUTH, 1800, (window(8, 12),), at(0), (rider, driver), granularity=60, limit=5)
    found = await search.search(TENANT, asked)
    assert ({slot.agent_id for slot, _ in found.slots}, found.left_out) == ({driver}, (rider,))
    assert (found.refused, found.travel_version) == ((), "car-1")
    explained = await search.search(TENANT, replace(asked, explain=True))
    away = Reason.TRAVEL_UNAVAILABLE
    told = [(one.agent_id, one.start, one.end) for one in explained.refused if one.reason is away]
    assert told == [(rider, int(at(8).timestamp()), int(at(12).timestamp()))]
    further = await search.search(TENANT, replace(asked, after=Position(0, 0, "")))
    assert further.left_out == (rider,)
    every = await search.detours(TENANT, asked)
    assert ({one.agent_id for one, _ in every.detours}, every.left_out) == ({driver}, (rider,))
    with pytest.raises(Unavailable) as refused:
        await search.search(TENANT, replace(asked, agent_ids=(rider,)))
    assert refused.value.reason is Reason.TRAVEL_UNAVAILABLE


@pytest.mark.parametrize("bicycles", [Away({}, RIDE, "bicycle-1"), None])
async def test_an_explanation_leaves_out_whom_no_roads_answer_for(
    fleet: Fleet, bicycles: TableTravel | None
) -> None:
    late, driver, rider = await fleet.agent(), await fleet.agent(), await fleet.agent(BICYCLE)
    await fleet.book(late, 9, 10, NORTH)
    here: dict[TravelMode, TableTravel] = {CAR: TableTravel({}, DRIVE, "car-1")}
    search = SlotSearch(
        Agendas(fleet.world.db), ByMode(here if bicycles is None else {**here, BICYCLE: bicycles})
    )
    asked = ExplainStart(plan(late, 10, 11, SOUTH), (window(8, 12),), (rider,), at(0), granularity=60)
    for others, left_out in (((rider,), (rider,)), ((driver, rider), (rider,)), ((driver,), ())):
        found = await explain_start(fleet.ledger, search, TENANT, replace(asked, agent_ids=others))
        agents = {one.agent_id for one in found.changes if one.kind is ChangeKind.AGENT}
        assert (agents, found.left_out) == ({driver} & {*others}, left_out)
        assert ChangeKind.LATER in {one.kind for one in found.changes}
    fleet.bicycles.closed = True
    every = SlotSearch(Agendas(fleet.world.db), ByMode({**here, BICYCLE: TableTravel({}, RIDE, "bicycle-1")}))
    try:
        found = await explain_start(fleet.ledger, every, TENANT, asked)
        assert found.left_out == (() if fleet.bicycles.instant else (rider,))
    finally:
        fleet.bicycles.closed = False


async def test_the_engines_of_two_modes_are_asked_at_the_same_time(fleet: Fleet) -> None:
    """Each answers once the other was asked as well."""
    both = asyncio.Barrier(2)

    class Waiting(TableTravel):
        async def around(self, tenant: str, place: int, ends: Any) -> Any:
            await both.wait()
            return await super().around(tenant, place, ends)

    driver, rider = await fleet.agent(), await fleet.agent(BICYCLE)
    each = {CAR: Waiting({}, DRIVE, "car-1"), BICYCLE: Waiting({}, RIDE, "bicycle-1")}
    search = SlotSearch(Agendas(fleet.world.db), ByMode(each))
    asked = SearchSlots(SOUTH, 1800, (window(8, 12),), at(0), (rider, driver))
    found = await asyncio.wait_for(search.search(TENANT, asked), 20)
    assert {slot.agent_id for slot, _ in found.slots} == {driver, rider}
