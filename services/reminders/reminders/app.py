"""The composition root of reminders: the only room that knows all others."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import TZPATH

import tzdata

from giro.reminders.v1.reminders_pb2_grpc import add_RemindersServiceServicer_to_server
from kit import subjects, telemetry
from kit.bus.connect import Bus
from kit.bus.consumer import Consumer
from kit.bus.relay import Relay
from kit.db.engine import Database
from kit.errors import Unavailable
from kit.process import CONNECTS, RelayApp, background_of, connect, database_of
from kit.rpc.client import Client
from kit.rpc.server import Server
from kit.rpc.tokens import Authenticator, ServiceTokens
from kit.runtime import Background
from reminders import events
from reminders.clients.booking import BookingVisits
from reminders.clients.carriers import Carriers, carriers
from reminders.clients.sandbox_messages import KeptMessages
from reminders.clients.simulated import SimulatedCarrier
from reminders.clients.stored_journal import StoredAnswers, StoredJournal
from reminders.domain.reminder import Channel
from reminders.prompts.catalogue import catalogue
from reminders.prompts.speech import Prompts
from reminders.settings import Settings
from reminders.storage.constraints import CONSTRAINTS
from reminders.transport.consumers import (
    APPOINTMENTS,
    DROPS,
    LETTERS,
    OPT_OUTS,
    WRITTEN_OF,
    Appointments,
    Drops,
    Letters,
    OptOuts,
)
from reminders.transport.rpc import RemindersServicer
from reminders.transport.webhooks import TwilioWebhooks, WebhookServer
from reminders.usecases import follow_defaults as following
from reminders.usecases import look_up_calls as looking_up
from reminders.usecases import recompute_zones as recomputing
from reminders.usecases.desk import Desk, Timers
from reminders.usecases.hear import hear
from reminders.usecases.make_reminders import Maker
from reminders.usecases.outside import Visits
from reminders.usecases.ports import CallReport

_SERVES = (*CONNECTS, "jwks_file", "service_key")
_WORKS = (*CONNECTS, "service_key")
_log = telemetry.logger(__name__)


def make_database(settings: Settings) -> Database:
    """The service's pools, not yet checked."""
    return database_of(settings, CONSTRAINTS, settings.pool_size)


class Ears:
    """What providers tell goes to the desk, which is made after them."""

    def __init__(self) -> None:
        self.desk: Desk | None = None

    async def __call__(self, tenant: str, report: CallReport) -> None:
        """See `usecases.ports.Sink`."""
        assert self.desk is not None
        await hear(self.desk, tenant, report)


def make_desk(settings: Settings, db: Database, visits: Visits) -> tuple[Desk, Carriers]:
    """What the use cases work with. Raises SettingsError where there is nobody to place calls."""
    ears = Ears()
    timers = Timers(
        lease=timedelta(seconds=settings.lease),
        give_up=timedelta(seconds=settings.give_up),
        look_up_for=timedelta(seconds=settings.look_up_for),
    )
    carried = _carriers(settings, db, ears)
    messages = {Channel.EMAIL: carried.email, Channel.SMS: carried.sms}
    ears.desk = Desk(db, visits, Prompts(catalogue()), carried.voice, messages, zone_data_version(), timers)
    return ears.desk, carried


def _carriers(settings: Settings, db: Database, ears: Ears) -> Carriers:
    async def now(tenant: str) -> datetime:
        async with db.uow(tenant) as tx:
            return await tx.now()

    journal = StoredJournal(db)
    if not settings.sandbox or settings.voice_provider not in {"", "simulated"}:
        return carriers(settings, ears, journal, now)
    kept = KeptMessages(db)
    voice = SimulatedCarrier(ears, journal, StoredAnswers(db), now, sandbox=settings.sandbox)
    return Carriers(voice, kept, kept)


def webhooks(settings: Settings, carried: Carriers) -> WebhookServer | None:
    """The way in for Twilio, where Twilio carries the calls."""
    if carried.twilio is None or carried.api is None:
        return None
    heard = TwilioWebhooks(carried.twilio, carried.api.accounts.of, settings.webhook_url)
    return WebhookServer(heard.application(), settings.host, settings.webhook_port)


def zone_data_version() -> str:
    """The version of the time zones' data that this process goes by, as in "2026b"."""
    for folder in map(Path, TZPATH):  # in the order in which zoneinfo looks
        listing = folder / "tzdata.zi"
        if listing.is_file():
            with listing.open() as lines:
                return lines.readline().rpartition(" ")[2].strip()
    return str(tzdata.IANA_VERSION)


