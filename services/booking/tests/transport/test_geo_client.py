"""The client of geo's ledger against a served LedgerService: what is sent, and what comes back."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from booking.clients.geo import GeoAgents, GeoLedger
from booking.domain.itinerary import Certificate, StopPlan
from booking.settings import Settings
from booking.usecases.ports import NewHold, SlotQuery
from giro.common.v1 import travel_pb2
from giro.geo.v1 import geo_pb2, geo_pb2_grpc, ledger_pb2, ledger_pb2_grpc
from kit.errors import AlreadyExists, InvalidInput, Reason, Unavailable
from kit.rpc.client import Client
from kit.rpc.server import Server
from kit.rpc.tokens import Authenticator, ServiceTokens
from kit.values.latlng import LatLng
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "s" * 32
START = datetime(2027, 3, 28, 9, tzinfo=UTC)
PLAN = StopPlan(
    "agt_1", Window(START, START + timedelta(hours=1)), LatLng(45.0, 9.0), timedelta(seconds=300), ("pv",)
)


@dataclass
class Answers:
    """Answers what it is told to, and keeps what it was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)

    async def answer(self, name: str, request: Any) -> Any:
        """The answer of this RPC; of several the next; an error is raised."""
        self.asked.append(request)
        answer = self.answers[name]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Ledger(Answers, ledger_pb2_grpc.LedgerServiceServicer):
    """The ledger's RPCs."""


class Geo(Answers, geo_pb2_grpc.GeoServiceServicer):
    """The agents' RPCs."""


def _rpc(name: str) -> Any:
    async def rpc(self: Answers, request: Any, _: Any) -> Any:
        return await self.answer(name, request)

    return rpc


for _servicer, _file, _service in (
    (Ledger, ledger_pb2.DESCRIPTOR, "LedgerService"),
    (Geo, geo_pb2.DESCRIPTOR, "GeoService"),
):
    for _name in _file.services_by_name[_service].methods_by_name:
        setattr(_servicer, _name, _rpc(_name))

TWO_PAGES_OF_AGENTS = [
    geo_pb2.ListAgentsResponse(agents=[geo_pb2.Agent(agent_id="agt_1")], next_page_token="more"),
    geo_pb2.ListAgentsResponse(agents=[geo_pb2.Agent(agent_id="agt_2")]),
]


@pytest_asyncio.fixture
async def served() -> AsyncIterator[tuple[Ledger, GeoLedger, Client]]:
    """A ledger and a client of it."""
    servicer = Ledger()
    server = Server(
        Settings(service_key=SECRET),
        [
            (ledger_pb2_grpc.add_LedgerServiceServicer_to_server, servicer),
            (geo_pb2_grpc.add_GeoServiceServicer_to_server, Geo({"ListAgents": [*TWO_PAGES_OF_AGENTS]})),
        ],
        Authenticator("", SECRET),
    )
    await server.start()
    client = Client(f"127.0.0.1:{server.port}", ServiceTokens("booking", SECRET), name="geo")
    yield servicer, GeoLedger(client, 5.0), client
    await client.close()
    await server.stop(0)


def leg() -> travel_pb2.Leg:
    return travel_pb2.Leg(
        travel=Duration(seconds=900),
        metres=2500,
        source=travel_pb2.TRAVEL_SOURCE_ROAD,
        version="osrm-1",
        via=True,
        buffer=Duration(seconds=300),
        from_point=travel_pb2.Point(latitude=45, longitude=9),
    )


def plan_message() -> ledger_pb2.StopPlan:
    return ledger_pb2.StopPlan(
        agent_id="agt_1",
        window=travel_pb2.TimeWindow(start=stamp(START), end=stamp(START + timedelta(hours=1))),
        point=travel_pb2.Point(latitude=45, longitude=9),
        buffer=Duration(seconds=300),
        skills=["pv"],
    )


def stamp(moment: datetime) -> Timestamp:
    return Timestamp(seconds=int(moment.timestamp()))


Served = tuple[Ledger, GeoLedger, Client]


async def test_reserving(served: Served) -> None:
    servicer, ledger, _ = served
    servicer.answers["ReserveStop"] = ledger_pb2.ReservedStop(
        appointment_id="apt_1", plan=plan_message(), leg_before=leg()
    )
    made = await ledger.reserve("ten_1", "apt_1", PLAN, "hld_1")
    assert made.plan == PLAN
    assert made.leg_after is None
    before = made.leg_before
    assert before is not None
    assert (before.travel, before.metres, before.source, before.version) == (
        timedelta(minutes=15),
        2500,
        "ROAD",
        "osrm-1",
    )
    assert (before.via, before.buffer, before.from_point, before.to_point) == (
        True,
        timedelta(minutes=5),
        LatLng(45, 9),
        None,
    )
    assert servicer.asked == [
        ledger_pb2.ReserveStopRequest(appointment_id="apt_1", plan=plan_message(), hold_id="hld_1")
    ]


async def test_a_suggested_start_goes_with_what_it_rests_on(served: Served) -> None:
    servicer, ledger, _ = served
    servicer.answers["ReserveStop"] = ledger_pb2.ReservedStop(appointment_id="apt_1", plan=plan_message())
    await ledger.reserve("ten_1", "apt_1", PLAN, Certificate(b"rests on", START))
    (asked,) = servicer.asked
    suggested = ledger_pb2.SuggestedStart(certificate=b"rests on", expires_at=stamp(START))
    assert (asked.hold_id, asked.slot) == ("", suggested)


