"""Giro's own calls on the demo data: suggestions three ways, bookings two ways."""

import itertools
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import grpc
import httpx2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from allinone import demo
from allinone.stack import Stack
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1.booking_pb2_grpc import BookingServiceStub
from giro.common.v1 import travel_pb2 as travel
from giro.geo.v1 import ledger_pb2 as ledger
from giro.geo.v1.ledger_pb2_grpc import LedgerServiceStub
from giro.identity.v1 import identity_pb2 as identity
from giro.identity.v1.identity_pb2_grpc import IdentityServiceStub
from kit.rpc.context import Caller
from kit.rpc.tokens import ServiceTokens
from loadtests.bench.loop import Call, Refused

DAYS = 14
FIRST_FREE_DAY = 20
"""Days from now on which the demo has booked nothing: bookings are measured there."""
HOUR = 3600


class Bench:
    """The demo's first tenant, its operator, and the calls to measure."""

    def __init__(self, stack: Stack, ids: demo.DemoIds, token: str) -> None:
        self._tenant = ids.tenants["voce"]
        self._token = token
        self._contacts = self._tenant.free_contacts
        self._agents = list(self._tenant.agents.values())
        self._gateway = grpc.aio.insecure_channel(ids.grpc_target)
        self._direct = grpc.aio.insecure_channel(stack.urls.targets["booking"])
        self._geo = grpc.aio.insecure_channel(stack.urls.targets["geo"])
        self._http = httpx2.AsyncClient(base_url=ids.gateway_url, limits=httpx2.Limits(max_connections=64))
        self._service = ServiceTokens("booking", stack.urls.service_key)
        self._times = self._free_times()
        self.campaign = ""

    async def close(self) -> None:
        """Closes all channels."""
        await self._http.aclose()
        for channel in (self._gateway, self._direct, self._geo):
            await channel.close()

    async def make_campaign(self) -> None:
        """A campaign that never runs full, with people of its own at the demo's places."""
        stub: Any = BookingServiceStub(self._direct)
        made = await stub.CreateCampaign(
            booking.CreateCampaignRequest(
                display_name="Bench",
                purchased=1_000_000,
                agent_ids=self._agents,
                time_zone=self._tenant.time_zone,
                request_id=uuid.uuid4().hex,
            ),
            metadata=self._metadata,
        )
        self.campaign = made.campaign_id
        people = [
            booking.Contact(
                display_name=contact.name,
                point=travel.Point(latitude=contact.latitude, longitude=contact.longitude),
            )
            for contact in self._contacts
        ]
        taken = await stub.ImportContacts(
            booking.ImportContactsRequest(
                campaign_id=self.campaign, contacts=people, request_id=uuid.uuid4().hex
            ),
            metadata=self._metadata,
        )
        self._people = list(taken.contact_ids)

    # --- what is measured -----------------------------------------------------------------------------

    def suggestions(self) -> Iterator[tuple[str, Call]]:
        """Suggestions over all agents and two weeks, nearest to the search first."""
        yield f"geo SearchSlots over gRPC, {len(self._agents)} agents x {DAYS} days", self._search
        yield "booking SuggestSlots over gRPC", self._suggest(self._direct)
        yield "SuggestSlots through the gateway, gRPC", self._suggest(self._gateway)
        yield "SuggestSlots through the gateway, JSON", self._suggest_json

    def bookings(self) -> Iterator[tuple[str, Call, int]]:
        """Bookings of free times, each on a day of its own of some agent."""
        yield "booking BookAppointment over gRPC", self._book(self._direct), 800
        yield "BookAppointment through the gateway, gRPC", self._book(self._gateway), 800

    # --- calls ----------------------------------------------------------------------------------------

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._token}"),)

    async def _search(self, number: int) -> object:
        now = datetime.now(UTC).replace(microsecond=0)
        place = self._contacts[number % len(self._contacts)]
        request = ledger.SearchSlotsRequest(
            point=travel.Point(latitude=place.latitude, longitude=place.longitude),
            duration=Duration(seconds=45 * 60),
            windows=[travel.TimeWindow(start=_stamp(now), end=_stamp(now + timedelta(days=DAYS)))],
            as_of=_stamp(now),
            agent_ids=self._agents,
            limit=10,
            granularity=Duration(seconds=300),
        )
        token = self._service.mint(self._tenant.tenant_id, cast(Caller, None))
        method: Callable[..., Awaitable[Any]] = LedgerServiceStub(self._geo).SearchSlots
        return await _answered(method(request, metadata=(("authorization", f"Bearer {token}"),), timeout=10))

    def _suggest(self, channel: grpc.aio.Channel) -> Call:
        method: Callable[..., Awaitable[Any]] = BookingServiceStub(channel).SuggestSlots

        async def call(number: int) -> object:
            request = booking.SuggestSlotsRequest(
                campaign_id=self.campaign,
                contact_id=self._people[number % len(self._people)],
                duration=Duration(seconds=45 * 60),
            )
            return await _answered(method(request, metadata=self._metadata, timeout=10))

        return call

    async def _suggest_json(self, number: int) -> object:
        answer = await self._http.post(
            f"/v1/campaigns/{self.campaign}/slots:suggest",
            json={"contactId": self._people[number % len(self._people)], "duration": "2700s"},
            headers={"authorization": f"Bearer {self._token}"},
        )
        if answer.status_code != 200:
            raise Refused(answer.text)
        return answer.json()

    def _book(self, channel: grpc.aio.Channel) -> Call:
        method: Callable[..., Awaitable[Any]] = BookingServiceStub(channel).BookAppointment

        async def call(number: int) -> object:
            agent, start = next(self._times)
            time = booking.ChosenTime(
                campaign_id=self.campaign,
                agent_id=agent,
                start=_stamp(start),
                duration=Duration(seconds=30 * 60),
            )
            request = booking.BookAppointmentRequest(
                time=time, contact_id=self._people[number % len(self._people)], request_id=uuid.uuid4().hex
            )
            return await _answered(method(request, metadata=self._metadata, timeout=10))

        return call

    def _free_times(self) -> Iterator[tuple[str, datetime]]:
        """One time on each agent's day, weekdays from three weeks ahead on, inside every shift."""
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for ahead in itertools.count(FIRST_FREE_DAY):
            day = midnight + timedelta(days=ahead)
            if day.weekday() < 5:
                for agent in self._agents:
                    yield agent, day + timedelta(seconds=10 * HOUR)


async def _answered(call: Awaitable[Any]) -> Any:
    """The answer; a refusal with its reason counts as refused, anything else ends the run."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(cast(Any, error))
        info = error_details_pb2.ErrorInfo()
        for detail in status.details if status else ():
            if detail.Unpack(info):
                raise Refused(info.reason) from None
        raise


def _stamp(moment: datetime) -> Timestamp:
    return Timestamp(seconds=int(moment.timestamp()))


async def prepare(stack: Stack) -> Bench:
    """Loads the demo, signs the administrator in, makes the campaign to measure in."""
    platform = demo.platform_user()
    await stack.make_platform_user(platform.email, platform.password)
    ids = await demo.load(stack, file=Path(stack.options.state) / demo.FILE_NAME)
    user = ids.users["administrator"]
    async with grpc.aio.insecure_channel(stack.urls.targets["identity"]) as channel:
        stub: Any = IdentityServiceStub(channel)
        session = await stub.CreateSession(
            identity.CreateSessionRequest(email=user.email, password=user.password)
        )
    bench = Bench(stack, ids, session.access_token)
    await bench.make_campaign()
    return bench
