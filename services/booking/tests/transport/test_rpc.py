"""BookingService over the wire: the operator's flow, bad input by name, roles, and geo's client."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from booking_house import House
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from house_clock import soon

from booking.settings import Settings
from booking.transport.rpc import BookingServicer
from giro.booking.v1 import booking_pb2 as pb
from giro.booking.v1.booking_pb2_grpc import BookingServiceStub, add_BookingServiceServicer_to_server
from giro.common.v1.travel_pb2 import Point, TimeWindow
from kit.errors import GiroError, InvalidInput, NotAllowed, Reason
from kit.rpc.client import Client
from kit.rpc.context import Grant
from kit.rpc.server import Server
from kit.rpc.tokens import Authenticator, ServiceTokens
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRET = "s" * 32
HERE = Point(latitude=45.4642, longitude=9.19)
CAMPAIGN = "cmp_" + "0" * 32


@dataclass
class Wire:
    """Calls RPCs of a served BookingService."""

    client: Client
    stub: Any
    house: House

    async def __call__(self, rpc: str, request: Any) -> Any:
        return await self.client.call(getattr(self.stub, rpc), request, tenant=self.house.tenant)


@pytest_asyncio.fixture
async def wire(house: House) -> AsyncIterator[Wire]:
    """A server of this house on a free port."""
    settings = Settings(service_key=SECRET, database_url="postgresql://unused")
    servicers = [(add_BookingServiceServicer_to_server, BookingServicer(house.desk, house.places))]
    server = Server(settings, servicers, Authenticator("", SECRET))
    await server.start()
    client = Client(f"127.0.0.1:{server.port}", ServiceTokens("test", SECRET))
    yield Wire(client, BookingServiceStub(client.channel), house)
    await client.close()
    await server.stop(0)


def at(hours: float, nanos: int = 0) -> Timestamp:
    return Timestamp(seconds=int(soon(hours).timestamp()), nanos=nanos)


def length(minutes: float = 45) -> Duration:
    return Duration(seconds=int(minutes * 60))


async def a_campaign(wire: Wire) -> tuple[str, str]:
    """A campaign and a contact of it."""
    made = await wire(
        "CreateCampaign",
        pb.CreateCampaignRequest(
            display_name="Roofs",
            purchased=5,
            agent_ids=wire.house.agents,
            skills=["pv"],
            time_zone="Europe/Rome",
            buffer=length(5),
            request_id=new_id("req"),
        ),
    )
    people = [pb.Contact(display_name="Ada Neri", phone="+390200000000", point=HERE)]
    request = pb.ImportContactsRequest(
        campaign_id=made.campaign_id, contacts=people, request_id=new_id("req")
    )
    return made.campaign_id, (await wire("ImportContacts", request)).contact_ids[0]


async def test_the_operators_flow(wire: Wire) -> None:
    campaign, contact = await a_campaign(wire)
    start = soon(48)
    wire.house.ledger.slots = [(wire.house.agents[1], start)]
    found = await wire(
        "SuggestSlots",
        pb.SuggestSlotsRequest(campaign_id=campaign, contact_id=contact, duration=length()),
    )
    assert found.slots[0].anatomy.agent_id == wire.house.agents[1]
    hold = await wire(
        "HoldSlot", pb.HoldSlotRequest(slot_token=found.slots[0].slot_token, request_id=new_id("req"))
    )
    assert hold.leg_before.metres == 2500
    request = pb.BookAppointmentRequest(
        hold_id=hold.hold_id, contact_id=contact, note="ring", request_id=new_id("req")
    )
    booked = await wire("BookAppointment", request)
    assert booked.state == pb.APPOINTMENT_STATE_TO_CONFIRM
    assert booked.start.seconds == int(start.timestamp())
    assert booked.leg_after.travel.seconds == 900
    again = await wire("BookAppointment", request)
    assert again.SerializeToString(deterministic=True) == booked.SerializeToString(deterministic=True)
    key = booked.appointment_id
    assert (await wire("GetAppointment", pb.GetAppointmentRequest(appointment_id=key))) == booked
    confirmed = await wire("ConfirmAppointment", pb.ConfirmAppointmentRequest(appointment_id=key, version=1))
    assert confirmed.version == 2
    postponed = await wire(
        "PostponeAppointment",
        pb.PostponeAppointmentRequest(appointment_id=key, start=at(60), request_id=new_id("req")),
    )
    assert postponed.state == pb.APPOINTMENT_STATE_TO_CONFIRM
    moved = await wire(
        "ReassignAppointment",
        pb.ReassignAppointmentRequest(
            appointment_id=key, agent_id=wire.house.agents[0], request_id=new_id("req")
        ),
    )
    assert moved.agent_id == wire.house.agents[0]
    folder = await wire("ListAppointments", pb.ListAppointmentsRequest(campaign_id=campaign))
    assert [card.appointment_id for card in folder.appointments] == [key]
    assert not folder.appointments[0].HasField("leg_before")
    ownership = await wire("VerifyOwnership", pb.VerifyOwnershipRequest())
    assert (ownership.appointments, list(ownership.appointments_without_stop)) == (1, [])
    cancelled = await wire("CancelAppointment", pb.CancelAppointmentRequest(appointment_id=key))
    assert cancelled.state == pb.APPOINTMENT_STATE_CANCELLED
    box = await wire("GetCampaign", pb.GetCampaignRequest(campaign_id=campaign))
    assert (box.purchased, box.taken, box.to_confirm, box.cancelled_in_step) == (5, 0, 0, 1)
    await wire("ReleaseHold", pb.ReleaseHoldRequest(hold_id=hold.hold_id))
    shown = await wire("GetEffectiveParameter", pb.GetEffectiveParameterRequest(name="lead_time"))
    assert (shown.value, shown.source) == ("129600s", "SYSTEM")


def book(**changes: Any) -> pb.BookAppointmentRequest:
    time = {"campaign_id": CAMPAIGN, "agent_id": "agt_1", "start": at(48), "duration": length()}
    asked = {"contact_id": "cnt_1", "request_id": new_id("req")}
    chosen = {"time": pb.ChosenTime(**{**time, **changes.pop("time", {})})}  # type: ignore[arg-type]
    slot = {name: changes.pop(name) for name in ("hold_id", "slot_token") if name in changes} or chosen
    return pb.BookAppointmentRequest(**{**asked, **slot, **changes})  # type: ignore[arg-type]


def suggest(**changes: Any) -> pb.SuggestSlotsRequest:
    return pb.SuggestSlotsRequest(
        **{"campaign_id": CAMPAIGN, "point": HERE, "duration": length(), **changes}  # type: ignore[arg-type]
    )


def window(start: Timestamp, end: Timestamp) -> TimeWindow:
    return TimeWindow(start=start, end=end)


FAR = Timestamp(seconds=253_402_300_799)  # 9999-12-31T23:59:59Z
NAN = Point(latitude=float("nan"), longitude=9)

BAD = [
    ("BookAppointment", book(time={"start": at(48, nanos=1)}), "time.start"),
    ("BookAppointment", book(time={"start": FAR}), "time.start"),
    ("BookAppointment", book(time={"start": Timestamp(seconds=-1)}), "time.start"),
    ("BookAppointment", book(time={"duration": Duration(seconds=60, nanos=5)}), "time.duration"),
    ("BookAppointment", book(time={"duration": Duration(seconds=86_401)}), "time.duration"),
    ("BookAppointment", book(time={"duration": Duration(seconds=-60)}), "time.duration"),
    ("BookAppointment", book(time={"agent_id": ""}), "time.agent_id"),
    ("BookAppointment", book(request_id="short"), "request_id"),
    ("BookAppointment", book(request_id="x" * 65), "request_id"),
    ("BookAppointment", book(contact_id=""), "contact_id"),
    ("BookAppointment", book(note="x" * 2001), "note"),
    ("BookAppointment", book(note="a\0b"), "note"),
    ("SuggestSlots", suggest(point=NAN), "point.latitude"),
    ("SuggestSlots", suggest(point=Point(latitude=91, longitude=0)), "point.latitude"),
    ("SuggestSlots", suggest(duration=Duration(seconds=59)), "duration"),
    ("SuggestSlots", suggest(duration=Duration(seconds=315_360_000)), "duration"),
    ("SuggestSlots", suggest(duration=Duration(seconds=60, nanos=1)), "duration"),
    ("SuggestSlots", suggest(first_day="tomorrow"), "first_day"),
    ("SuggestSlots", suggest(limit=51), "limit"),
    ("SuggestSlots", suggest(windows=[window(at(50), at(49))]), "windows[0]"),
    ("SuggestSlots", suggest(windows=[window(at(50), at(50))]), "windows[0]"),
    ("SuggestSlots", suggest(windows=[window(at(48), at(50, nanos=7))]), "windows[0].end"),
    ("SuggestSlots", suggest(windows=[window(at(48), FAR)]), "windows[0].end"),
    ("SuggestSlots", suggest(agent_ids=["agt_1", "agt_1"]), "agent_ids"),
    ("ListAppointments", pb.ListAppointmentsRequest(page_size=-1), "page_size"),
    ("ListAppointments", pb.ListAppointmentsRequest(page_size=201), "page_size"),
    ("ListAppointments", pb.ListAppointmentsRequest(page_token="broken"), "page_token"),
    ("ListAppointments", pb.ListAppointmentsRequest(scope=9), "scope"),  # type: ignore[arg-type]
    ("HoldSlot", pb.HoldSlotRequest(slot_token="x" * 20, ttl=length(16), request_id="12345678"), "ttl"),
    (
        "HoldSlot",
        pb.HoldSlotRequest(slot_token="x", ttl=Duration(seconds=1, nanos=1), request_id="12345678"),
        "ttl",
    ),
    (
        "PostponeAppointment",
        pb.PostponeAppointmentRequest(appointment_id="apt_1", start=at(48, nanos=9), request_id="12345678"),
        "start",
    ),
    (
        "PostponeAppointment",
        pb.PostponeAppointmentRequest(appointment_id="apt_1", request_id="12345678"),
        "start",
    ),
    ("ConfirmAppointment", pb.ConfirmAppointmentRequest(appointment_id="apt_1", version=-1), "version"),
    ("SetParameter", pb.SetParameterRequest(name="lead_time", value="36 hours"), "value"),
    ("GetCampaign", pb.GetCampaignRequest(), "campaign_id"),
]


@pytest.mark.parametrize(("rpc", "request_", "field"), BAD, ids=[f"{rpc}-{field}" for rpc, _, field in BAD])
async def test_bad_input_is_refused_by_the_name_of_its_field(
    wire: Wire, rpc: str, request_: Any, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await wire(rpc, request_)
    assert field in [violation.field for violation in refused.value.violations]


UNKNOWN = [
    ("GetCampaign", pb.GetCampaignRequest(campaign_id="cmp_x"), "campaign_id"),
    ("GetContact", pb.GetContactRequest(contact_id="cnt_x"), "contact_id"),
    ("GetAppointment", pb.GetAppointmentRequest(appointment_id="apt_x"), "appointment_id"),
    ("ListContacts", pb.ListContactsRequest(campaign_id="cmp_x"), "campaign_id"),
    ("SuggestSlots", suggest(campaign_id="cmp_x"), "campaign_id"),
    ("BookAppointment", book(hold_id="hld_x"), "hold_id"),
    ("BookAppointment", book(), "time.campaign_id"),
    ("GetEffectiveParameter", pb.GetEffectiveParameterRequest(name="nonsense"), "name"),
]


@pytest.mark.parametrize(("rpc", "request_", "field"), UNKNOWN, ids=[rpc for rpc, _, _ in UNKNOWN])
async def test_unknown_ids_are_not_found_by_the_name_of_their_field(
    wire: Wire, rpc: str, request_: Any, field: str
) -> None:
    with pytest.raises(GiroError) as refused:
        await wire(rpc, request_)
    assert (refused.value.code, refused.value.reason) == ("NOT_FOUND", Reason.NOT_FOUND)
    assert [violation.field for violation in refused.value.violations] == [field]
    assert refused.value.metadata["resource"]


async def test_roles_are_those_of_the_contract(wire: Wire) -> None:
    wire.house.enter(Grant("AGENT", "tenant", ""))
    with pytest.raises(NotAllowed) as refused:
        await wire("ConfirmAppointment", pb.ConfirmAppointmentRequest(appointment_id="apt_1"))
    assert refused.value.reason is Reason.ROLE_REQUIRED


async def test_lead_time_tells_its_figures_over_the_wire(wire: Wire) -> None:
    campaign, contact = await a_campaign(wire)
    late = {"campaign_id": campaign, "agent_id": wire.house.agents[0], "start": at(35.9)}
    with pytest.raises(GiroError) as refused:
        await wire("BookAppointment", book(time=late, contact_id=contact))
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", Reason.LEAD_TIME)
    assert refused.value.metadata["lead_seconds"] == str(int(timedelta(hours=36).total_seconds()))
