"""A tenant with one of everything that the contracts name, and how it calls: for tests of every RPC."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest_asyncio
from google.protobuf.message import Message

from allinone.stack import Stack
from giro.booking.v1 import annulments_pb2 as annulments
from giro.booking.v1 import booking_pb2 as booking
from giro.booking.v1 import documents_pb2 as documents
from giro.booking.v1 import outcomes_pb2 as outcomes
from giro.booking.v1 import refix_pb2 as refix
from giro.booking.v1 import unavailability_pb2 as unavailability
from giro.booking.v1 import waitlist_pb2 as waitlist
from giro.booking.v1.outcomes_pb2_grpc import OutcomesServiceStub
from giro.common.v1 import travel_pb2 as travel
from giro.geo.v1 import geo_pb2 as geo
from giro.geo.v1 import ledger_pb2 as ledger
from giro.geo.v1 import zones_pb2 as zones
from giro.geo.v1.zones_pb2_grpc import ZoneServiceStub
from giro.identity.v1 import identity_pb2 as identity
from giro.reminders.v1 import reminders_pb2 as reminders
from kit.rpc.contract import Rpc
from kit.rpc.tokens import ServiceTokens
from kit.values.ids import new_id
from tests.contracts.requests import RPCS, SERVICES, Filler, refusal_of, response_class, streams
from tests.contracts.stored import Snapshot, Stored
from tests.contracts.tokens import user_token
from tests.eventually import eventually
from tests.world import Refusal, World, request_id, stamp

PREFIXES = {
    "user_id": "usr",
    "scope_id": "cmp",
    "campaign_id": "cmp",
    "contact_id": "cnt",
    "agent_id": "agt",
    "agent_ids": "agt",
    "helper_agent_ids": "agt",
    "settled_appointment_ids": "apt",
    "appointment_id": "apt",
    "appointment_ids": "apt",
    "other_appointment_id": "apt",
    "hold_id": "hld",
    "absence_id": "abs",
    "zone_id": "zon",
    "zone_ids": "zon",
    "move_id": "mov",
    "branch_id": "brn",
    "number_id": "num",
    "opt_out_id": "opt",
    "claim_id": "ann",
    "document_id": "doc",
    "series_id": "ser",
    "entry_id": "wai",
    "offer_id": "off",
    "unavailability_id": "una",
    "reminder_id": "rem",
    "state_id": "sta",
    "characteristic_id": "chr",
    "mandatory": "chr",
    "visible": "chr",
    "outcome_state_ids": "sta",
    "recall_id": "rcl",
    "mode_id": "mod",
    "procedure_id": "prc",
}
"""What each naming field names. A field that is missing here fails its case."""

OF_OUTCOMES = {"state_id", "outcome_state_ids", "characteristic_id", "mandatory", "visible", "list_state"}
"""Fields that name something of the outcomes; all of it is made anew together."""


def nobodys(name: str) -> str:
    """What nobody has of what a field of this name names."""
    return _code() if name == "list_state" else new_id(PREFIXES[name])


def _code() -> str:
    return uuid.uuid4().hex[:8].upper()


@dataclass
class Party:
    """A tenant with one of everything, and how it calls."""

    stack: Stack
    channels: dict[str, grpc.aio.Channel]
    world: World
    ids: dict[str, str]
    hour: int = 0
    stored: Stored | None = None
    """All there is of it, for those who ask what others have changed."""

    async def call(self, rpc: Rpc, request: Message) -> Message:
        """The answer for this tenant, by whoever the RPC is for. Raises GiroError."""
        channel = self.channels[SERVICES[rpc.service]]
        make = channel.unary_stream if streams(rpc) else channel.unary_unary
        method = make(rpc.path, lambda message: message.SerializeToString(), response_class(rpc).FromString)
        calling = method(request, metadata=self._metadata(rpc), timeout=60)
        try:
            empty = response_class(rpc)()
            answer: Message = [empty, *[one async for one in calling]][-1] if streams(rpc) else await calling
        except grpc.aio.AioRpcError as failed:
            raise refusal_of(failed) from None
        return answer

    def _metadata(self, rpc: Rpc) -> tuple[tuple[str, str], ...]:
        if "SERVICE" in rpc.roles and len(rpc.roles) == 1:
            token = ServiceTokens("booking", self.stack.urls.service_key).mint(self.world.tenant)
        else:
            token = user_token(self.stack, self.world.tenant, "ADMINISTRATOR", "PLATFORM")
        return (("authorization", f"Bearer {token}"),)

    def next_start(self) -> datetime:
        """A free hour, far enough ahead for every rule."""
        self.hour += 1
        return self.world.day(6 + self.hour // 20, 1 + self.hour % 20)

    async def refresh(self, names: set[str]) -> None:
        """Of what calls use up and these fields name, a fresh one."""
        if "appointment_ids" in names:
            self.ids["appointment_ids"] = (await self.world.book(self.next_start())).appointment_id
        if "appointment_id" in names:
            self.ids["appointment_id"] = (await self.world.book(self.next_start())).appointment_id
            planned = await self.planned(self.ids["appointment_id"])
            self.ids["reminder_id"] = planned.reminders[0].reminder_id
        if names & {"hold_id", "slot_token"}:
            suggested = await self.world.suggest(1)
            self.ids["slot_token"] = suggested.slots[0].slot_token
            self.ids["hold_id"] = (await self.world.hold(self.ids["slot_token"])).hold_id
        if "opt_out_id" in names:
            self.ids["opt_out_id"] = await self._opt_out()
        makers = {
            "other_appointment_id": self._others,
            "document_id": self._document,
            "series_id": self._series,
            "entry_id": self._entry,
            "offer_id": self._offer,
            "claim_id": self._claim,
            "unavailability_id": self._unavailability,
        }
        for name in makers.keys() & names:
            self.ids[name] = await makers[name]()
        await self._refresh_outcomes(names)
        if "settled_appointment_ids" in names:
            self.ids["settled_appointment_ids"] = (await self.world.book(self.next_start())).appointment_id
        if names & {"zone_id", "zone_ids"}:
            self.ids["zone_id"] = self.ids["zone_ids"] = await _add_zone(self)
        if "move_id" in names:
            self.ids["move_id"] = await self._move()

    async def _refresh_outcomes(self, names: set[str]) -> None:
        if names & {*OF_OUTCOMES, "recall_id"}:  # some case may have written the state that makes recalls
            await _add_outcomes(self)
        if "recall_id" in names:
            self.ids["recall_id"] = await self._recall()

    async def _opt_out(self) -> str:
        """The id of a fresh opt-out."""
        phone = f"+371{uuid.uuid4().int % 10**8:08}"
        service = self.world.reminders
        await self.world.call(service.SetOptOut, reminders.SetOptOutRequest(phone=phone, opted_out=True))
        found = await self.world.call(service.ListOptOuts, reminders.ListOptOutsRequest())
        return str(found.opt_outs[0].opt_out_id)

    async def _others(self) -> str:
        """An appointment of another agent than the others' one."""
        return str((await self.world.book(self.next_start(), agent=1)).appointment_id)

    async def _entry(self, start: datetime | None = None) -> str:
        """The id of one who waits for a time that no case frees, or for this one."""
        suits = start or self.world.day(300)
        request = waitlist.JoinWaitlistRequest(
            campaign_id=self.world.campaign,
            contact_id=await self._somebody(),
            duration={"seconds": 1800},
            not_before=stamp(suits),
            not_after=stamp(suits + timedelta(minutes=30)),
            request_id=request_id(),
        )
        made: Any = await self.call(RPCS["/giro.booking.v1.WaitlistService/JoinWaitlist"], request)
        return str(made.entry_id)

    async def _somebody(self) -> str:
        """The id of a person whom no other case names: each waits once."""
        person = booking.Contact(display_name="Ada", point=self.world.points[4])
        request = booking.ImportContactsRequest(
            campaign_id=self.world.campaign, contacts=[person], request_id=request_id()
        )
        made = await self.world.call(self.world.booking.ImportContacts, request)
        return str(made.contact_ids[0])

    async def _offer(self) -> str:
        """The id of an offer of a time that was freed for it."""
        start = self.next_start()
        booked = await self.world.book(start, contact=4)
        entry = await self._entry(start)
        await self.world.cancel(booked.appointment_id)

        async def look() -> str:
            request = waitlist.ListWaitlistRequest(campaign_id=self.world.campaign)
            found: Any = await self.call(RPCS["/giro.booking.v1.WaitlistService/ListWaitlist"], request)
            return next((str(one.offer.offer_id) for one in found.entries if one.entry_id == entry), "")

        return str(await eventually(look, bool))

    async def _series(self) -> str:
        """The id of a series of one's own."""
        rpc = RPCS["/giro.booking.v1.SeriesService/CreateSeries"]
        ids = {**self.ids, "agent_id": self.world.agents[1]}
        made: Any = await self.call(rpc, Filler(ids, self.next_start()).request(rpc))
        return str(made.series_id)

    async def _document(self) -> str:
        """The id of a document of the present appointment."""
        header = documents.UploadDocumentHeader(
            appointment_id=self.ids["appointment_id"], file_name="a.pdf", request_id=request_id()
        )
        parts = [
            documents.UploadDocumentRequest(header=header),
            documents.UploadDocumentRequest(chunk=b"%PDF-1.7 form"),
        ]
        rpc = RPCS["/giro.booking.v1.DocumentsService/UploadDocument"]
        upload: Any = self.channels["booking"].stream_unary(
            rpc.path, lambda message: message.SerializeToString(), response_class(rpc).FromString
        )
        made = await upload(iter(parts), metadata=self._metadata(rpc), timeout=60)
        return str(made.document_id)

    async def _recall(self) -> str:
        """The id of an open recall, of an appointment that is no case's."""
        booked = await self.world.book(self.next_start())
        request = outcomes.SetOutcomeRequest(
            appointment_id=booked.appointment_id, state_id=self.ids["state_id"], request_id=request_id()
        )
        await self.call(RPCS["/giro.booking.v1.OutcomesService/SetOutcome"], request)
        rpc = RPCS["/giro.booking.v1.RefixService/ListRecalls"]
        listed: Any = await self.call(rpc, refix.ListRecallsRequest(page_size=200))
        mine = [each for each in listed.recalls if each.appointment_id == booked.appointment_id]
        return str(mine[0].recall_id)

    async def _claim(self) -> str:
        """The id of an open claim to annul a visit of its own."""
        booked = await self.world.book(self.next_start())
        request = annulments.ClaimAnnulmentRequest(
            appointment_id=booked.appointment_id, reason=2, request_id=request_id()
        )
        rpc = RPCS["/giro.booking.v1.AnnulmentsService/ClaimAnnulment"]
        made: Any = await self.call(rpc, request)
        return str(made.claim_id)

    async def _unavailability(self) -> str:
        """The id of a note about a contact that no case books."""
        request = unavailability.SetUnavailabilityRequest(
            contact_id=self.world.contacts[3], first_day="2028-02-29", request_id=request_id()
        )
        rpc = RPCS["/giro.booking.v1.UnavailabilityService/SetUnavailability"]
        made: Any = await self.call(rpc, request)
        return str(made.unavailability.unavailability_id)

    async def planned(self, appointment_id: str) -> Any:
        """The reminders of an appointment, once they have heard of it."""

        async def look() -> Any:
            request = reminders.ListRemindersRequest(appointment_id=appointment_id)
            try:
                return await self.world.call(self.world.reminders.ListReminders, request)
            except Refusal:
                return None

        return await eventually(look, lambda found: found is not None)

    async def _move(self) -> str:
        """A move as booking would ask for it, of an appointment that is no case's."""
        booked = await self.world.book(self.next_start())
        start = self.next_start()
        plan = ledger.StopPlan(
            agent_id=booked.agent_id,
            window=travel.TimeWindow(start=stamp(start), end=stamp(start + timedelta(minutes=30))),
            point=booked.point,
        )
        move = new_id("mov")
        request = ledger.MoveStopRequest(move_id=move, appointment_id=booked.appointment_id, plan=plan)
        await self.call(RPCS["/giro.geo.v1.LedgerService/MoveStop"], request)
        return move

    async def snapshot(self) -> Snapshot:
        """All that others must not be able to change: as it is told, and every row of every table.

        PASSING names what is left out.
        """
        assert self.stored is not None
        return Snapshot(await self._told(), self.stored.of(self.world.tenant))

    async def quiet(self) -> None:
        """Until what this tenant did has been told to all services."""

        async def left() -> bool:
            return self.stored is not None and self.stored.has_left(self.world.tenant)

        assert await eventually(left, bool)

    async def _told(self) -> list[str]:
        found: list[Any] = [*await self.world.appointments()]
        for agent in self.world.agents:
            request = geo.GetItineraryRequest(agent_id=agent)
            found.append(await self.world.call(self.world.geo.GetItinerary, request))
            found.append(await self.world.call(self.world.geo.GetAgent, geo.GetAgentRequest(agent_id=agent)))
        for method, everything in (
            (self.world.identity.ListUsers, identity.ListUsersRequest()),
            (self.world.booking.ListCampaigns, booking.ListCampaignsRequest()),
            (self.world.booking.ListContacts, booking.ListContactsRequest(campaign_id=self.world.campaign)),
        ):
            found.append(await self.world.call(method, everything))
        return [str(message) for message in found]


