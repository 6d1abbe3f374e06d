"""A role limited to one campaign reaches nothing of another one of the same tenant (R-181).

Every public RPC of booking is asked: those that name something of a campaign by each field that names it,
those that are the whole tenant's or an agent's by a request of their own. What is asked in no way fails.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message

from allinone.stack import Stack
from giro.booking.v1 import annulments_pb2 as annulments
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import calendars_pb2 as calendars
from giro.booking.v1 import outcomes_pb2 as outcomes
from giro.booking.v1 import portal_pb2 as portal
from giro.booking.v1 import refix_pb2 as refix
from giro.booking.v1 import unavailability_pb2 as unavailability
from giro.geo.v1 import days_pb2 as days
from giro.geo.v1 import geo_pb2 as geo
from giro.geo.v1.days_pb2_grpc import DayServiceStub
from kit.errors import GiroError, NotAllowed, Reason
from kit.rpc.contract import Rpc
from tests.contracts.party import Party, make_party
from tests.contracts.requests import (
    RPCS,
    SERVICES,
    Filler,
    id_fields,
    refusal_of,
    response_class,
    streams,
)
from tests.contracts.tokens import user_token
from tests.world import request_id

PACKAGE = "/giro.booking.v1."
LIMITABLE = ("PROJECT_MANAGER", "OPERATOR", "CUSTOMER", "AGENT_SUPERVISOR", "ADMINISTRATOR")
"""The first that an RPC takes asks it; administrators are of a whole tenant, but what limits them counts."""
OTHERS = ("CUSTOMER", "OPERATOR", "AGENT", "PARTNER")
"""The first of these that an RPC does not take brings nothing there, whatever it is given for."""

OF_A_CAMPAIGN = {
    "appointment_id",
    "campaign_id",
    "claim_id",
    "contact_id",
    "document_id",
    "entry_id",
    "hold_id",
    "offer_id",
    "other_appointment_id",
    "recall_id",
    "series_id",
    "slot_token",
    "unavailability_id",
}
PUBLIC = {
    path.removeprefix(PACKAGE): rpc
    for path, rpc in RPCS.items()
    if path.startswith(PACKAGE) and rpc.roles != {"SERVICE"}
}
CASES = [
    (method, field)
    for method, rpc in sorted(PUBLIC.items())
    for field in id_fields(rpc.request)
    if field.rpartition(".")[2] in OF_A_CAMPAIGN and not field.startswith("contacts.")
]

OF_THE_TENANT: dict[str, Callable[[Party], Message]] = {
    "BookingService/CreateCampaign": lambda party: booking.CreateCampaignRequest(
        display_name="Another",
        purchased=1,
        agent_ids=party.world.agents,
        time_zone="Europe/Rome",
        request_id=request_id(),
    ),
    "BookingService/VerifyOwnership": lambda _: booking.VerifyOwnershipRequest(),
    "BookingService/SetParameter": lambda _: booking.SetParameterRequest(name="lead_time", value="129600s"),
    "RefixService/ImportParameters": lambda _: refix.ImportParametersRequest(
        parameters=[refix.NamedValue(name="lead_time", value="129600s")]
    ),
    "OutcomesService/UpsertCharacteristic": lambda _: outcomes.UpsertCharacteristicRequest(
        characteristic_id="why", display_name="Why", kind=1
    ),
    "OutcomesService/UpsertListState": lambda _: outcomes.UpsertListStateRequest(code="X", display_name="X"),
    "OutcomesService/UpsertOutcomeState": lambda _: outcomes.UpsertOutcomeStateRequest(
        state_id="seen", display_name="Seen", result=1
    ),
    "PortalService/SetSupportContact": lambda _: portal.SetSupportContactRequest(
        contact=portal.SupportContact(phone="+390111234567")
    ),
    "RefixService/UpsertProcedure": lambda _: refix.UpsertProcedureRequest(
        procedure_id="nightly", kind=1, display_name="Nightly", interval={"seconds": 300}
    ),
    "RefixService/UpsertRefixMode": lambda _: refix.UpsertRefixModeRequest(
        mode_id="sixth", display_name="Sixth", procedure=1, card=1
    ),
    "CalendarsService/GetAgentCalendar": lambda party: calendars.GetAgentCalendarRequest(
        agent_id=party.world.agents[0]
    ),
    "CalendarsService/RotateCalendarFeed": lambda party: calendars.RotateCalendarFeedRequest(
        agent_id=party.world.agents[0], request_id=request_id()
    ),
    "CalendarsService/RevokeCalendarFeed": lambda party: calendars.RevokeCalendarFeedRequest(
        agent_id=party.world.agents[0]
    ),
    "UnavailabilityService/SetUnavailability": lambda party: unavailability.SetUnavailabilityRequest(
        agent_id=party.world.agents[0], first_day="2031-02-27", request_id=request_id()
    ),
    "UnavailabilityService/ListUnavailabilities": lambda party: unavailability.ListUnavailabilitiesRequest(
        agent_id=party.world.agents[0]
    ),
}
"""What counts for all campaigns: an agent, who is shared by them, too."""

LISTS: dict[str, Message] = {
    "AnnulmentsService/ListAnnulmentClaims": annulments.ListAnnulmentClaimsRequest(),
    "BookingService/ListAppointments": booking.ListAppointmentsRequest(scope=booking.APPOINTMENT_SCOPE_ALL),
    "BookingService/ListCampaigns": booking.ListCampaignsRequest(),
    "BookingService/ListRecentChanges": booking.ListRecentChangesRequest(),
    "PortalService/ListToConfirm": portal.ListToConfirmRequest(),
    "RefixService/ListRecalls": refix.ListRecallsRequest(),
    "RefixService/ListRefixExceptions": refix.ListRefixExceptionsRequest(),
}
"""Lists over all that is within reach."""

FOR_EVERYBODY = {
    "OutcomesService/GetOutcomeState": "the tenant's words for how a visit went",
    "OutcomesService/ListCharacteristics": "as above",
    "OutcomesService/ListListStates": "as above",
    "OutcomesService/ListOutcomeStates": "as above",
    "PortalService/GetSupportContact": "stands on every page",
    "RefixService/ListProcedures": "how the tenant fixes visits again",
    "RefixService/ListRefixModes": "as above",
}
ELSEWHERE = {
    "PlansService/ProposePlan": "by what is flexible: services/booking/tests/usecases/test_plans.py",
    "RepairsService/ProposeRepair": "by what it would move: services/booking/tests/usecases/test_repair.py",
}


@dataclass
class Office:
    """A tenant with one of everything in its first campaign, and a second campaign."""

    stack: Stack
    party: Party

    @property
    def campaigns(self) -> tuple[str, str]:
        """The one that has everything, and the other one."""
        return self.party.ids["campaign_id"], self.party.ids["scope_id"]

    async def refresh(self, rpc: Rpc) -> None:
        """Of what calls use up and this RPC names, a fresh one of the first campaign."""
        names = {path.rpartition(".")[2] for path in id_fields(rpc.request)}
        if "appointment_id" in names:  # no case asks for its reminders, so that nobody waits for them
            booked = await self.party.world.book(self.party.next_start())
            self.party.ids["appointment_id"] = booked.appointment_id
        await self.party.refresh(names - {"appointment_id"})

    async def ask(self, method: str, request: Message, scope: str) -> Message | GiroError:
        """The answer to somebody whose role is limited to `scope`, with one more in the whole tenant that
        does not open this call."""
        rpc = PUBLIC[method]
        role = next(role for role in LIMITABLE if role in rpc.roles)
        idle = next((role for role in OTHERS if role not in rpc.roles), "")
        token = user_token(self.stack, self.party.world.tenant, role, scope=scope, more=idle)
        return await self._answer(rpc, request, token)

    async def _answer(self, rpc: Rpc, request: Message, token: str) -> Message | GiroError:
        channel = self.party.channels["booking"]
        make = channel.unary_stream if streams(rpc) else channel.unary_unary
        calling: Any = make(rpc.path, type(request).SerializeToString, response_class(rpc).FromString)
        asked = calling(request, metadata=(("authorization", f"Bearer {token}"),), timeout=30)
        try:
            if streams(rpc):
                return [response_class(rpc)(), *[one async for one in asked]][-1]
            answer: Message = await asked
        except grpc.aio.AioRpcError as failed:
            return refusal_of(failed)
        return answer


@pytest_asyncio.fixture(scope="module")
async def office(stack: Stack) -> AsyncIterator[Office]:
    """Made once: every case takes things of its own."""
    channels = {name: grpc.aio.insecure_channel(stack.urls.targets[name]) for name in set(SERVICES.values())}
    made = await make_party(stack, channels)
    yield Office(stack, made)
    await made.world.close()
    for channel in channels.values():
        await channel.close()


def test_every_public_rpc_of_booking_is_asked() -> None:
    asked = {method for method, _ in CASES} | OF_THE_TENANT.keys() | LISTS.keys() | FOR_EVERYBODY.keys()
    assert asked | ELSEWHERE.keys() == PUBLIC.keys()
    assert not FOR_EVERYBODY.keys() & (OF_THE_TENANT.keys() | LISTS.keys() | {method for method, _ in CASES})


def require_out_of_scope(answer: Message | GiroError) -> None:
    assert isinstance(answer, NotAllowed), answer
    assert answer.reason is Reason.OUT_OF_SCOPE


@pytest.mark.asyncio
@pytest.mark.parametrize(("method", "field"), CASES, ids=[" ".join(case) for case in CASES])
async def test_a_role_of_one_campaign_does_not_reach_another(office: Office, method: str, field: str) -> None:
    rpc, party, (own, other) = PUBLIC[method], office.party, office.campaigns
    await office.refresh(rpc)
    before = await party.world.appointments()
    value = party.ids[field.rpartition(".")[2]]
    request = Filler(party.ids, party.next_start()).request(rpc, field, value)
    require_out_of_scope(await office.ask(method, request, other))
    assert await party.world.appointments() == before
    allowed = await office.ask(method, request, own)
    assert not isinstance(allowed, NotAllowed), allowed


@pytest.mark.asyncio
@pytest.mark.parametrize("method", OF_THE_TENANT)
async def test_what_all_campaigns_share_needs_a_role_in_the_whole_tenant(office: Office, method: str) -> None:
    request = OF_THE_TENANT[method](office.party)
    for campaign in office.campaigns:
        require_out_of_scope(await office.ask(method, request, campaign))
    allowed = await office.ask(method, request, "")
    assert not isinstance(allowed, GiroError), allowed


@pytest.mark.asyncio
@pytest.mark.parametrize("method", LISTS)
async def test_lists_show_the_role_its_own_campaign_alone(office: Office, method: str) -> None:
    own, other = office.campaigns
    everything = str(await office.ask(method, LISTS[method], ""))
    limited = [str(await office.ask(method, LISTS[method], campaign)) for campaign in (own, other)]
    assert other not in limited[0]
    assert own not in limited[1]
    assert "apt_" not in limited[1]
    if own in everything:
        assert own in limited[0]


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GetAgent", "GetItinerary"])
async def test_an_agent_reads_its_own_round_alone(office: Office, method: str) -> None:
    world = office.party.world
    own, colleague = world.agents
    token = user_token(office.stack, world.tenant, "AGENT", scope=own)
    metadata = (("authorization", f"Bearer {token}"),)
    request = getattr(geo, f"{method}Request")
    assert await getattr(world.geo, method)(request(agent_id=own), metadata=metadata)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(world.geo, method)(request(agent_id=colleague), metadata=metadata)
    assert refusal_of(refused.value).reason is Reason.OUT_OF_SCOPE


@pytest.mark.asyncio
async def test_an_agent_checks_its_own_day_alone(office: Office) -> None:
    world = office.party.world
    own, colleague = world.agents
    token = user_token(office.stack, world.tenant, "AGENT", scope=own)
    metadata = (("authorization", f"Bearer {token}"),)
    check = DayServiceStub(world.channel).CheckDay
    checked = await check(days.CheckDayRequest(agent_id=own, date="2027-03-01"), metadata=metadata)
    assert checked.agent_id == own
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await check(days.CheckDayRequest(agent_id=colleague, date="2027-03-01"), metadata=metadata)
    assert refusal_of(refused.value).reason is Reason.OUT_OF_SCOPE
