"""A tenant of its own with reminders, a scripted carrier, and a booking that knows its appointments."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from kit.db.claims import Claim
from kit.db.engine import Database
from kit.errors import NotFound, Reason, Unavailable
from kit.parameters import Scope
from kit.values.ids import new_id
from reminders.clients.journal import CallJournal
from reminders.clients.simulated import Answer, Outcome, ScriptedAnswers, SimulatedCarrier
from reminders.clients.stored_journal import StoredJournal
from reminders.domain.numbers import CallerNumber, NumberState
from reminders.domain.reminder import Channel, Reminder, Visit
from reminders.prompts.catalogue import catalogue
from reminders.prompts.speech import Prompts
from reminders.storage import attempts, numbers, parameters, plans, reminders
from reminders.storage.attempts import Attempt
from reminders.usecases.desk import Desk, Timers
from reminders.usecases.follow_appointment import Told, follow_appointments
from reminders.usecases.hear import hear
from reminders.usecases.look_up_calls import look_up_calls
from reminders.usecases.make_reminders import make_reminders
from reminders.usecases.ports import Call, CallReport, CallState, Doubtful, Message

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
PHONE = "+37120000001"
CALLER = "+37167000000"


MONDAY = datetime(2035, 1, 15, tzinfo=UTC)
"""The day on whose morning each house's clock begins, whenever the tests run; no clocks change near it."""


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of day in UTC, so many days after `MONDAY`; quiet hours go by UTC here."""
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute)


class KnownVisits:
    """Booking, as far as reminders asks it."""

    def __init__(self) -> None:
        self.known: dict[str, Visit] = {}
        self.down = False

    async def get(self, tenant: str, appointment_id: str) -> Visit:
        """What is known of the appointment."""
        if self.down:
            raise Unavailable(Reason.SERVICE_UNAVAILABLE, "booking did not answer")
        if appointment_id not in self.known:
            raise NotFound(Reason.NOT_FOUND, "no such appointment")
        return self.known[appointment_id]

    async def get_all(self, tenant: str, appointment_ids: Sequence[str]) -> Mapping[str, Visit]:
        """What is known of them."""
        if self.down:
            raise Unavailable(Reason.SERVICE_UNAVAILABLE, "booking did not answer")
        return {each: self.known[each] for each in appointment_ids if each in self.known}


class Carrier:
    """The simulated carrier, with what was asked of it in hand."""

    def __init__(self, house: "House", journal: CallJournal) -> None:
        self.book = ScriptedAnswers(Answer())
        self.placed: list[Call] = []
        self.looked_up: list[str] = []
        self.rang: Counter[str] = Counter()
        self.deaf = self.endless = self.no_line = False
        self.breaks: set[str] = set()
        self.detects_machines = True
        self._carrier = SimulatedCarrier(house.hear, journal, self, house.now, sandbox=True)

    async def next_answer(self, tenant: str, number: str) -> Answer:
        """A call rings, unless it is scripted as refused."""
        answer = await self.book.next_answer(tenant, number)
        if answer.outcome not in {Outcome.DECLINED, Outcome.DOUBTFUL_NOT_PLACED}:
            self.rang[number] += 1
        return answer

    async def place(self, call: Call) -> CallReport:
        """See VoiceProvider."""
        if self.no_line:
            return CallReport(call.reference, CallState.NEVER_PLACED)
        self.placed.append(call)
        if self.endless:
            return CallReport(call.reference, CallState.UNDER_WAY)
        return await self._carrier.place(call)

    async def look_up(self, tenant: str, reference: str) -> CallReport:
        """See VoiceProvider."""
        self.looked_up.append(reference)
        if reference in self.breaks:
            raise ValueError("the carrier's answer can't be read")
        if self.deaf:
            raise Doubtful("no answer")
        if self.endless:
            return CallReport(reference, CallState.UNDER_WAY)
        return await self._carrier.look_up(tenant, reference)


class Post:
    """A mail server that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.fails: Exception | None = None

    async def send(self, message: Message) -> None:
        """See MessageProvider."""
        if self.fails is not None:
            raise self.fails
        self.sent.append(message)