@pytest_asyncio.fixture(scope="module")
async def parties(stack: Stack) -> AsyncIterator[tuple[Party, Party]]:
    """Whoever asks, and whoever owns the ids."""
    channels = {name: grpc.aio.insecure_channel(stack.urls.targets[name]) for name in set(SERVICES.values())}
    stored = Stored(stack.urls.admin_database, stack.urls.databases)
    asking, owner = [await make_party(stack, channels) for _ in range(2)]
    owner.stored = stored
    yield asking, owner
    stored.close()
    for party in (asking, owner):
        await party.world.close()
    for channel in channels.values():
        await channel.close()


async def make_party(stack: Stack, channels: dict[str, grpc.aio.Channel]) -> Party:
    """A tenant with one of everything; `scope_id` is a second campaign of its own."""
    world = await World.make(stack)
    second_campaign = await world.make_campaign(10)
    ids = {"scope_id": second_campaign, "campaign_id": world.campaign}
    party = Party(stack, channels, world, ids)
    party.ids |= {"agent_id": world.agents[1], "agent_ids": world.agents[1], "contact_id": world.contacts[2]}
    party.ids["branch_id"] = new_id("brn")
    await _set_offsets(party)
    party.ids["helper_agent_ids"] = world.agents[0]
    await party.refresh({"claim_id", "unavailability_id"})
    await party.refresh({"appointment_id", "hold_id", "move_id", "opt_out_id", "zone_id"})
    party.ids["number_id"] = await _add_number(party)
    party.ids["user_id"] = await _add_user(party)
    party.ids["absence_id"] = await _add_absence(party)
    await _add_outcomes(party)
    await party.refresh({"recall_id"})
    return party