class RemindersApp:
    """Serves RemindersService, follows booking, makes what is due, sends its events."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError, naming the variables, for settings that it cannot serve with."""
        settings.require(*_SERVES)
        self._settings = settings
        self._open = AsyncExitStack()
        self.server: Server | None = None

    async def start(self) -> None:
        """Connects, begins the background tasks, and serves last."""
        settings = self._settings
        db = make_database(settings)
        bus = await connect(settings, db, self._open)
        desk, carried = _desk(settings, db, self._open)
        background = background_of(self._open)
        background.spawn("relay", Relay(db, bus, settings.service).run)
        _work(background, settings, desk, bus)
        servicers = [(add_RemindersServiceServicer_to_server, RemindersServicer(desk))]
        auth = Authenticator(settings.jwks_file, settings.service_key)
        self.server = Server(settings, servicers, auth)
        await self.server.start()
        self._open.push_async_callback(self.server.stop)
        heard = webhooks(settings, carried)
        if heard is not None:
            self._open.push_async_callback(heard.stop)
            await heard.start()

    async def stop(self) -> None:
        """Takes no more calls, lets those under way end, stops the background, closes everything."""
        await self._open.aclose()


class WorkerApp:
    """Makes what is due and nothing else; any number of them may run."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError, naming the variables, for settings that it cannot run with."""
        settings.require(*_WORKS)
        self._settings = settings
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Connects and begins."""
        db = make_database(self._settings)
        bus = await connect(self._settings, db, self._open)
        desk, _ = _desk(self._settings, db, self._open)
        _work(background_of(self._open), self._settings, desk, bus)

    async def stop(self) -> None:
        """Lets what is in hand end, and closes everything."""
        await self._open.aclose()


async def make_for_ever(desk: Desk, settings: Settings) -> None:
    """Makes what is due; waits while the database is away."""
    maker = Maker(desk, settings.at_once)
    try:
        while True:
            claimed = 0
            try:
                claimed = await maker.round()
            except Unavailable as error:
                _log.warning("making_waits", error=str(error))
            if claimed < settings.at_once // 2:  # else there is more to do at once
                await asyncio.sleep(settings.make_every)
    finally:
        await maker.finish()


async def look_up_for_ever(desk: Desk, settings: Settings) -> None:
    """Settles calls in doubt; plans anew after a change of the defaults or of the time zones' data.

    What is a whole batch is followed by the next one at once.
    """
    while True:
        more = False
        try:
            planned = await recomputing.recompute_zones(desk)
            followed = await following.follow_defaults(desk)
            looked = await looking_up.look_up_calls(desk)
            more = (
                planned >= recomputing.AT_ONCE
                or followed >= following.AT_ONCE
                or looked >= looking_up.AT_ONCE
            )
        except Unavailable as error:
            _log.warning("looking_up_waits", error=str(error))
        if not more:
            await asyncio.sleep(settings.look_up_every)


def _work(background: Background, settings: Settings, desk: Desk, bus: Bus) -> None:
    followed = Appointments(desk)
    appointments = Consumer(
        bus,
        APPOINTMENTS,
        subjects.stream("booking"),
        [subjects.evt("*", "booking", ">")],
        followed,
        db=desk.db,
        together=followed.together,
    )
    background.spawn("appointments", appointments.run)
    for durable, names, handler in (
        (LETTERS, WRITTEN_OF, Letters(desk)),
        (OPT_OUTS, (events.OPTED_OUT,), OptOuts(desk)),
        (DROPS, (events.DROPPED,), Drops(desk)),
    ):
        told = [subjects.evt("*", settings.service, each) for each in names]
        own = Consumer(bus, durable, subjects.stream(settings.service), told, handler, db=desk.db)
        background.spawn(durable.removeprefix(f"{settings.service}-"), own.run)
    background.spawn("make reminders", lambda: make_for_ever(desk, settings))
    background.spawn("look up calls", lambda: look_up_for_ever(desk, settings))


def _desk(settings: Settings, db: Database, opened: AsyncExitStack) -> tuple[Desk, Carriers]:
    tokens = ServiceTokens(settings.service, settings.service_key)
    client = Client(settings.booking_target, tokens, name="booking")
    opened.push_async_callback(client.close)
    desk, carried = make_desk(settings, db, BookingVisits(client))
    opened.push_async_callback(carried.close)
    return desk, carried


def build(settings: Settings) -> RemindersApp:
    """The whole service."""
    telemetry.configure_logging(settings.service, settings.log_level)
    return RemindersApp(settings)


def build_worker(settings: Settings) -> WorkerApp:
    """A worker alone."""
    telemetry.configure_logging(settings.service, settings.log_level)
    return WorkerApp(settings)


def build_relay(settings: Settings) -> RelayApp:
    """The relay alone. Raises SettingsError, naming the variables, for settings that it cannot run with."""
    telemetry.configure_logging(settings.service, settings.log_level)
    settings.require(*CONNECTS)
    return RelayApp(settings, make_database(settings))
