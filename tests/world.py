"""A small tenant on a running stack, and short words for what people do in it.

Everything goes through the gateway with generated clients, as a partner's program would. Tokens are
signed with the stack's own key, so that a test can be anybody.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from joserfc import jwt
from joserfc.jwk import OKPKey

from allinone.stack import Stack
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import portal_pb2 as portal
from giro.booking.v1.booking_pb2_grpc import BookingServiceStub
from giro.booking.v1.plans_pb2_grpc import PlansServiceStub
from giro.booking.v1.portal_pb2_grpc import PortalServiceStub
from giro.booking.v1.repairs_pb2_grpc import RepairsServiceStub
from giro.booking.v1.waitlist_pb2_grpc import WaitlistServiceStub
from giro.common.v1 import travel_pb2 as travel
from giro.geo.v1 import geo_pb2 as geo
from giro.geo.v1.geo_pb2 import Shift, Weekday
from giro.geo.v1.geo_pb2_grpc import GeoServiceStub
from giro.identity.v1 import identity_pb2 as identity
from giro.identity.v1.identity_pb2_grpc import IdentityServiceStub
from giro.reminders.v1.reminders_pb2_grpc import RemindersServiceStub
from kit.rpc.tokens import TOKEN_ALG
from kit.values.ids import new_id
from tests.eventually import eventually

Answer = TypeVar("Answer", bound=Message)

TURIN = (45.0703, 7.6869)
WEEKDAYS = tuple(Weekday.values())[1:]


class Refusal(Exception):
    """A call was refused: its gRPC code's name, the reason, the metadata and the fields at fault."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code().name
        self.reason, self.metadata, self.fields = _details(error)
        super().__init__(f"{self.code} {self.reason} {error.details()}")


def _details(error: grpc.aio.AioRpcError) -> tuple[str, dict[str, str], list[str]]:
    status = rpc_status.from_call(error)
    reason, metadata, fields = "", {}, []
    for detail in status.details if status else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            fields = [violation.field for violation in bad.field_violations]
    return reason, metadata, fields


def stamp(moment: datetime) -> Timestamp:
    """The instant as a message."""
    return Timestamp(seconds=int(moment.timestamp()))


def request_id() -> str:
    """A fresh idempotency key."""
    return uuid.uuid4().hex


@cache
def key_in(file: Path) -> OKPKey:
    """The key that a stack's tokens are signed with."""
    return OKPKey.import_key(json.loads(file.read_text()))