async def _add_outcomes(party: Party) -> None:
    """A characteristic and an outcome state that shows it."""
    made = ("characteristic_id", "state_id", "mode_id", "procedure_id")
    party.ids |= {name: new_id(PREFIXES[name]) for name in made}
    party.ids["outcome_state_ids"] = party.ids["state_id"]
    party.ids["mandatory"] = party.ids["visible"] = party.ids["characteristic_id"]
    party.ids["list_state"] = _code()
    service = OutcomesServiceStub(party.channels["booking"])
    for method, request in (
        (
            service.UpsertCharacteristic,
            outcomes.UpsertCharacteristicRequest(
                characteristic_id=party.ids["characteristic_id"], display_name="Why", kind=1
            ),
        ),
        (
            service.UpsertListState,
            outcomes.UpsertListStateRequest(code=party.ids["list_state"], display_name="Waits"),
        ),
        (
            service.UpsertOutcomeState,
            outcomes.UpsertOutcomeStateRequest(
                state_id=party.ids["state_id"],
                display_name="KO",
                result=3,
                list_state="W",
                recall=3,
                visible=[party.ids["characteristic_id"]],
            ),
        ),
    ):
        await party.world.call(method, request)


async def _set_offsets(party: Party) -> None:
    request = reminders.SetReminderParameterRequest(name="reminder_offsets", value="86400s")
    await party.world.call(party.world.reminders.SetReminderParameter, request)


async def _add_number(party: Party) -> str:
    request = reminders.AddCallerNumberRequest(phone="+37167000001", request_id=request_id())
    return str((await party.world.call(party.world.reminders.AddCallerNumber, request)).number_id)


async def _add_user(party: Party) -> str:
    request = identity.CreateUserRequest(
        email=f"{request_id()}@example.com",
        password="correct horse battery",
        display_name="Somebody",
        grants=[identity.RoleGrant(role=3)],
        request_id=request_id(),
    )
    made = await party.world.call(party.world.identity.CreateUser, request)
    return str(made.user_id)


async def _add_absence(party: Party) -> str:
    start = party.world.day(40)
    window = travel.TimeWindow(start=stamp(start), end=stamp(start + timedelta(hours=1)))
    request = geo.AddAbsenceRequest(agent_id=party.ids["agent_id"], window=window, request_id=request_id())
    return str((await party.world.call(party.world.geo.AddAbsence, request)).absence_id)


async def _add_zone(party: Party) -> str:
    request = zones.UpsertZoneRequest(name=request_id(), request_id=request_id())
    request.travel_band.within.seconds = 86_400
    service = ZoneServiceStub(party.channels["geo"])
    return str((await party.world.call(service.UpsertZone, request)).zone_id)
