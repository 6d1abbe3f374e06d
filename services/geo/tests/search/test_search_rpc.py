"""Slot search and travel data over gRPC, and what they make of bad input."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from geo.app import GeoApp, build
from geo.settings import GeoSettings
from geo.storage import agendas
from giro.common.v1 import travel_pb2
from giro.geo.v1 import geo_pb2, geo_pb2_grpc, ledger_pb2, ledger_pb2_grpc
from kit.errors import InvalidInput, NotFound, Reason
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


class AdministratorTokens(ServiceTokens):
    """Tokens of a service that calls for an administrator."""

    def mint(self, tenant: str, caller: Caller | None = None) -> str:
        return super().mint(tenant, ADMINISTRATOR)


@dataclass
class Wire:
    """A running geo, and a client of it."""

    app: GeoApp
    client: Client
    agent: str = ""

    async def geo(self, method: str, request: Any) -> Any:
        stub = geo_pb2_grpc.GeoServiceStub(self.client.channel)
        return await self.client.call(getattr(stub, method), request, tenant=TENANT)

    async def search(self, tenant: str = TENANT, **changes: Any) -> ledger_pb2.SearchSlotsResponse:
        stub = ledger_pb2_grpc.LedgerServiceStub(self.client.channel)
        fields: dict[str, Any] = {
            "point": point(45.05),
            "duration": Duration(seconds=1800),
            "windows": [window(0, 24)],
            "as_of": Timestamp(seconds=int(at(0).timestamp()) - 86_400, nanos=5),
            "agent_ids": [self.agent],
            "limit": 10,
            **changes,
        }
        request = ledger_pb2.SearchSlotsRequest(**fields)
        answer = await self.client.call(stub.SearchSlots, request, tenant=tenant)
        assert isinstance(answer, ledger_pb2.SearchSlotsResponse)
        return answer


def stamp(hour: float) -> Timestamp:
    return Timestamp(seconds=int(at(hour).timestamp()))


def window(start: float, end: float) -> travel_pb2.TimeWindow:
    return travel_pb2.TimeWindow(start=stamp(start), end=stamp(end))


def point(lat: float = 45.0, lng: float = 7.0) -> travel_pb2.Point:
    return travel_pb2.Point(latitude=lat, longitude=lng)


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
    )
    app = build(settings)
    await app.start()
    client = Client(f"127.0.0.1:{app.server.port}", AdministratorTokens("booking", KEY))
    wire = Wire(app, client)
    shift = geo_pb2.Shift(
        weekday=geo_pb2.WEEKDAY_MONDAY, start="08:00", end="18:00", start_base=point(), end_base=point()
    )
    calendar = geo_pb2.Calendar(time_zone="UTC", shifts=[shift])
    request = geo_pb2.CreateAgentRequest(display_name="Ada", calendar=calendar, request_id=new_id("req"))
    wire.agent = (await wire.geo("CreateAgent", request)).agent_id
    yield wire
    await client.close()
    await app.stop()


async def test_a_slot_with_its_anatomy(wire: Wire) -> None:
    limits = {"ideal_up_to": Duration(seconds=600), "ok_up_to": Duration(seconds=3600)}
    answer = await wire.search(granularity=Duration(seconds=900), **limits)
    (slot,) = answer.slots
    drive = 600 + 668  # 5.56 km
    assert slot.agent_id == wire.agent
    assert (slot.start, slot.end) == (stamp(8.5), stamp(9))
    assert slot.leg_before.travel.seconds == slot.leg_after.travel.seconds == drive
    assert slot.leg_before.source == travel_pb2.TRAVEL_SOURCE_ESTIMATE
    assert (slot.leg_before.from_point, slot.leg_before.to_point) == (point(), point(45.05))
    assert slot.leg_before.metres == 5560
    assert slot.leg_before.HasField("buffer")
    assert slot.leave_at.seconds == slot.start.seconds - drive
    assert slot.idle.seconds == 1800 - drive
    assert slot.added_travel.seconds == 2 * drive
    assert slot.slack.seconds == at(18).timestamp() - drive - 1800 - slot.start.seconds
    assert slot.grade == travel_pb2.GRADE_OK
    assert (answer.travel_version, len(answer.refused)) == ("estimate-1", 0)


async def test_reasons_come_when_asked(wire: Wire) -> None:
    answer = await wire.search(explain=True, windows=[window(8, 8.5), window(24, 48)])
    assert [(gap.reason, gap.HasField("short_seconds")) for gap in answer.refused] == [
        ("OUTSIDE_WINDOWS", False),
        ("OUTSIDE_SHIFT", False),
    ]
    assert answer.refused[0].gap == window(8, 18)
    answer = await wire.search(explain=True, not_before=stamp(30))
    (late,) = answer.refused
    assert late.reason == "LEAD_TIME"
    assert late.short_seconds > 12 * 3600


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"point": travel_pb2.Point(latitude=float("nan"))}, "point.latitude"),
        ({"point": travel_pb2.Point(longitude=181.0)}, "point.longitude"),
        ({"duration": Duration(seconds=1800, nanos=1)}, "duration"),
        ({"duration": Duration(seconds=10 * 365 * 86_400)}, "duration"),
        ({"windows": []}, "windows"),
        (
            {"windows": [travel_pb2.TimeWindow(start=Timestamp(seconds=10, nanos=1), end=stamp(1))]},
            "windows[0].start",
        ),
        ({"windows": [travel_pb2.TimeWindow(start=stamp(0), end=stamp(24 * 500))]}, "windows[0]"),
        ({"windows": [window(24 * 450, 24 * 451)]}, "windows"),
        ({"buffer": Duration(seconds=-1)}, "buffer"),
        ({"buffer": Duration(seconds=10**9)}, "buffer"),
        ({"granularity": Duration(nanos=5)}, "granularity"),
        ({"not_before": Timestamp(seconds=5, nanos=7)}, "not_before"),
        ({"limit": -1}, "limit"),
        ({"limit": 201}, "limit"),
        ({"agent_ids": []}, "agent_ids"),
        ({"ideal_up_to": Duration(seconds=2), "ok_up_to": Duration(seconds=1)}, "ideal_up_to"),
    ],
)
async def test_bad_input_names_the_field(wire: Wire, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await wire.search(**changes)
    assert field in [violation.field for violation in refused.value.violations]


async def test_a_caller_that_leaves_ends_the_work_for_it(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, ended = asyncio.Event(), asyncio.Event()

    async def for_ever(*_: object) -> None:
        reading.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with monkeypatch.context() as slow:
        slow.setattr(agendas, "_read", for_ever)
        new = await wire.geo(
            "CreateAgent",
            geo_pb2.CreateAgentRequest(
                display_name="Bea", calendar=geo_pb2.Calendar(time_zone="UTC"), request_id=new_id("req")
            ),
        )
        call = asyncio.ensure_future(wire.search(agent_ids=[new.agent_id]))
        await asyncio.wait_for(reading.wait(), 30)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(ended.wait(), 30)
    assert (await wire.search()).slots  # and the next one reads as ever


async def test_another_tenants_agent_is_not_found(wire: Wire) -> None:
    for tenant, agents in ((TENANT, ["agt_nobody"]), ("ten_2", [wire.agent])):
        with pytest.raises(NotFound) as refused:
            await wire.search(tenant=tenant, agent_ids=agents)
        assert refused.value.reason is Reason.NOT_FOUND


async def test_a_matrix_over_the_wire(wire: Wire) -> None:
    def entry(seconds: int | None, **ends: travel_pb2.Point) -> geo_pb2.MatrixEntry:
        travel = None if seconds is None else Duration(seconds=seconds)
        return geo_pb2.MatrixEntry(travel=travel, metres=100, **ends)

    there = entry(120, from_point=point(), to_point=point(45.05))
    nowhere = entry(None, from_point=point(), to_point=point(46))
    request = geo_pb2.ImportMatrixRequest(entries=[there, nowhere], request_id=new_id("req"))
    done = await wire.geo("ImportMatrix", request)
    assert (done.version, done.now_infeasible) == ("estimate-1+m1", 0)
    assert await wire.geo("ImportMatrix", request) == done
    assert (await wire.geo("ListNowInfeasible", geo_pb2.ListNowInfeasibleRequest())).pairs == []
    wire.app.feed.told(f"{TENANT}:*:1")
    (slot,) = (await wire.search()).slots
    assert (slot.leg_before.travel.seconds, slot.leg_before.source) == (120, travel_pb2.TRAVEL_SOURCE_MATRIX)
    assert slot.leg_after.source == travel_pb2.TRAVEL_SOURCE_ESTIMATE
    assert (await wire.search(point=point(46))).slots == []
    with pytest.raises(InvalidInput) as refused:
        await wire.geo(
            "ImportMatrix", geo_pb2.ImportMatrixRequest(entries=[there, there], request_id=new_id("req"))
        )
    assert [violation.field for violation in refused.value.violations] == ["entries[1]"]
    with pytest.raises(InvalidInput) as refused:
        await wire.geo("ListNowInfeasible", geo_pb2.ListNowInfeasibleRequest(page_token="????"))
    assert [violation.field for violation in refused.value.violations] == ["page_token"]


async def test_detours_of_days_with_their_grades(wire: Wire) -> None:
    stub = ledger_pb2_grpc.LedgerServiceStub(wire.client.channel)
    search = ledger_pb2.SearchSlotsRequest(
        point=point(45.05),
        duration=Duration(seconds=1800),
        windows=[window(0, 24), window(24, 48), window(168, 192)],
        as_of=Timestamp(seconds=int(at(0).timestamp()) - 86_400),
        agent_ids=[wire.agent],
        limit=1,
        granularity=Duration(seconds=900),
        ideal_up_to=Duration(seconds=600),
        ok_up_to=Duration(seconds=3600),
    )
    request = ledger_pb2.FindDetoursRequest(search=search)
    found = await wire.client.call(stub.FindDetours, request, tenant=TENANT)
    assert [(one.agent_id, one.window) for one in found.detours] == [(wire.agent, 0), (wire.agent, 2)]
    for detour in found.detours:
        limits = {"ideal_up_to": search.ideal_up_to, "ok_up_to": search.ok_up_to}
        day = search.windows[detour.window]
        alone = await wire.search(windows=[day], granularity=search.granularity, limit=1, **limits)
        (best,) = alone.slots
        assert (detour.start, detour.added_travel, detour.grade) == (
            best.start,
            best.added_travel,
            best.grade,
        )
        assert detour.grade != travel_pb2.GRADE_UNSPECIFIED
    del request.search.windows[:]
    request.search.windows.extend([window(0, 24), window(12, 48)])
    with pytest.raises(InvalidInput) as refused:
        await wire.client.call(stub.FindDetours, request, tenant=TENANT)
    assert [one.field for one in refused.value.violations] == ["search.windows"]
