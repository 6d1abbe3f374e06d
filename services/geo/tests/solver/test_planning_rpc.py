"""Planning over gRPC: progress and a plan, calls that end, workers that die, and bad input."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from geo.app import GeoApp, build
from geo.settings import GeoSettings
from giro.common.v1 import errors_pb2, travel_pb2
from giro.geo.v1 import (
    geo_pb2,
    geo_pb2_grpc,
    ledger_pb2,
    ledger_pb2_grpc,
    planning_pb2,
    planning_pb2_grpc,
)
from kit.errors import GiroError, InvalidInput, NotFound, Reason, Unavailable
from kit.rpc.context import Caller, Grant
from kit.rpc.status import error_of
from kit.rpc.tokens import ServiceTokens
from kit.testing.databases import Databases
from kit.testing.nats import NatsServer
from kit.values.ids import new_id
from services.geo.tests.support.world import TENANT, at, set_clock

pytestmark = pytest.mark.asyncio
KEY = "k" * 40


class Wire:
    """A running geo with one worker, and calls of it."""

    def __init__(self, app: GeoApp) -> None:
        self.app, self.agents = app, [""]
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{app.server.port}")
        self.planning = planning_pb2_grpc.PlanningServiceStub(self.channel)

    def metadata(self, tenant: str = TENANT) -> tuple[tuple[str, str], ...]:
        caller = Caller("usr_1", tenant, (Grant("ADMINISTRATOR", "tenant", tenant),))
        return (("authorization", f"Bearer {ServiceTokens('booking', KEY).mint(tenant, caller)}"),)

    async def stream(self, method: str, request: Any, tenant: str = TENANT) -> list[planning_pb2.PlanUpdate]:
        """All messages. Raises GiroError."""
        call = getattr(self.planning, method)(request, metadata=self.metadata(tenant), timeout=60)
        try:
            return [update async for update in call]
        except grpc.aio.AioRpcError as failed:
            raise error_of(failed) or failed from None

    async def slots(self) -> int:
        stub = ledger_pb2_grpc.LedgerServiceStub(self.channel)
        request = ledger_pb2.SearchSlotsRequest(
            point=point(0.05),
            duration=Duration(seconds=1800),
            windows=[window(0, 24)],
            as_of=stamp(0),
            agent_ids=self.agents,
            limit=10,
        )
        metadata = (("authorization", f"Bearer {ServiceTokens('booking', KEY).mint(TENANT)}"),)
        return len((await stub.SearchSlots(request, metadata=metadata)).slots)


def stamp(hour: float) -> Timestamp:
    return Timestamp(seconds=int(at(hour).timestamp()))


def window(start: float, end: float) -> travel_pb2.TimeWindow:
    return travel_pb2.TimeWindow(start=stamp(start), end=stamp(end))


def point(north: float = 0.0, east: float = 0.0) -> travel_pb2.Point:
    return travel_pb2.Point(latitude=45 + north, longitude=7 + east)


def budget(seconds: float, seed: int = 1) -> planning_pb2.SearchBudget:
    whole = int(seconds)
    time = Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))
    return planning_pb2.SearchBudget(time=time, seed=seed)


@pytest_asyncio.fixture(scope="module")
async def wire(
    make_database: Databases, nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Wire]:
    jwks = Path(tmp_path_factory.mktemp("keys")) / "jwks.json"
    jwks.write_text(json.dumps({"keys": []}))
    urls = make_database(["geo"])
    settings = GeoSettings(
        database_url=urls.app("geo"),
        worker_database_url=urls.worker("geo"),
        nats_url=nats_server.url,
        jwks_file=str(jwks),
        service_key=KEY,
        log_level="ERROR",
        sandbox=True,
    )
    set_clock(urls, at(0, -5))
    app = build(settings)
    await app.start()
    wire = Wire(app)
    shift = geo_pb2.Shift(
        weekday=geo_pb2.WEEKDAY_MONDAY, start="08:00", end="18:00", start_base=point(), end_base=point()
    )
    calendar = geo_pb2.Calendar(time_zone="UTC", shifts=[shift])
    request = geo_pb2.CreateAgentRequest(display_name="Ada", calendar=calendar, request_id=new_id("req"))
    stub = geo_pb2_grpc.GeoServiceStub(wire.channel)
    wire.agents = [(await stub.CreateAgent(request, metadata=wire.metadata())).agent_id]
    yield wire
    await wire.channel.close()
    await app.stop()


def open_visit(number: int, **changes: Any) -> planning_pb2.OpenVisit:
    fields = {"reference": f"v{number}", "point": point(number / 50, -number / 60)}
    return planning_pb2.OpenVisit(**{**fields, "duration": Duration(seconds=1200), **changes})


def tour(wire: Wire, count: int = 8, seconds: float = 0.4, **changes: Any) -> planning_pb2.PlanTourRequest:
    fields: dict[str, Any] = {
        "visits": [open_visit(number) for number in range(count)],
        "agent_ids": wire.agents,
        "span": window(0, 24),
        "budget": budget(seconds),
    }
    return planning_pb2.PlanTourRequest(**{**fields, **changes})


async def test_progress_comes_first_and_the_plan_last(wire: Wire) -> None:
    *progress, last = await wire.stream("PlanTour", tour(wire, seconds=1.0))
    assert progress
    for update in progress:
        assert update.WhichOneof("told") == "progress"
        assert 0 <= update.progress.share <= 1
    plan = last.plan
    assert len(plan.visits) + len(plan.left_out) == 8
    assert plan.travel_after.seconds > plan.travel_before.seconds == 0
    assert plan.travel_version == "estimate-1"
    for visit in plan.visits:
        assert visit.change == planning_pb2.VISIT_CHANGE_NEW
        assert not visit.call_needed
    for one in plan.left_out:
        assert [refusal.shift for refusal in one.refusals] == [window(8, 18)]
        assert one.refusals[0].short_seconds > 0


async def test_the_same_seed_gives_the_same_plan(wire: Wire) -> None:
    bounds = planning_pb2.SearchBudget(time=Duration(seconds=1), seed=3, reproducible=True)
    plans = [(await wire.stream("PlanTour", tour(wire, budget=bounds)))[-1].plan for _ in range(2)]
    if not any(plan.stopped_by_time for plan in plans):
        assert plans[0] == plans[1]


async def test_a_caller_that_leaves_frees_the_worker(wire: Wire) -> None:
    call = wire.planning.PlanTour(tour(wire, 12, seconds=120.0), metadata=wire.metadata())
    await anext(aiter(call))
    pids = wire.app.solver.pids
    assert pids
    call.cancel()
    async with asyncio.timeout(60):
        while not set(wire.app.solver.pids).isdisjoint(pids):
            await asyncio.sleep(0.01)
    assert set(wire.app.solver.pids).isdisjoint(pids)
    assert (await wire.stream("PlanTour", tour(wire, 2)))[-1].plan.proved_best


async def test_a_killed_worker_costs_its_call_alone_and_slots_are_found_meanwhile(wire: Wire) -> None:
    call = asyncio.create_task(wire.stream("PlanTour", tour(wire, 12, seconds=120.0)))
    while not wire.app.solver.busy:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    assert await wire.slots() > 0
    for pid in wire.app.solver.pids:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(Unavailable) as lost:
        await call
    assert lost.value.reason is Reason.SOLVER_UNAVAILABLE
    assert await wire.slots() > 0
    assert (await wire.stream("PlanTour", tour(wire, 2)))[-1].plan.visits


async def test_repair_and_optimize_answer_over_the_wire(wire: Wire) -> None:
    ledger = ledger_pb2_grpc.LedgerServiceStub(wire.channel)
    appointment = new_id("apt")
    plan = ledger_pb2.StopPlan(agent_id=wire.agents[0], window=window(9, 10), point=point(0.02))
    token = (("authorization", f"Bearer {ServiceTokens('booking', KEY).mint(TENANT)}"),)
    booked = ledger_pb2.ReserveStopRequest(appointment_id=appointment, plan=plan)
    await ledger.ReserveStop(booked, metadata=token)
    away = planning_pb2.RepairDayRequest(
        agent_id=wire.agents[0], unavailable=window(8, 12), budget=budget(0.3)
    )
    (visit,) = (await wire.stream("RepairDay", away))[-1].plan.visits
    assert (visit.reference, visit.change) == (appointment, planning_pb2.VISIT_CHANGE_RETIMED)
    assert visit.call_needed
    assert visit.previous_window == window(9, 10)
    assert visit.window.start.seconds >= stamp(12).seconds
    flexible = planning_pb2.FlexibleAppointment(appointment_id=appointment, promised=[window(8, 18)])
    day = planning_pb2.OptimizeDayRequest(agent_ids=wire.agents, span=window(0, 24), flexible=[flexible])
    told = (await wire.stream("OptimizeDay", day))[-1].plan
    assert (list(told.visits), list(told.left_out)) == ([], [])
    assert told.proved_best
    assert told.travel_before == told.travel_after
    now = planning_pb2.RepairDayRequest(agent_id=wire.agents[0], delay=Duration(seconds=60))
    with pytest.raises(GiroError) as refused:
        await wire.stream("RepairDay", now)  # the tests' week is another one
    assert refused.value.reason is Reason.OUTSIDE_SHIFT


async def test_a_route_is_checked_over_the_wire(wire: Wire) -> None:
    stop = planning_pb2.RouteStop(reference="a", point=point(0.02), window=window(8.1, 9))
    request = planning_pb2.ValidateRouteRequest(agent_id=wire.agents[0], stops=[stop])
    answer = await wire.planning.ValidateRoute(request, metadata=wire.metadata())
    (violation,) = answer.violations
    assert (violation.reference, violation.reason) == ("a", errors_pb2.ERROR_REASON_TRAVEL_IN)
    assert violation.seconds == answer.travel.seconds // 2 - 360


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"visits": []}, "visits"),
        ({"visits": [open_visit(number) for number in range(201)]}, "visits"),
        ({"agent_ids": []}, "agent_ids"),
        ({"agent_ids": ["agt_1", "agt_1"]}, "agent_ids"),
        ({"agent_ids": [f"agt_{number}" for number in range(51)]}, "agent_ids"),
        ({"span": window(0, 15 * 24)}, "span"),
        ({"budget": budget(0)}, "budget.time"),
        ({"budget": budget(86_400)}, "budget.time"),
        ({"max_travel": Duration()}, "max_travel"),
        ({"visits": [open_visit(1, duration=Duration(seconds=59))]}, "visits[0].duration"),
        ({"visits": [open_visit(1, windows=[window(9, 11), window(10, 12)])]}, "visits[0].windows[1]"),
        ({"visits": [open_visit(1), open_visit(1)]}, "visits[1].reference"),
    ],
)
async def test_bad_input_names_its_field(wire: Wire, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        await wire.stream("PlanTour", tour(wire, **changes))
    assert field in {violation.field for violation in wrong.value.violations}


async def test_ten_thousand_visits_are_refused_before_anything_is_done(wire: Wire) -> None:
    with pytest.raises(InvalidInput) as wrong:
        await wire.stream("PlanTour", tour(wire, 10_000))
    assert wrong.value.violations[0].field == "visits"


async def test_another_tenants_agents_are_not_found(wire: Wire) -> None:
    with pytest.raises(NotFound):
        await wire.stream("PlanTour", tour(wire), tenant="ten_2")
    late = planning_pb2.RepairDayRequest(agent_id=wire.agents[0], delay=Duration(seconds=60))
    with pytest.raises(NotFound):
        await wire.stream("RepairDay", late, tenant="ten_2")
