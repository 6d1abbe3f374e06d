"""A role limited to one campaign sets nothing of the agents, the travel data and the zones, which all
campaigns share (R-181)."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message

from allinone.stack import Stack
from giro.common.v1 import travel_pb2
from giro.geo.v1 import geo_pb2, travel_profile_pb2, zones_pb2
from kit.errors import GiroError, NotAllowed, Reason
from kit.values.ids import new_id
from tests.contracts.requests import RPCS, refusal_of, response_class
from tests.contracts.tokens import user_token
from tests.world import World, request_id, stamp

PACKAGE = "/giro.geo.v1."
ROLE = "PROJECT_MANAGER"

_CALENDAR = geo_pb2.Calendar(
    time_zone="UTC", shifts=[geo_pb2.Shift(weekday=geo_pb2.WEEKDAY_MONDAY, start="00:00", end="24:00")]
)


def _absence(world: World) -> Message:
    """One that no visit is in the way of."""
    start = world.day(40)
    window = travel_pb2.TimeWindow(start=stamp(start), end=stamp(start + timedelta(hours=1)))
    return geo_pb2.AddAbsenceRequest(agent_id=world.agents[0], window=window, request_id=request_id())


OF_THE_TENANT: dict[str, Callable[[World], Message]] = {
    "GeoService/CreateAgent": lambda _: geo_pb2.CreateAgentRequest(
        display_name="Agent", calendar=_CALENDAR, request_id=request_id()
    ),
    "GeoService/SetAgentCalendar": lambda world: geo_pb2.SetAgentCalendarRequest(
        agent_id=world.agents[0], calendar=_CALENDAR
    ),
    "GeoService/SetAgentTravelMode": lambda world: geo_pb2.SetAgentTravelModeRequest(
        agent_id=world.agents[0], travel_mode=travel_pb2.TRAVEL_MODE_CAR
    ),
    "GeoService/AddAbsence": _absence,
    "GeoService/RemoveAbsence": lambda world: geo_pb2.RemoveAbsenceRequest(absence_id=new_id("abs")),
    "TravelProfileService/SetTravelProfile": lambda _: travel_profile_pb2.SetTravelProfileRequest(
        request_id=request_id()
    ),
    "GeoService/ImportMatrix": lambda _: geo_pb2.ImportMatrixRequest(request_id=request_id()),
    "GeoService/SetTravelParameter": lambda world: geo_pb2.SetTravelParameterRequest(
        name="max_visits_per_day", value="1", agent_id=world.agents[0]
    ),
    "ZoneService/UpsertZone": lambda _: zones_pb2.UpsertZoneRequest(
        name="Torino", postcodes=zones_pb2.Postcodes(codes=["10121"]), request_id=request_id()
    ),
    "ZoneService/DeleteZone": lambda _: zones_pb2.DeleteZoneRequest(zone_id="zon_1"),
    "ZoneService/SetAgentZones": lambda world: zones_pb2.SetAgentZonesRequest(agent_id=world.agents[0]),
}

WRITES = ("Create", "Set", "Add", "Remove", "Upsert", "Delete", "Import")
"""How the names of RPCs begin that change something."""


@dataclass
class Office:
    """A tenant with a campaign, and a channel to geo."""

    stack: Stack
    world: World
    channel: grpc.aio.Channel

    async def ask(self, method: str, request: Message, scope: str) -> Message | GiroError:
        """The answer to a project manager in that scope; in the whole tenant where it is empty."""
        rpc = RPCS[PACKAGE + method]
        token = user_token(self.stack, self.world.tenant, ROLE, scope=scope)
        asked: Any = self.channel.unary_unary(
            rpc.path, type(request).SerializeToString, response_class(rpc).FromString
        )
        try:
            answer: Message = await asked(
                request, metadata=(("authorization", f"Bearer {token}"),), timeout=60
            )
        except grpc.aio.AioRpcError as failed:
            return refusal_of(failed)
        return answer

    async def all_there_is(self) -> list[Message | GiroError]:
        """What a refused call must leave as it was."""
        asked: dict[str, Message] = {
            "TravelProfileService/GetTravelProfile": travel_profile_pb2.GetTravelProfileRequest(),
            "GeoService/GetTravelParameter": geo_pb2.GetTravelParameterRequest(
                name="max_visits_per_day", agent_id=self.world.agents[0]
            ),
            "ZoneService/ListZones": zones_pb2.ListZonesRequest(),
            "GeoService/ListAgents": geo_pb2.ListAgentsRequest(),
            "GeoService/GetItinerary": geo_pb2.GetItineraryRequest(agent_id=self.world.agents[0]),
        }
        return [await self.ask(method, request, "") for method, request in asked.items()]


@pytest_asyncio.fixture(scope="module")
async def office(stack: Stack) -> AsyncIterator[Office]:
    """Made once."""
    world = await World.make(stack)
    async with grpc.aio.insecure_channel(stack.urls.targets["geo"]) as channel:
        yield Office(stack, world, channel)
    await world.close()


def test_every_rpc_that_changes_something_is_asked() -> None:
    of_geo = {path.removeprefix(PACKAGE) for path in RPCS if path.startswith(PACKAGE)}
    public = {name for name in of_geo if not name.startswith("LedgerService/")}
    assert {name for name in public if name.partition("/")[2].startswith(WRITES)} == OF_THE_TENANT.keys()


@pytest.mark.asyncio
@pytest.mark.parametrize("method", OF_THE_TENANT)
async def test_a_role_of_one_campaign_or_agent_sets_nothing_that_all_share(
    office: Office, method: str
) -> None:
    before, request = await office.all_there_is(), OF_THE_TENANT[method](office.world)
    assert not [one for one in before if isinstance(one, GiroError)]
    for scope in (office.world.campaign, office.world.agents[0]):
        refused = await office.ask(method, request, scope)
        assert isinstance(refused, NotAllowed), refused
        assert refused.reason is Reason.OUT_OF_SCOPE
    assert await office.all_there_is() == before


@pytest.mark.asyncio
@pytest.mark.parametrize("method", OF_THE_TENANT)
async def test_the_same_role_in_the_whole_tenant_reaches_it(office: Office, method: str) -> None:
    answer = await office.ask(method, OF_THE_TENANT[method](office.world), "")
    assert not isinstance(answer, NotAllowed), answer