@dataclass
class House:
    """One tenant."""

    db: Database
    tenant: str = field(default_factory=lambda: new_id("ten"))
    visits: KnownVisits = field(default_factory=KnownVisits)
    post: Post = field(default_factory=Post)

    def __post_init__(self) -> None:
        self.carrier = Carrier(self, StoredJournal(self.db))
        self.desk = Desk(
            self.db,
            self.visits,
            Prompts(catalogue()),
            self.carrier,
            {Channel.EMAIL: self.post, Channel.SMS: self.post},
            "test-1",
            Timers(),
        )

    async def settle_in(self, *offsets: timedelta, **texts: str) -> None:
        """Offsets, an active number, quiet hours by UTC, and other parameters as JSON."""
        offsets_text = "[" + ",".join(str(int(each.total_seconds())) for each in offsets) + "]"
        async with self.db.uow(self.tenant) as tx:
            given = {"reminder_offsets": offsets_text, "reminder_ladder": '"VOICE"', **texts}
            for name, value in given.items():
                await parameters.put(tx, (Scope.TENANT, ""), name, value)
            number = CallerNumber(new_id("num"), "", CALLER, NumberState.PENDING)
            await numbers.insert(tx, number)
            await numbers.save(tx, replace(number, state=NumberState.ACTIVE))

    async def now(self, tenant: str | None = None) -> datetime:
        """The tenant's time."""
        async with self.db.uow(tenant or self.tenant) as tx:
            return await tx.now()

    async def hear(self, tenant: str, report: CallReport) -> None:
        """What the carrier tells."""
        await hear(self.desk, tenant, report)

    # --- booking's events -------------------------------------------------------------------------------

    def visit(self, start: datetime, version: int = 1, **more: Any) -> Visit:
        """A new appointment that booking knows."""
        given = {"campaign_id": "cmp_1", "zone": "UTC", "name": "Ada", "phone": PHONE, **more}
        visit = Visit(new_id("apt"), version, contact_id="cnt_1", start=start, **given)
        self.visits.known[visit.appointment_id] = visit
        return visit

    async def told(self, visit: Visit, key: str = "") -> None:
        """An event of an appointment that takes place."""
        self.visits.known[visit.appointment_id] = visit
        await follow_appointments(self.desk, self.tenant, [Told(visit, False, _claim(key))])

    def cancelled_in_booking(self, visit: Visit) -> None:
        """Booking has committed the cancellation; nobody was told."""
        self.visits.known[visit.appointment_id] = replace(visit, takes_place=False)

    async def ended(self, visit: Visit, key: str = "") -> None:
        """The event of its cancellation."""
        self.cancelled_in_booking(visit)
        await follow_appointments(self.desk, self.tenant, [Told(visit, True, _claim(key))])

    async def booked(self, start: datetime, **more: Any) -> Visit:
        """A new appointment, told."""
        visit = self.visit(start, **more)
        await self.told(visit)
        return visit

    # --- time -------------------------------------------------------------------------------------------

    async def go_to(self, moment: datetime) -> None:
        """Moves the tenant's test clock on to a moment."""
        statement = text(
            "INSERT INTO sandbox.test_clocks (tenant_id, offset_seconds) VALUES (:t, :s)"
            " ON CONFLICT (tenant_id) DO UPDATE SET offset_seconds = :s"
        )
        seconds = (moment - datetime.now(UTC)).total_seconds()
        assert seconds > 0
        async with self.db.uow(self.tenant) as tx:
            await tx.run(statement, {"t": self.tenant, "s": int(seconds) + 1})

    async def make(self) -> int:
        """Makes what is due."""
        return await make_reminders(self.desk, self.tenant)

    async def look_up(self) -> int:
        """Asks about what is in doubt."""
        return await look_up_calls(self.desk, self.tenant)

    # --- what came of it --------------------------------------------------------------------------------

    async def of(self, visit: Visit) -> list[Reminder]:
        """Reminders of an appointment."""
        async with self.db.uow(self.tenant) as tx:
            return list(await reminders.of_appointment(tx, visit.appointment_id))

    async def only(self, visit: Visit) -> Reminder:
        """Its one reminder."""
        (found,) = await self.of(visit)
        return found

    async def attempts(self, visit: Visit) -> list[Attempt]:
        """All attempts for an appointment, in order."""
        found: list[Attempt] = []
        async with self.db.uow(self.tenant) as tx:
            for each in await reminders.of_appointment(tx, visit.appointment_id):
                found += await attempts.of_reminder(tx, each.reminder_id)
        return found

    async def colour(self, visit: Visit) -> str | None:
        """Its colour."""
        async with self.db.uow(self.tenant) as tx:
            return (await plans.get(tx, visit.appointment_id)).colour

    async def events(self) -> list[str]:
        """Names of the events that wait in the outbox, in order."""
        async with self.db.uow(self.tenant) as tx:
            query = text("SELECT subject FROM reminders.outbox WHERE tenant_id = :t ORDER BY id")
            found = await tx.run(query, {"t": self.tenant})
            return [row.subject.rpartition(".")[2] for row in found]

    async def rows(self, table: str) -> list[Any]:
        """All rows of a table."""
        async with self.db.uow(self.tenant) as tx:
            query = text(f"SELECT * FROM reminders.{table} WHERE tenant_id = :t")
            return list(await tx.run(query, {"t": self.tenant}))


def _claim(key: str) -> Claim:
    return Claim(f"evt:test:{key or uuid.uuid4().hex}", b"")
