"""A role limited to one campaign reaches nothing of another one of the same tenant (R-181)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message

from allinone.stack import Stack
from giro.booking.v1 import booking_pb2 as booking
from giro.geo.v1 import geo_pb2 as geo
from kit.errors import GiroError, NotAllowed, Reason
from kit.rpc.contract import Rpc
from tests.contracts.requests import RPCS, Filler, id_fields, refusal_of, response_class
from tests.contracts.tokens import user_token
from tests.world import World

SERVICE = "/giro.booking.v1.BookingService/"
LIMITABLE = ("PROJECT_MANAGER", "OPERATOR", "CUSTOMER")
"""Roles that are given for one campaign; the first that an RPC takes asks it."""
OTHERS = ("CUSTOMER", "OPERATOR", "AGENT", "PARTNER")
"""The first of these that an RPC does not take brings nothing there, whatever it is given for."""

OF_A_CAMPAIGN = {"campaign_id", "appointment_id", "contact_id", "hold_id", "slot_token"}
CASES = [
    (path.removeprefix(SERVICE), field)
    for path, rpc in sorted(RPCS.items())
    if path.startswith(SERVICE) and rpc.roles & set(LIMITABLE)
    for field in id_fields(rpc.request)
    if field.rpartition(".")[2] in OF_A_CAMPAIGN and not field.startswith("contacts.")
]


@dataclass
class Office:
    """One tenant with two campaigns, one of each thing in the first, and a channel to booking."""

    stack: Stack
    world: World
    other_campaign: str
    channel: grpc.aio.Channel
    day: int = 5

    async def fresh_ids(self) -> dict[str, str]:
        """An appointment, a hold and the rest of the first campaign."""
        self.day += 1
        booked = await self.world.book(self.world.day(self.day))
        suggested = await self.world.suggest(1)
        held = await self.world.hold(suggested.slots[0].slot_token)
        return {
            "campaign_id": self.world.campaign,
            "contact_id": self.world.contacts[2],
            "agent_id": self.world.agents[1],
            "agent_ids": self.world.agents[1],
            "appointment_id": booked.appointment_id,
            "hold_id": held.hold_id,
            "slot_token": suggested.slots[1].slot_token,
        }

    async def ask(self, rpc: Rpc, request: Message, campaign: str) -> Message | GiroError:
        """The answer to somebody whose role is limited to `campaign`, with one more in the whole tenant that
        does not open this call."""
        role = next(role for role in LIMITABLE if role in rpc.roles)
        idle = next((role for role in OTHERS if role not in rpc.roles), "")
        token = user_token(self.stack, self.world.tenant, role, scope=campaign, more=idle)
        serialize = type(request).SerializeToString
        method: Any = self.channel.unary_unary(rpc.path, serialize, response_class(rpc).FromString)
        try:
            answer: Message = await method(
                request, metadata=(("authorization", f"Bearer {token}"),), timeout=60
            )
        except grpc.aio.AioRpcError as failed:
            return refusal_of(failed)
        return answer


@pytest_asyncio.fixture(scope="module")
async def office(stack: Stack) -> AsyncIterator[Office]:
    """Made once: every case takes things of its own."""
    world = await World.make(stack)
    async with grpc.aio.insecure_channel(stack.urls.targets["booking"]) as channel:
        yield Office(stack, world, await world.make_campaign(10), channel)
    await world.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(("method", "field"), CASES)
async def test_a_role_of_one_campaign_does_not_reach_another(office: Office, method: str, field: str) -> None:
    rpc, ids = RPCS[SERVICE + method], await office.fresh_ids()
    before = await office.world.appointments()
    filler = Filler(ids, office.world.day(office.day, 14))
    request = filler.request(rpc, field, ids[field.rpartition(".")[2]])
    refused = await office.ask(rpc, request, office.other_campaign)
    assert isinstance(refused, NotAllowed), refused
    assert refused.reason is Reason.OUT_OF_SCOPE
    assert await office.world.appointments() == before
    allowed = await office.ask(rpc, request, office.world.campaign)
    assert not isinstance(allowed, NotAllowed), allowed


@pytest.mark.asyncio
async def test_lists_show_the_role_its_own_campaign_alone(office: Office) -> None:
    await office.fresh_ids()
    listed: Any = await office.ask(
        RPCS[SERVICE + "ListCampaigns"], booking.ListCampaignsRequest(), office.other_campaign
    )
    assert [campaign.campaign_id for campaign in listed.campaigns] == [office.other_campaign]
    everything = booking.ListAppointmentsRequest(scope=booking.APPOINTMENT_SCOPE_ALL)
    rpc = RPCS[SERVICE + "ListAppointments"]
    nothing: Any = await office.ask(rpc, everything, office.other_campaign)
    assert not nothing.appointments
    own: Any = await office.ask(rpc, everything, office.world.campaign)
    assert own.appointments
    changes: Any = await office.ask(
        RPCS[SERVICE + "ListRecentChanges"], booking.ListRecentChangesRequest(), office.other_campaign
    )
    assert not changes.changes


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GetAgent", "GetItinerary"])
async def test_an_agent_reads_its_own_round_alone(office: Office, method: str) -> None:
    own, colleague = office.world.agents
    token = user_token(office.stack, office.world.tenant, "AGENT", scope=own)
    metadata = (("authorization", f"Bearer {token}"),)
    request = getattr(geo, f"{method}Request")
    assert await getattr(office.world.geo, method)(request(agent_id=own), metadata=metadata)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(office.world.geo, method)(request(agent_id=colleague), metadata=metadata)
    assert refusal_of(refused.value).reason is Reason.OUT_OF_SCOPE