async def test_holding_keeps_campaign_and_caller_as_context(served: Served) -> None:
    servicer, ledger, _ = served
    expires = START - timedelta(days=2)
    servicer.answers["HoldStop"] = servicer.answers["GetHold"] = ledger_pb2.HeldStop(
        hold_id="hld_1", plan=plan_message(), expires_at=stamp(expires), context="cmp_1 usr_1"
    )
    held = await ledger.hold("ten_1", NewHold("hld_1", "cmp_1", "usr_1", PLAN, timedelta(minutes=5)))
    assert (held.campaign_id, held.plan, held.expires_at) == ("cmp_1", PLAN, expires)
    assert await ledger.get_hold("ten_1", "hld_1") == held
    assert servicer.asked[0].context == "cmp_1 usr_1"
    assert servicer.asked[0].ttl.seconds == 300


async def test_moving_and_settling(served: Served) -> None:
    servicer, ledger, _ = served
    stop = ledger_pb2.ReservedStop(appointment_id="apt_1", plan=plan_message())
    servicer.answers["MoveStop"] = stop
    servicer.answers["SettleMove"] = [
        ledger_pb2.SettleMoveResponse(applied=True, stop=stop),
        ledger_pb2.SettleMoveResponse(applied=False),
    ]
    servicer.answers["SettleStop"] = ledger_pb2.SettleStopResponse(released=True)
    servicer.answers["ReleaseHold"] = ledger_pb2.ReleaseHoldResponse()
    moved = await ledger.move("ten_1", "mov_1", "apt_1", PLAN)
    assert await ledger.settle_move("ten_1", "mov_1") == moved
    assert await ledger.settle_move("ten_1", "mov_1") is None
    await ledger.settle_stop("ten_1", "apt_1")
    await ledger.release_hold("ten_1", "hld_1")
    assert servicer.asked[0] == ledger_pb2.MoveStopRequest(
        move_id="mov_1", appointment_id="apt_1", plan=plan_message()
    )


async def test_searching_hands_the_anatomy_on(served: Served) -> None:
    servicer, ledger, _ = served
    anatomy = travel_pb2.SlotAnatomy(
        agent_id="agt_1", start=stamp(START), end=stamp(START + timedelta(hours=1)), leg_before=leg()
    )
    servicer.answers["SearchSlots"] = ledger_pb2.SearchSlotsResponse(
        slots=[anatomy],
        certificates=[b"rests on"],
        travel_version="estimate-1",
        refused_truncated=True,
        left_out_agent_ids=["agt_2"],
    )
    query = SlotQuery(
        campaign_id="cmp_1",
        point=LatLng(45, 9),
        duration=timedelta(hours=1),
        windows=[Window(START, START + timedelta(days=1))],
        not_before=START,
        as_of=START - timedelta(hours=36),
        agent_ids=["agt_1"],
        skills=["pv"],
        buffer=timedelta(0),
        limit=10,
        explain=False,
        granularity=timedelta(minutes=5),
        ideal_up_to=timedelta(minutes=10),
        ok_up_to=timedelta(minutes=30),
    )
    found = await ledger.search("ten_1", query)
    (slot,) = found.slots
    assert slot.anatomy == anatomy
    assert (slot.agent_id, slot.start) == ("agt_1", int(START.timestamp()))
    assert (found.estimated, found.refused_truncated, found.incomplete) == (True, True, True)
    asked = servicer.asked[0]
    assert (asked.not_before, asked.granularity.seconds, asked.ideal_up_to.seconds) == (
        stamp(START),
        300,
        600,
    )


async def test_all_pages_are_read(served: Served) -> None:
    servicer, ledger, client = served
    one = ledger_pb2.ReservedStop(appointment_id="apt_1", plan=plan_message())
    two = ledger_pb2.ReservedStop(appointment_id="apt_2", plan=plan_message())
    servicer.answers["ListReservations"] = [
        ledger_pb2.ListReservationsResponse(reservations=[one], next_page_token="more"),
        ledger_pb2.ListReservationsResponse(reservations=[two]),
    ]
    assert [stop.appointment_id for stop in await ledger.reservations("ten_1")] == ["apt_1", "apt_2"]
    assert await GeoAgents(client).known("ten_1") == {"agt_1", "agt_2"}


async def test_refusals_come_back_as_they_were_raised_with_fields_in_our_words(served: Served) -> None:
    servicer, ledger, _ = served
    servicer.answers["ReserveStop"] = [
        AlreadyExists(Reason.SLOT_TAKEN, "taken", metadata={"agent_id": "agt_1"}),
        InvalidInput(Reason.INVALID_FIELD, "is too far away", field="plan.window"),
        ValueError("a defect of geo"),
    ]
    with pytest.raises(AlreadyExists) as taken:
        await ledger.reserve("ten_1", "apt_1", PLAN, None)
    assert (taken.value.reason, taken.value.metadata) == (Reason.SLOT_TAKEN, {"agent_id": "agt_1"})
    with pytest.raises(InvalidInput) as invalid:
        await ledger.reserve("ten_1", "apt_1", PLAN, None)
    assert [violation.field for violation in invalid.value.violations] == ["window"]
    with pytest.raises(Unavailable):  # whether it acted is not known
        await ledger.reserve("ten_1", "apt_1", PLAN, None)


async def test_nobody_there_is_an_unknown_outcome() -> None:
    client = Client("127.0.0.1:1", ServiceTokens("booking", SECRET), name="geo")
    with pytest.raises(Unavailable) as unknown:
        await GeoLedger(client, 1.0).settle_stop("ten_1", "apt_1")
    assert unknown.value.metadata["service"] == "geo"
    await client.close()
