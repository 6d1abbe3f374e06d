"""The running service: its contracts over gRPC, its events over NATS, its timers."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from geo.app import GeoApp, build
from geo.settings import GeoSettings
from giro.booking.v1 import booking_events_pb2 as booking
from giro.common.v1 import travel_pb2
from giro.geo.v1 import geo_pb2, geo_pb2_grpc, ledger_pb2, ledger_pb2_grpc
from kit import subjects
from kit.bus.connect import ensure_stream
from kit.errors import GiroError, InvalidInput, NotFound, Reason, RuleViolated
from kit.rpc import status
from kit.rpc.client import Client
from kit.rpc.context import Caller, Grant
from kit.rpc.tokens import ServiceTokens
from kit.testing.databases import Databases
from kit.testing.nats import NatsServer
from kit.values.ids import new_id
from services.geo.tests.support.world import TENANT, at

pytestmark = pytest.mark.asyncio

KEY = "k" * 40
ADMINISTRATOR = Caller("usr_1", TENANT, (Grant("ADMINISTRATOR", "tenant", TENANT),))


@dataclass
class Wire:
    """A running geo and a client of it."""

    app: GeoApp
    client: Client

    async def geo(self, method: str, request: Any) -> Any:
        stub = geo_pb2_grpc.GeoServiceStub(self.client.channel)
        return await self.client.call(getattr(stub, method), request, tenant=TENANT)

    async def ledger(self, method: str, request: Any) -> Any:
        stub = ledger_pb2_grpc.LedgerServiceStub(self.client.channel)
        return await self.client.call(getattr(stub, method), request, tenant=TENANT)

    async def agent(self) -> str:
        made = await self.geo("CreateAgent", agent_request())
        return str(made.agent_id)


class AdministratorTokens(ServiceTokens):
    """Tokens of a service that calls for an administrator."""

    def mint(self, tenant: str, caller: Caller | None = None) -> str:
        return super().mint(tenant, ADMINISTRATOR)


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
        sweep_seconds=0.2,
        log_level="ERROR",
    )
    app = build(settings)
    await app.start()
    client = Client(f"127.0.0.1:{app.server.port}", AdministratorTokens("booking", KEY))
    yield Wire(app, client)
    await client.close()
    await app.stop()


def stamp(hour: float, day: int = 0) -> Timestamp:
    return Timestamp(seconds=int(at(hour, day).timestamp()))


def point(lat: float = 45.0, lng: float = 7.0) -> travel_pb2.Point:
    return travel_pb2.Point(latitude=lat, longitude=lng)


def plan(agent: str, start: float, end: float, where: travel_pb2.Point | None = None) -> ledger_pb2.StopPlan:
    window = travel_pb2.TimeWindow(start=stamp(start), end=stamp(end))
    return ledger_pb2.StopPlan(agent_id=agent, window=window, point=where or point())


def agent_request(**changes: Any) -> geo_pb2.CreateAgentRequest:
    shift = geo_pb2.Shift(
        weekday=geo_pb2.WEEKDAY_MONDAY, start="08:00", end="18:00", start_base=point(), end_base=point()
    )
    calendar = geo_pb2.Calendar(time_zone="UTC", shifts=[shift])
    fields = {"display_name": "Ada", "calendar": calendar, "request_id": new_id("req"), **changes}
    return geo_pb2.CreateAgentRequest(**fields)


def violated(error: GiroError) -> list[str]:
    return [violation.field for violation in error.violations]


async def test_hold_reserve_move_settle(wire: Wire) -> None:
    agent = await wire.agent()
    hold, appointment = new_id("hld"), new_id("apt")
    asked = plan(agent, 9, 10, point(45.05))
    held = await wire.ledger(
        "HoldStop",
        ledger_pb2.HoldStopRequest(hold_id=hold, plan=asked, ttl=Duration(seconds=60), context="x"),
    )
    assert held.leg_before.source == travel_pb2.TRAVEL_SOURCE_ESTIMATE
    assert held.leg_before.travel.seconds == held.leg_after.travel.seconds == 600 + 668
    assert (await wire.ledger("GetHold", ledger_pb2.GetHoldRequest(hold_id=hold))) == held
    reserved = await wire.ledger(
        "ReserveStop", ledger_pb2.ReserveStopRequest(appointment_id=appointment, plan=held.plan, hold_id=hold)
    )
    assert reserved.plan == asked_back(asked)
    moved = await wire.ledger(
        "MoveStop",
        ledger_pb2.MoveStopRequest(
            move_id=new_id("mov"), appointment_id=appointment, plan=plan(agent, 15, 16, point(45.05))
        ),
    )
    assert moved.plan.window.start == stamp(15)
    each = ledger_pb2.MoveEachStopRequest(
        moves=[
            ledger_pb2.MoveStopRequest(move_id=new_id("mov"), appointment_id=ident, plan=moved.plan)
            for ident in (new_id("apt"), appointment)
        ]
    )
    refused, kept = (await wire.ledger("MoveEachStop", each)).outcomes
    assert kept.stop == moved
    named = status.error_in(refused.refusal)
    assert isinstance(named, NotFound)
    assert violated(named) == ["appointment_id"]
    again = ledger_pb2.ReserveStopRequest(appointment_id=appointment, plan=moved.plan)
    (reused,) = (
        await wire.ledger("ReserveEachStop", ledger_pb2.ReserveEachStopRequest(stops=[again]))
    ).outcomes
    assert status.error_in(reused.refusal).reason is Reason.REQUEST_ID_REUSED
    page = await wire.ledger("ListReservations", ledger_pb2.ListReservationsRequest())
    assert [one.appointment_id for one in page.reservations] == [appointment]
    itinerary = await wire.geo(
        "GetItinerary", geo_pb2.GetItineraryRequest(agent_id=agent, from_time=stamp(0), to_time=stamp(24))
    )
    kinds = [geo_pb2.StopKind.Name(stop.kind).removeprefix("STOP_KIND_") for stop in itinerary.stops]
    assert kinds == ["DAY_START", "APPOINTMENT", "DAY_END"]
    settle = ledger_pb2.SettleStopRequest(appointment_id=appointment)
    assert [(await wire.ledger("SettleStop", settle)).released for _ in range(2)] == [True, True]
    with pytest.raises(RuleViolated) as late:
        await wire.ledger(
            "ReserveStop", ledger_pb2.ReserveStopRequest(appointment_id=appointment, plan=asked)
        )
    assert late.value.reason is Reason.SETTLED
    report = await wire.geo("VerifyInvariants", geo_pb2.VerifyInvariantsRequest())
    assert not report.violations


def asked_back(asked: ledger_pb2.StopPlan) -> ledger_pb2.StopPlan:
    """A plan as it comes back: without a buffer means one of 0 s."""
    back = ledger_pb2.StopPlan()
    back.CopyFrom(asked)
    back.buffer.seconds = 0
    return back


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"window": travel_pb2.TimeWindow(start=stamp(10), end=stamp(9))}, "plan.window"),
        ({"window": travel_pb2.TimeWindow(start=stamp(0), end=stamp(25))}, "plan.window"),
        ({"window": travel_pb2.TimeWindow(start=Timestamp(nanos=5), end=stamp(1))}, "plan.window.start"),
        (
            {"window": travel_pb2.TimeWindow(start=stamp(9), end=Timestamp(seconds=253402300799))},
            "plan.window.end",
        ),
        ({"point": point(91)}, "plan.point.latitude"),
        ({"point": point(float("nan"))}, "plan.point.latitude"),
        ({"buffer": Duration(seconds=-1)}, "plan.buffer"),
        ({"buffer": Duration(seconds=90000)}, "plan.buffer"),
        ({"agent_id": ""}, "plan.agent_id"),
    ],
)
async def test_bad_plans_are_refused_by_field(wire: Wire, change: dict[str, Any], field: str) -> None:
    good = plan("agt_1", 9, 10)
    asked = {
        name: change.get(name, getattr(good, name)) for name in ("agent_id", "window", "point", "buffer")
    }
    request = ledger_pb2.ReserveStopRequest(appointment_id=new_id("apt"), plan=ledger_pb2.StopPlan(**asked))
    with pytest.raises(InvalidInput) as refused:
        await wire.ledger("ReserveStop", request)
    assert field in violated(refused.value)


@pytest.mark.parametrize(
    ("shifts", "breaks", "zone", "field"),
    [
        ([("08:00", "18:00"), ("17:00", "19:00")], [], "UTC", "calendar.shifts[1].start"),
        ([("08:00", "18:00")], [("18:00", "19:00")], "UTC", "calendar.breaks[0].start"),
        ([("08:00", "18:00")], [("12:00", "13:00"), ("12:30", "13:30")], "UTC", "calendar.breaks[1].start"),
        ([("08:00", "18:00")], [], "Mars/Olympus", "calendar.time_zone"),
        ([("8:00", "18:00")], [], "UTC", "calendar.shifts[0].start"),
    ],
)
async def test_bad_calendars_are_refused_by_field(
    wire: Wire, shifts: list[tuple[str, str]], breaks: list[tuple[str, str]], zone: str, field: str
) -> None:
    calendar = geo_pb2.Calendar(
        time_zone=zone,
        shifts=[geo_pb2.Shift(weekday=geo_pb2.WEEKDAY_MONDAY, start=s, end=e) for s, e in shifts],
        breaks=[geo_pb2.Break(weekday=geo_pb2.WEEKDAY_MONDAY, start=s, end=e) for s, e in breaks],
    )
    with pytest.raises(InvalidInput) as refused:
        await wire.geo("CreateAgent", agent_request(calendar=calendar))
    assert violated(refused.value) == [field]


async def test_an_agent_is_made_once_per_request(wire: Wire) -> None:
    request = agent_request(skills=["gas"], buffer=Duration(seconds=60))
    first, second = await wire.geo("CreateAgent", request), await wire.geo("CreateAgent", request)
    assert first == second
    request.display_name = "Bea"
    with pytest.raises(InvalidInput) as reused:
        await wire.geo("CreateAgent", request)
    assert reused.value.reason is Reason.REQUEST_ID_REUSED


async def test_pages_of_agents(wire: Wire) -> None:
    made = {await wire.agent() for _ in range(3)}
    seen, token = [], ""
    while True:
        page = await wire.geo("ListAgents", geo_pb2.ListAgentsRequest(page_size=2, page_token=token))
        seen += [agent.agent_id for agent in page.agents]
        token = page.next_page_token
        if not token:
            break
    assert made <= set(seen)
    assert seen == sorted(set(seen))
    with pytest.raises(InvalidInput) as refused:
        await wire.geo("ListAgents", geo_pb2.ListAgentsRequest(page_token="%%%"))
    assert violated(refused.value) == ["page_token"]


@pytest.mark.parametrize(
    ("method", "request_of"),
    [
        ("GetAgent", lambda: geo_pb2.GetAgentRequest(agent_id="agt_x")),
        ("GetItinerary", lambda: geo_pb2.GetItineraryRequest(agent_id="agt_x")),
        ("RemoveAbsence", lambda: geo_pb2.RemoveAbsenceRequest(absence_id="abs_x")),
        ("VerifyInvariants", lambda: geo_pb2.VerifyInvariantsRequest(agent_id="agt_x")),
    ],
)
async def test_unknown_ids_are_not_found(wire: Wire, method: str, request_of: Any) -> None:
    with pytest.raises(NotFound):
        await wire.geo(method, request_of())


@pytest.mark.parametrize("ended", ["cancelled", "superseded"])
async def test_an_appointment_that_is_no_more_is_freed_by_its_event(wire: Wire, ended: str) -> None:
    agent, appointment = await wire.agent(), new_id("apt")
    await wire.ledger(
        "ReserveStop",
        ledger_pb2.ReserveStopRequest(appointment_id=appointment, plan=plan(agent, 9, 10)),
    )
    await ensure_stream(wire.app.bus, "booking")
    messages = {"cancelled": booking.AppointmentCancelled, "superseded": booking.AppointmentSuperseded}
    event = messages[ended](appointment=booking.AppointmentSnapshot(appointment_id=appointment))
    for number in (1, 2, 2):  # told twice, and once more as a duplicate
        await publish(wire, f"appointment_{ended}", f"evt_{ended}_{number}", event.SerializeToString())
    await until_free(wire, appointment)


async def test_a_failed_booking_is_refused_for_ever(wire: Wire) -> None:
    agent, appointment = await wire.agent(), new_id("apt")
    await ensure_stream(wire.app.bus, "booking")
    event = booking.AppointmentFailed(appointment_id=appointment)
    await publish(wire, "appointment_failed", "evt_3", event.SerializeToString())
    request = ledger_pb2.ReserveStopRequest(appointment_id=appointment, plan=plan(agent, 9, 10))
    async with asyncio.timeout(60):
        while await settled(wire, appointment) is False:
            await asyncio.sleep(0.02)
    with pytest.raises(RuleViolated) as late:
        await wire.ledger("ReserveStop", request)
    assert late.value.reason is Reason.SETTLED


async def publish(wire: Wire, event: str, event_id: str, data: bytes) -> None:
    await wire.app.bus.jetstream.publish(
        subjects.evt(TENANT, "booking", event), data, headers={"Nats-Msg-Id": event_id}
    )


async def settled(wire: Wire, appointment: str) -> bool:
    from geo.storage import owners

    async with wire.app.db.uow(TENANT) as tx:
        return appointment in await owners.find(tx, appointment)


async def until_free(wire: Wire, appointment: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await wire.ledger(
                    "GetReservation", ledger_pb2.GetReservationRequest(appointment_id=appointment)
                )
            except NotFound:
                return
            await asyncio.sleep(0.02)


async def test_a_hold_expires_by_itself(wire: Wire) -> None:
    agent, hold = await wire.agent(), new_id("hld")
    request = ledger_pb2.HoldStopRequest(hold_id=hold, plan=plan(agent, 9, 10), ttl=Duration(seconds=1))
    held = await wire.ledger("HoldStop", request)
    from geo.domain.owner import Ending
    from geo.storage import owners

    async with asyncio.timeout(60):
        while True:
            async with wire.app.db.uow(TENANT) as tx:
                owner, now = (await owners.find(tx, hold))[hold], await tx.now()
            if owner.ending is not None:
                break
            await asyncio.sleep(0.05)
    assert owner.ending is Ending.EXPIRED
    assert now - held.expires_at.ToDatetime(tzinfo=now.tzinfo) < timedelta(seconds=5)
    with pytest.raises(NotFound):
        await wire.ledger("GetHold", ledger_pb2.GetHoldRequest(hold_id=hold))
