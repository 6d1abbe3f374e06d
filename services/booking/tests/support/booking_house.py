"""A tenant of its own with campaigns, contacts and a ledger double, and short ways to call the use cases."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from house_clock import CLOCKS, soon
from ledger_double import LedgerDouble
from places_double import PlacesDouble
from sqlalchemy import text

from booking.domain.appointment import Appointment, Card
from booking.domain.campaign import Campaign
from booking.domain.contact import Contact
from booking.domain.history import Entry
from booking.domain.outcomes import OutcomeState, Recall, Result, Written
from booking.domain.package import Package
from booking.domain.refix import OperatorRecall
from booking.domain.refix_modes import Procedure, Work
from booking.storage import appointments, history
from booking.storage.parameters import Place
from booking.storage.refix_exceptions import RefixException
from booking.usecases.book_appointment import BookAppointment, ChosenTime, book_appointment
from booking.usecases.create_campaign import CreateCampaign, create_campaign
from booking.usecases.desk import Desk
from booking.usecases.import_contacts import ImportContacts, import_contacts
from booking.usecases.list_campaigns import get_campaign
from booking.usecases.outcome_states import upsert_outcome_state
from booking.usecases.postpone_appointment import PostponeAppointment, postpone_appointment
from booking.usecases.reassign_appointment import ReassignAppointment, reassign_appointment
from booking.usecases.refix.exceptions import list_exceptions
from booking.usecases.refix.list_recalls import list_recalls
from booking.usecases.refix.policy import list_procedures, upsert_procedure
from booking.usecases.refix.refix_appointment import Choices, RefixAppointment, Time, refix_appointment
from booking.usecases.refix.run_procedures import run_procedure
from booking.usecases.replay import replay_tenant
from booking.usecases.set_outcome import SetOutcome, set_outcome
from booking.usecases.set_parameter import import_parameters
from booking.usecases.settle_changes import settle_changes
from kit.db.claims import Claim
from kit.rpc.context import Caller, Grant, become
from kit.values.ids import new_id
from kit.values.latlng import LatLng
from kit.values.window import Window

HOUR = timedelta(hours=1)
VISIT = timedelta(minutes=45)
PLACE = LatLng(45.4642, 9.19)


def claim(body: str = "", key: str | None = None) -> Claim:
    """A fresh claim, or one with a known key."""
    return Claim(f"req:{key or uuid.uuid4().hex}", body.encode())


@dataclass
class House:
    """One tenant; `agents` are known to the ledger double. Its clock begins at `NINE`."""

    desk: Desk
    ledger: LedgerDouble
    agents: list[str]
    tenant: str = field(default_factory=lambda: new_id("ten"))
    places: PlacesDouble = field(default_factory=PlacesDouble)

    def __post_init__(self) -> None:
        CLOCKS.begin(self.tenant)

    def enter(self, *grants: Grant, subject: str = "usr_operator") -> Caller:
        """Makes a person of this tenant the caller of this task; without grants an administrator."""
        mine = grants or (Grant("ADMINISTRATOR", "tenant", ""),)
        who = Caller(subject, self.tenant, mine)
        become(who)
        return who

    async def campaign(
        self, purchased: int = 100, agents: Sequence[str] | None = None, zone: str = "Europe/Rome"
    ) -> Campaign:
        """A new campaign of all agents."""
        return await create_campaign(
            self.desk,
            CreateCampaign(
                display_name="Solar roofs",
                purchased=purchased,
                agent_ids=self.agents if agents is None else agents,
                skills=("pv",),
                time_zone=zone,
                buffer=timedelta(minutes=5),
                claim=claim(),
            ),
        )

    async def contact(self, campaign: Campaign, point: LatLng = PLACE, zone: str = "") -> str:
        """A new contact."""
        person = Contact(
            "", campaign.campaign_id, "Ada Neri", "+390200000000", "Via Roma 1", point, zone=zone
        )
        return await self.take_in(person)

    async def take_in(self, person: Contact) -> str:
        """A new contact, whose address is looked up where there is no point."""
        command = ImportContacts(person.campaign_id, [person], claim())
        return (await import_contacts(self.desk, self.places, command))[0]

    async def book(
        self,
        campaign: Campaign,
        contact: str,
        start: datetime,
        agent: str | None = None,
        key: Claim | None = None,
    ) -> Card:
        """Books a chosen time."""
        window = Window(start, start + VISIT)
        slot = ChosenTime(campaign.campaign_id, agent or self.agents[0], window)
        return await book_appointment(self.desk, BookAppointment(slot, contact, "ring twice", key or claim()))

    async def booked(self, start: datetime | None = None, agent: int = 0) -> Card:
        """One appointment in a campaign of its own."""
        campaign = await self.campaign()
        return await self.book(campaign, await self.contact(campaign), start or soon(), self.agents[agent])

    async def postpone(self, card: Card, start: datetime, key: Claim | None = None, version: int = 0) -> Card:
        """Postpones."""
        command = PostponeAppointment(card.appointment.appointment_id, start, version, key or claim())
        return await postpone_appointment(self.desk, command)

    async def reassign(self, card: Card, agent: str, key: Claim | None = None) -> Card:
        """Gives to another agent at the same time."""
        command = ReassignAppointment(card.appointment.appointment_id, agent, None, 0, key or claim())
        return await reassign_appointment(self.desk, command)

    async def outcome_state(self, state_id: str = "ko", **traits: Any) -> OutcomeState:
        """An outcome state; by default a KO with a public recall."""
        lists = {"list_state": "W", "recall": Recall.PUBLIC}
        given = {"result": Result.KO, **({} if "recall" in traits else lists), **traits}
        return await upsert_outcome_state(self.desk, OutcomeState(state_id, state_id, **given))

    async def set_outcome(
        self,
        card: Card | Appointment,
        state_id: str = "ko",
        *values: tuple[str, str],
        refix_at: datetime | None = None,
        note: str = "nobody at home",
        version: int = 0,
        key: Claim | None = None,
    ) -> Appointment:
        """Sets an outcome."""
        appointment = card.appointment if isinstance(card, Card) else card
        written = Written(values, note, refix_at)
        command = SetOutcome(appointment.appointment_id, state_id, written, version, key or claim())
        return await set_outcome(self.desk, command)

    async def history(self, appointment_id: str) -> list[Entry]:
        """All entries, as an administrator sees them."""
        async with self.desk.db.uow(self.tenant) as tx:
            return list(await history.page(tx, appointment_id, 0, 1000, with_links=True))

    async def parameters(self, campaign_id: str = "", user_id: str = "", **by_code: str) -> None:
        """Sets parameters by code, all at once."""
        await import_parameters(self.desk, Place(campaign_id, user_id), list(by_code.items()))

    async def procedure(self, kind: Work, *state_ids: str, **traits: Any) -> Procedure:
        """An active procedure on these outcome states; it runs every minute."""
        written = "" if kind is Work.RECALL else "refixed"
        given = {"state_id": written, "active": True, "interval": timedelta(minutes=1), **traits}
        ids = {Work.MOVE: "move-refixed", Work.NEW_CARD: "new-card-refixed", Work.RECALL: "recall-refixed"}
        made = Procedure(
            procedure_id=ids[kind],
            kind=kind,
            display_name="p",
            description="",
            outcome_state_ids=state_ids,
            **given,
        )
        return await upsert_procedure(self.desk, made)

    async def run(self) -> None:
        """Every procedure of this tenant that is active, as its worker would run it."""
        for procedure in await list_procedures(self.desk):
            if procedure.active:
                await run_procedure(self.desk, self.tenant, procedure.procedure_id)

    async def refix(
        self, card: Card | Appointment, start: datetime, key: Claim | None = None, **traits: Any
    ) -> Card:
        """Fixes an appointment again, at a chosen time."""
        appointment = card.appointment if isinstance(card, Card) else card
        choices = Choices(**{"state_id": "", "note": "see you then", **traits.pop("choices", {})})
        time = Time(traits.pop("agent", ""), start)
        command = RefixAppointment(
            appointment.appointment_id, time, choices, traits.pop("version", 0), key or claim()
        )
        return await refix_appointment(self.desk, command)

    async def superseded(self) -> Card:
        """A card that a new one took the place of, as it was before."""
        await self.parameters(CC0036="SI", CC0037="SI", CC0037A="NO", CC0036C="SI", CC036DB="refixed")
        await self.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
        await self.outcome_state("ko")
        card = await self.booked(soon(48))
        await self.set_outcome(card)
        await self.refix(card, soon(72))
        return card

    async def recalls(self) -> list[OperatorRecall]:
        """What the caller sees."""
        return list((await list_recalls(self.desk, "", 200, "")).recalls)

    async def exceptions(self) -> list[RefixException]:
        """Open ones."""
        return list((await list_exceptions(self.desk, "", 200, "")).exceptions)

    async def settle(self, age: timedelta = timedelta(0)) -> None:
        """Reconciles until nothing more is found of this tenant."""
        for _ in range(4):
            await settle_changes(self.desk, age)

    async def stored(self, appointment_id: str) -> Appointment:
        """The appointment as the database has it."""
        async with self.desk.db.uow(self.tenant) as tx:
            return await appointments.get(tx, appointment_id)

    async def all_stored(self) -> dict[str, Any]:
        """Every appointment's row."""
        async with self.desk.db.uow(self.tenant) as tx:
            found = await tx.run(
                text("SELECT * FROM booking.appointments WHERE tenant_id = :t"), {"t": self.tenant}
            )
            return {row.appointment_id: row for row in found}

    async def package(self, campaign: Campaign) -> Package:
        """The counters."""
        return (await get_campaign(self.desk, campaign.campaign_id)).package

    async def events(self) -> list[tuple[str, str]]:
        """(event, entity) of what waits in the outbox, in order."""
        async with self.desk.db.uow(self.tenant) as tx:
            query = text("SELECT subject, entity_id FROM booking.outbox WHERE tenant_id = :t ORDER BY id")
            found = await tx.run(query, {"t": self.tenant})
            return [(row.subject.rpartition(".")[2], row.entity_id) for row in found]

    async def advance(self, by: timedelta) -> None:
        """Moves the tenant's test clock on."""
        statement = text(
            "INSERT INTO sandbox.test_clocks AS c (tenant_id, offset_seconds) VALUES (:t, :s)"
            " ON CONFLICT (tenant_id) DO UPDATE"
            " SET offset_seconds = c.offset_seconds + excluded.offset_seconds"
        )
        async with self.desk.db.uow(self.tenant) as tx:
            await tx.run(statement, {"t": self.tenant, "s": int(by.total_seconds())})

    async def until_waiting(self, sessions: int) -> None:
        """Until so many sessions of this database wait for a lock."""
        query = text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        for _ in range(400):
            async with self.desk.db.uow(self.tenant) as tx:
                if (await tx.run(query)).scalar_one() == sessions:
                    return
            await asyncio.sleep(0.005)
        raise AssertionError(f"there are no {sessions} sessions that wait")

    def with_ledger(self, ledger: LedgerDouble) -> Desk:
        """A desk like this house's with another ledger."""
        return replace(self.desk, ledger=ledger, agents=ledger)

    async def require_sound(self) -> None:
        """Asserts that live appointments and stops are the same, counters are a recount's, and events
        rebuild the rows."""
        await self._require_recount(await self.require_stops())
        await self.require_replayed()

    async def require_stops(self) -> dict[str, Any]:
        """Asserts that live appointments and stops are the same; gives all appointments."""
        rows = await self.all_stored()
        live_states = {"TO_CONFIRM", "CONFIRMED", "HELD"}
        live = {key: row for key, row in rows.items() if row.state in live_states}
        stops = {key[1]: stop.plan for key, stop in self.ledger.stops.items() if key[0] == self.tenant}
        assert not {row.state for row in rows.values()} - live_states - {"CANCELLED", "FAILED", "SUPERSEDED"}
        assert stops.keys() == live.keys()
        for key, row in live.items():
            assert row.move_id is None
            assert (row.agent_id, row.starts_at, row.ends_at) == (
                stops[key].agent_id,
                stops[key].window.start,
                stops[key].window.end,
            )
        return rows

    async def require_replayed(self) -> int:
        """Asserts that the events rebuild every row byte for byte, one event a version; how many events."""
        found = await replay_tenant(self.desk.db, self.tenant)
        assert (found.different, found.partly, found.unrecorded, found.gapped) == ([], 0, 0, 0)
        versions = text(
            "SELECT sum(version) AS made, (SELECT count(made_version) FROM booking.appointment_events"
            "   WHERE tenant_id = :t) AS told FROM booking.appointments"
            " WHERE tenant_id = :t AND state NOT IN ('PENDING', 'FAILED')"
        )
        async with self.desk.db.uow(self.tenant) as tx:
            counted = (await tx.run(versions, {"t": self.tenant})).one()
        assert (counted.made or 0) == counted.told
        return found.events

    async def _require_recount(self, rows: dict[str, Any]) -> None:
        async with self.desk.db.uow(self.tenant) as tx:
            query = text("SELECT * FROM booking.campaigns WHERE tenant_id = :t")
            campaigns = list(await tx.run(query, {"t": self.tenant}))
        for campaign in campaigns:
            states = [row.state for row in rows.values() if row.campaign_id == campaign.campaign_id]
            to_confirm = states.count("TO_CONFIRM")
            assert campaign.to_confirm == to_confirm
            assert campaign.taken == to_confirm + states.count("CONFIRMED") + states.count("HELD")
            assert campaign.cancelled_in_step == states.count("CANCELLED")
