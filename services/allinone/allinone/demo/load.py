"""Loads the demo through the public RPCs, each step repeatable: a load that was cut off goes on where it was.

Booked days begin today, so the campaigns have no lead time while they are loaded; it is put back after.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from allinone.demo import messages
from allinone.demo.calls import Refused, Services, User, failed
from allinone.demo.ids import FreeContact, TenantIds
from allinone.demo.model import DemoCampaign, DemoTenant, DemoVisit
from giro.booking.v1 import booking_pb2
from giro.identity.v1 import identity_pb2
from giro.reminders.v1 import reminders_pb2

AT_ONCE = 16
IMPORT_SIZE = 1_000
FREE_CONTACTS = 40
LEAD_TIME = "lead_time"

Say = Callable[[str], None]


@dataclass(slots=True)
class Loaded:
    """A tenant that is in: ids by demo key, and what became of its visits."""

    tenant_id: str
    agents: dict[str, str]
    campaigns: dict[str, str]
    contacts: dict[str, str]
    appointments: dict[str, str] = field(default_factory=dict)
    """Ids by the key of who is visited."""
    booked: int = 0
    refused: Counter[str] = field(default_factory=Counter)


async def load_tenant(
    services: Services, platform: User, seed: int, tenant: DemoTenant
) -> tuple[Loaded, User]:
    """The tenant with users, agents, campaigns and people, no visits; and its administrator, signed in."""
    made = await platform.call(services.identity.CreateTenant, messages.tenant(seed, tenant))
    administrator = await services.sign_in(tenant.users[0].email, tenant.users[0].password)
    agents = await _agents(administrator, seed, tenant)
    campaigns = await _campaigns(administrator, seed, tenant, agents)
    if tenant.reminders:
        await _remind(administrator, tenant)
    loaded = Loaded(made.tenant_id, agents, campaigns, {})
    await asyncio.gather(
        _users(administrator, seed, tenant, loaded),
        *(_contacts(administrator, seed, campaign, loaded) for campaign in tenant.campaigns),
    )
    return loaded, administrator


async def load_visits(user: User, seed: int, visits: Sequence[DemoVisit], loaded: Loaded, say: Say) -> None:
    """Books visits, agents side by side."""
    booking = _Booking(user, seed, loaded, len(visits), say)
    async with _without_lead_time(user, loaded.campaigns.values()):
        rounds = [list(round_) for _, round_ in groupby(visits, key=lambda visit: visit.agent)]
        await asyncio.gather(*(booking.book_all(round_) for round_ in rounds))


def ids_of(tenant: DemoTenant, loaded: Loaded, visits: Sequence[DemoVisit]) -> TenantIds:
    """What scripts get to know of a tenant."""
    visited = {visit.contact.key for visit in visits}
    free = [
        FreeContact(
            loaded.contacts[contact.key],
            loaded.campaigns[campaign.key],
            contact.name,
            contact.address,
            contact.point.lat,
            contact.point.lng,
        )
        for campaign in tenant.campaigns
        for contact in [each for each in campaign.contacts if each.key not in visited][:FREE_CONTACTS]
    ]
    names = {agent.key: agent.name for agent in tenant.agents}
    return TenantIds(
        loaded.tenant_id, tenant.name, tenant.time_zone, loaded.campaigns, loaded.agents, names, tuple(free)
    )


class _Booking:
    """Books visits, at most 16 calls at once, and counts."""

    def __init__(self, user: User, seed: int, loaded: Loaded, total: int, say: Say) -> None:
        self._user, self._seed, self._loaded = user, seed, loaded
        self._total, self._say = total, say
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def book_all(self, visits: Sequence[DemoVisit]) -> None:
        for visit in visits:
            async with self._turn:
                await self._book(visit)

    async def _book(self, visit: DemoVisit) -> None:
        request = messages.visit(
            self._seed,
            visit,
            self._loaded.campaigns[visit.campaign],
            self._loaded.agents[visit.agent],
            self._loaded.contacts[visit.contact.key],
        )
        booking = self._user.services.booking
        try:
            made = await self._user.call(booking.BookAppointment, request)
            if visit.confirmed:
                confirm = booking_pb2.ConfirmAppointmentRequest(appointment_id=made.appointment_id)
                await self._user.call(booking.ConfirmAppointment, confirm)
        except Refused as refused:
            self._refuse(refused)
        else:
            self._loaded.booked += 1
            self._loaded.appointments[visit.contact.key] = made.appointment_id
            self._tell()

    def _refuse(self, refused: Refused) -> None:
        """One that does not fit is left out and counted; anything else is a fault."""
        if refused.code.name != "FAILED_PRECONDITION":
            raise failed(refused, "a visit could not be booked") from refused
        self._loaded.refused[refused.reason] += 1

    def _tell(self) -> None:
        if self._loaded.booked % 20 == 0:
            self._say(f"{self._loaded.booked} of {self._total} visits")


@asynccontextmanager
async def _without_lead_time(user: User, campaign_ids: Any) -> AsyncIterator[None]:
    try:
        await _set_lead_time(user, campaign_ids, "0s")
        yield
    finally:
        await _set_lead_time(user, campaign_ids, "")


async def _set_lead_time(user: User, campaign_ids: Any, value: str) -> None:
    for campaign_id in campaign_ids:
        request = booking_pb2.SetParameterRequest(name=LEAD_TIME, campaign_id=campaign_id, value=value)
        await user.call(user.services.booking.SetParameter, request)


async def _remind(user: User, tenant: DemoTenant) -> None:
    """A reminder a day before each visit that is booked from now on."""
    for name, value in (("called_as", tenant.name), ("reminder_offsets", "86400s")):
        request = reminders_pb2.SetReminderParameterRequest(name=name, value=value)
        await user.call(user.services.reminders.SetReminderParameter, request)


async def _agents(user: User, seed: int, tenant: DemoTenant) -> dict[str, str]:
    requests = [messages.agent(seed, agent, tenant.time_zone) for agent in tenant.agents]
    made = await asyncio.gather(*(user.call(user.services.geo.CreateAgent, request) for request in requests))
    return {agent.key: answer.agent_id for agent, answer in zip(tenant.agents, made, strict=True)}


async def _campaigns(user: User, seed: int, tenant: DemoTenant, agents: dict[str, str]) -> dict[str, str]:
    made = {}
    for campaign in tenant.campaigns:
        agent_ids = [agents[key] for key in campaign.agents]
        request = messages.campaign(seed, campaign, agent_ids, tenant.time_zone)
        made[campaign.key] = (await user.call(user.services.booking.CreateCampaign, request)).campaign_id
    return made


async def _users(user: User, seed: int, tenant: DemoTenant, loaded: Loaded) -> None:
    for each in tenant.users[1:]:  # the first one came with the tenant
        scope = loaded.campaigns[each.campaign] if each.campaign else ""
        agent_id = loaded.agents[each.agent] if each.agent else ""
        await user.call(user.services.identity.CreateUser, messages.user(seed, each, scope, agent_id))


async def _contacts(user: User, seed: int, campaign: DemoCampaign, loaded: Loaded) -> None:
    for first in range(0, len(campaign.contacts), IMPORT_SIZE):
        people = campaign.contacts[first : first + IMPORT_SIZE]
        request = messages.contacts(seed, loaded.campaigns[campaign.key], people)
        answer = await user.call(user.services.booking.ImportContacts, request)
        loaded.contacts |= zip((each.key for each in people), answer.contact_ids, strict=True)


async def now_of(user: User) -> datetime:
    """The tenant's clock: it may have been moved."""
    clock = await user.call(user.services.identity.GetTestClock, identity_pb2.GetTestClockRequest())
    now: datetime = clock.now.ToDatetime(tzinfo=UTC)
    return now