@dataclass
class World:
    """One tenant: agents who work around the clock near Turin, one campaign, some people to visit."""

    channel: grpc.aio.Channel
    signing_key: Path
    tenant: str = ""
    agents: list[str] = field(default_factory=list)
    campaign: str = ""
    contacts: list[str] = field(default_factory=list)
    points: list[travel.Point] = field(default_factory=list)
    midnight: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    )
    """When the day began on which it was made: days count from there, also in a test that sees a midnight."""
    patience: float = 0.0
    """Seconds for which a call that was answered UNAVAILABLE is repeated, as a caller would."""

    @classmethod
    async def make(
        cls, stack: Stack, *, agents: int = 2, purchased: int = 10_000, contacts: int = 12
    ) -> "World":
        """A fresh tenant on the stack."""
        channel = grpc.aio.insecure_channel(stack.urls.gateway.removeprefix("http://"))
        world = cls(channel, stack.urls.signing_key_file, patience=15)  # a service may just have come back
        await world._make_tenant()
        for number in range(agents):
            world.agents.append(await world.make_agent(f"Agent {number}"))
        await world._make_campaign(purchased, contacts)
        world.patience = 0
        return world

    async def close(self) -> None:
        """Closes the channel."""
        await self.channel.close()

    # --- being somebody -------------------------------------------------------------------------------

    def token(self, role: str = "ADMINISTRATOR", scope: str = "", tenant: str | None = None) -> str:
        """A token of this tenant with one role."""
        key = key_in(self.signing_key)
        now = int(time.time())
        claims = {
            "iss": "giro-identity",
            "aud": "giro",
            "sub": new_id("usr"),
            "tid": tenant or self.tenant,
            "grants": [[role, _scope_kind(scope), scope]],
            "iat": now,
            "exp": now + 900,
            "jti": new_id("tok"),
        }
        return jwt.encode({"alg": TOKEN_ALG, "kid": key.kid}, claims, key, algorithms=[TOKEN_ALG])

    async def call(
        self,
        method: Callable[..., Awaitable[Answer]],
        request: Message,
        *,
        role: str = "ADMINISTRATOR",
        timeout: float = 30,
    ) -> Answer:
        """One call; a refusal is raised as `Refusal`. UNAVAILABLE is asked again while patience lasts."""
        metadata = (("authorization", f"Bearer {self.token(role)}"),)
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return await method(request, metadata=metadata, timeout=timeout)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise Refusal(error) from None
            await asyncio.sleep(0.2)

    @property
    def identity(self) -> Any:
        """The identity service."""
        return IdentityServiceStub(self.channel)

    @property
    def booking(self) -> Any:
        """The booking service."""
        return BookingServiceStub(self.channel)

    @property
    def repairs(self) -> Any:
        """booking's repairs of days."""
        return RepairsServiceStub(self.channel)

    @property
    def plans(self) -> Any:
        """booking's plans of days."""
        return PlansServiceStub(self.channel)

    @property
    def waitlist(self) -> Any:
        """booking's waiting list."""
        return WaitlistServiceStub(self.channel)

    @property
    def geo(self) -> Any:
        """The geo service."""
        return GeoServiceStub(self.channel)

    @property
    def reminders(self) -> Any:
        """The reminders service."""
        return RemindersServiceStub(self.channel)

    # --- making the tenant ----------------------------------------------------------------------------

    async def _make_tenant(self) -> None:
        self.tenant = new_id("ten")  # the platform's own, for the one call that makes the real one
        mail = f"admin-{uuid.uuid4().hex}@example.com"
        administrator = identity.CreateUserRequest(
            email=mail, password="correct horse battery", display_name="Administrator"
        )
        request = identity.CreateTenantRequest(
            display_name="Test", time_zone="Europe/Rome", administrator=administrator, request_id=request_id()
        )
        made = await self.call(self.identity.CreateTenant, request, role="PLATFORM")
        self.tenant = made.tenant_id

    async def make_agent(
        self,
        name: str,
        *,
        base: tuple[float, float] | None = None,
        shifts: Sequence[Shift] = (),
        zone: str = "UTC",
    ) -> str:
        """An agent, working around the clock unless shifts are given; gives the id."""
        around = [Shift(weekday=day, start="00:00", end="24:00") for day in WEEKDAYS]
        calendar = geo.Calendar(time_zone=zone, shifts=list(shifts) or around)
        if base is not None:
            for shift in calendar.shifts:
                shift.start_base.CopyFrom(travel.Point(latitude=base[0], longitude=base[1]))
                shift.end_base.CopyFrom(travel.Point(latitude=base[0], longitude=base[1]))
        request = geo.CreateAgentRequest(display_name=name, calendar=calendar, request_id=request_id())
        made = await self.call(self.geo.CreateAgent, request)
        return str(made.agent_id)

    async def _make_campaign(self, purchased: int, contacts: int) -> None:
        self.campaign = await self.make_campaign(purchased)
        self.points = [
            travel.Point(latitude=TURIN[0] + (number % 4) * 0.01, longitude=TURIN[1] + (number // 4) * 0.01)
            for number in range(contacts)
        ]
        people = [
            booking.Contact(display_name=f"Person {n}", point=point) for n, point in enumerate(self.points)
        ]
        request = booking.ImportContactsRequest(
            campaign_id=self.campaign, contacts=people, request_id=request_id()
        )
        self.contacts = list((await self.call(self.booking.ImportContacts, request)).contact_ids)

    async def make_campaign(self, purchased: int) -> str:
        """A campaign of all the agents; gives the id."""
        request = booking.CreateCampaignRequest(
            display_name="Campaign",
            purchased=purchased,
            agent_ids=self.agents,
            time_zone="Europe/Rome",
            request_id=request_id(),
        )
        return str((await self.call(self.booking.CreateCampaign, request)).campaign_id)

    # --- the operator's words -------------------------------------------------------------------------

    def day(self, days: int, hour: int = 9, minute: int = 0) -> datetime:
        """A whole hour some days ahead, UTC; four days ahead is safely past the lead time."""
        return self.midnight + timedelta(days=days, hours=hour, minutes=minute)

    async def suggest(self, contact: int = 0, *, minutes: int = 30, **more: Any) -> Any:
        """Suggested slots for a contact; days ahead of the lead time unless told otherwise."""
        if not more.keys() & {"first_day", "windows"}:
            more["first_day"] = self.day(3).date().isoformat()  # at the lead time slots expire soon
        request = booking.SuggestSlotsRequest(
            campaign_id=self.campaign,
            contact_id=self.contacts[contact],
            duration=Duration(seconds=minutes * 60),
            **more,
        )
        return await self.call(self.booking.SuggestSlots, request)

    async def hold(self, token: str, *, seconds: int = 300, key: str | None = None) -> Any:
        """Keeps a suggested slot."""
        request = booking.HoldSlotRequest(
            slot_token=token, ttl=Duration(seconds=seconds), request_id=key or request_id()
        )
        return await self.call(self.booking.HoldSlot, request)

    async def book(
        self,
        start: datetime,
        *,
        agent: int = 0,
        contact: int = 0,
        minutes: int = 30,
        key: str | None = None,
        promise: Any = 0,
    ) -> Any:
        """Books a chosen time."""
        chosen = booking.ChosenTime(
            campaign_id=self.campaign,
            agent_id=self.agents[agent],
            start=stamp(start),
            duration=Duration(seconds=minutes * 60),
        )
        request = booking.BookAppointmentRequest(
            time=chosen,
            contact_id=self.contacts[contact],
            request_id=key or request_id(),
            promise=promise,
        )
        return await self.call(self.booking.BookAppointment, request)

    async def book_with(self, *, contact: int = 0, key: str | None = None, **slot: Any) -> Any:
        """Books with `hold_id=` or `slot_token=`."""
        request = booking.BookAppointmentRequest(
            contact_id=self.contacts[contact], request_id=key or request_id(), **slot
        )
        return await self.call(self.booking.BookAppointment, request)

    async def postpone(
        self, appointment: str, start: datetime, *, version: int = 0, key: str | None = None
    ) -> Any:
        """Moves an appointment to a later start."""
        request = booking.PostponeAppointmentRequest(
            appointment_id=appointment, start=stamp(start), version=version, request_id=key or request_id()
        )
        return await self.call(self.booking.PostponeAppointment, request)

    async def reassign(
        self, appointment: str, agent: int, *, version: int = 0, key: str | None = None
    ) -> Any:
        """Gives an appointment to another agent."""
        request = booking.ReassignAppointmentRequest(
            appointment_id=appointment,
            agent_id=self.agents[agent],
            version=version,
            request_id=key or request_id(),
        )
        return await self.call(self.booking.ReassignAppointment, request)

    async def cancel(self, appointment: str, *, version: int = 0) -> Any:
        """Cancels an appointment."""
        request = booking.CancelAppointmentRequest(appointment_id=appointment, version=version)
        return await self.call(self.booking.CancelAppointment, request)

    async def confirm(self, appointment: str, *, version: int = 0) -> Any:
        """Confirms an appointment."""
        request = booking.ConfirmAppointmentRequest(appointment_id=appointment, version=version)
        return await self.call(self.booking.ConfirmAppointment, request)

    async def get(self, appointment: str) -> Any:
        """One appointment."""
        return await self.call(
            self.booking.GetAppointment, booking.GetAppointmentRequest(appointment_id=appointment)
        )

    async def appointments(self) -> list[Any]:
        """Every appointment of the tenant."""
        found, page = [], ""
        while True:
            request = booking.ListAppointmentsRequest(
                scope=booking.APPOINTMENT_SCOPE_ALL, page_size=200, page_token=page
            )
            answer = await self.call(self.booking.ListAppointments, request)
            found += list(answer.appointments)
            page = answer.next_page_token
            if not page:
                return found

    async def changes(self) -> list[Any]:
        """The recent changes, newest first."""
        found, page = [], ""
        while True:
            request = booking.ListRecentChangesRequest(page_size=200, page_token=page)
            answer = await self.call(self.booking.ListRecentChanges, request)
            found += list(answer.changes)
            page = answer.next_page_token
            if not page:
                return found

    async def violations(self) -> list[Any]:
        """What the check of the guarantee finds."""
        answer = await self.call(self.geo.VerifyInvariants, geo.VerifyInvariantsRequest())
        return list(answer.violations)

    async def ownership(self) -> tuple[list[str], list[str]]:
        """Appointments without a stop, stops without an appointment; once what is given up by an event, which
        is listed until then, has been given up. AssertionError where that does not happen."""
        found = await eventually(self._ownership, lambda answer: not answer.stops_without_appointment)
        return list(found.appointments_without_stop), list(found.stops_without_appointment)

    async def _ownership(self) -> Any:
        return await self.call(self.booking.VerifyOwnership, booking.VerifyOwnershipRequest())

    async def differing(self) -> list[str]:
        """The counters of the campaign that are not what a recount gives."""
        request = portal.VerifyCountersRequest(campaign_id=self.campaign)
        return list((await self.call(PortalServiceStub(self.channel).VerifyCounters, request)).differing)

    async def advance(self, by: timedelta) -> None:
        """Moves the tenant's test clock."""
        request = identity.AdvanceTestClockRequest(
            by=Duration(seconds=int(by.total_seconds())), request_id=request_id()
        )
        await self.call(self.identity.AdvanceTestClock, request)


def _scope_kind(scope: str) -> str:
    return {"": "tenant", "cmp": "campaign", "brn": "branch"}[scope.partition("_")[0]]
