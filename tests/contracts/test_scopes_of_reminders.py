"""A role limited to one campaign reaches no reminder of another one, nor what is the tenant's (R-181)."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from allinone.stack import Stack
from giro.reminders.v1 import reminders_pb2 as pb
from kit.errors import GiroError, NotAllowed, Reason
from tests.contracts.requests import RPCS, refusal_of, response_class
from tests.contracts.tokens import user_token
from tests.eventually import eventually
from tests.world import Refusal, World, request_id

SERVICE = "/giro.reminders.v1.RemindersService/"
LIMITABLE = ("PROJECT_MANAGER", "OPERATOR", "CUSTOMER")

Ids = Mapping[str, str]

OF_A_CAMPAIGN: Mapping[str, Callable[[Ids], Message]] = {
    "ListReminders": lambda ids: pb.ListRemindersRequest(appointment_id=ids["appointment"]),
    "SetReminders": lambda ids: pb.SetRemindersRequest(
        appointment_id=ids["appointment"], offsets=[Duration(seconds=7200)]
    ),
    "ExplainCall": lambda ids: pb.ExplainCallRequest(reminder_id=ids["reminder"]),
    "SetReminderParameter": lambda ids: pb.SetReminderParameterRequest(
        name="called_as", value="Sole Mio", campaign_id=ids["campaign"]
    ),
    "GetReminderParameter": lambda ids: pb.GetReminderParameterRequest(
        name="called_as", campaign_id=ids["campaign"]
    ),
}
OF_THE_TENANT: Mapping[str, Callable[[Ids], Message]] = {
    "SetReminderParameter": lambda _: pb.SetReminderParameterRequest(name="called_as", value="Sole Mio"),
    "ReportReminders": lambda _: pb.ReportRemindersRequest(first_day="2027-01-01", last_day="2027-01-02"),
    "AddCallerNumber": lambda _: pb.AddCallerNumberRequest(phone="+37167000001", request_id=request_id()),
    "SendNumberCode": lambda ids: pb.SendNumberCodeRequest(number_id=ids["number"]),
    "VerifyCallerNumber": lambda ids: pb.VerifyCallerNumberRequest(number_id=ids["number"], code="000000"),
    "ActivateCallerNumber": lambda ids: pb.ActivateCallerNumberRequest(number_id=ids["number"]),
    "SetOptOut": lambda _: pb.SetOptOutRequest(phone="+37120000001", opted_out=True),
    "ListOptOuts": lambda _: pb.ListOptOutsRequest(),
    "RevokeOptOut": lambda _: pb.RevokeOptOutRequest(opt_out_id="opt_1"),
}
FOR_EVERYBODY = {"ListCallerNumbers"}
"""What contacts see is no secret of a campaign."""


@dataclass
class Office:
    """One tenant with two campaigns; an appointment of the first, with a reminder."""

    stack: Stack
    world: World
    other_campaign: str
    channel: grpc.aio.Channel
    ids: Ids

    async def ask(self, method: str, request: Message, campaign: str) -> Message | GiroError:
        """The answer to somebody whose role is limited to `campaign`."""
        rpc = RPCS[SERVICE + method]
        role = next(role for role in LIMITABLE if role in rpc.roles)
        token = user_token(self.stack, self.world.tenant, role, scope=campaign)
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

    async def all_there_is(self) -> list[Message]:
        """What a refused call must leave as it was."""
        service, appointment = self.world.reminders, self.ids["appointment"]
        return [
            await self.world.call(service.ListReminders, pb.ListRemindersRequest(appointment_id=appointment)),
            await self.world.call(service.ListCallerNumbers, pb.ListCallerNumbersRequest()),
            await self.world.call(service.ListOptOuts, pb.ListOptOutsRequest()),
            await self.world.call(
                service.GetReminderParameter, pb.GetReminderParameterRequest(name="called_as")
            ),
        ]


@pytest_asyncio.fixture(scope="module")
async def office(stack: Stack) -> AsyncIterator[Office]:
    """Made once."""
    world = await World.make(stack)
    offsets = pb.SetReminderParameterRequest(name="reminder_offsets", value="86400s")
    await world.call(world.reminders.SetReminderParameter, offsets)
    appointment = (await world.book(world.day(6))).appointment_id
    number = pb.AddCallerNumberRequest(phone="+37167000009", request_id=request_id())
    ids = {
        "campaign": world.campaign,
        "appointment": appointment,
        "reminder": await _reminder(world, appointment),
        "number": (await world.call(world.reminders.AddCallerNumber, number)).number_id,
    }
    async with grpc.aio.insecure_channel(stack.urls.targets["reminders"]) as channel:
        yield Office(stack, world, await world.make_campaign(10), channel, ids)
    await world.close()


async def _reminder(world: World, appointment: str) -> str:
    """The id of an appointment's reminder, once its event has come through."""

    async def planned() -> list[str]:
        try:
            request = pb.ListRemindersRequest(appointment_id=appointment)
            listed = await world.call(world.reminders.ListReminders, request)
        except Refusal:
            return []
        return [each.reminder_id for each in listed.reminders]

    return (await eventually(planned, bool))[0]


def test_every_rpc_that_such_a_role_may_call_is_looked_at() -> None:
    callable_by_them = {
        path.removeprefix(SERVICE)
        for path, rpc in RPCS.items()
        if path.startswith(SERVICE) and rpc.roles & set(LIMITABLE)
    }
    assert callable_by_them == {*OF_A_CAMPAIGN, *OF_THE_TENANT, *FOR_EVERYBODY}


@pytest.mark.asyncio
@pytest.mark.parametrize("method", OF_A_CAMPAIGN)
async def test_a_role_of_one_campaign_does_not_reach_another(office: Office, method: str) -> None:
    before, request = await office.all_there_is(), OF_A_CAMPAIGN[method](office.ids)
    refused = await office.ask(method, request, office.other_campaign)
    assert isinstance(refused, NotAllowed), refused
    assert refused.reason is Reason.OUT_OF_SCOPE
    assert await office.all_there_is() == before
    allowed = await office.ask(method, request, office.world.campaign)
    assert not isinstance(allowed, GiroError), allowed


@pytest.mark.asyncio
@pytest.mark.parametrize("method", OF_THE_TENANT)
async def test_a_role_of_one_campaign_does_not_reach_what_is_the_tenants(office: Office, method: str) -> None:
    before, request = await office.all_there_is(), OF_THE_TENANT[method](office.ids)
    refused = await office.ask(method, request, office.world.campaign)
    assert isinstance(refused, NotAllowed), refused
    assert refused.reason is Reason.OUT_OF_SCOPE
    assert await office.all_there_is() == before
