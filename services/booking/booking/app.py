"""The composition root of booking: the only room that knows all others."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

from booking.clients.clamd import Clamd
from booking.clients.document_folder import DocumentFolder
from booking.clients.geo import GeoAgents, GeoLedger, GeoPlaces
from booking.clients.geo_rounds import GeoRounds
from booking.domain.agent_calendar import FeedSecrets
from booking.domain.pages import PageTokens
from booking.domain.slot_token import SlotTokens
from booking.settings import Settings
from booking.storage.constraints import CONSTRAINTS
from booking.transport.annulments_rpc import AnnulmentsServicer
from booking.transport.calendars_rpc import CalendarsServicer
from booking.transport.consumers import (
    ANSWERS,
    COUNTING,
    FREED_TIMES,
    FREEING,
    PACKAGE_LEVELS,
    RECENT_CHANGES,
    FreedTimes,
    PackageLevels,
    RecentChanges,
    ReminderAnswers,
)
from booking.transport.contacts_rpc import ContactsServicer
from booking.transport.documents_rpc import DocumentsServicer
from booking.transport.explanations_rpc import ExplanationsServicer
from booking.transport.feeds import Feeds, FeedServer
from booking.transport.outcomes_rpc import OutcomesServicer
from booking.transport.packages_rpc import PackagesServicer
from booking.transport.plans_rpc import PlansServicer
from booking.transport.portal_rpc import PortalServicer
from booking.transport.refix_rpc import RefixServicer
from booking.transport.repairs_rpc import RepairsServicer
from booking.transport.rpc import BookingServicer
from booking.transport.series_rpc import SeriesServicer
from booking.transport.swaps_rpc import SwapsServicer
from booking.transport.unavailability_rpc import UnavailabilityServicer
from booking.transport.veiled import Veiled
from booking.transport.visits_rpc import VisitsServicer
from booking.transport.waitlist_rpc import WaitlistServicer
from booking.usecases.desk import Desk
from booking.usecases.document_store import DocumentStore
from booking.usecases.documents import Shelf, Sweep, sweep_documents
from booking.usecases.grounds_reads import GroundsReads
from booking.usecases.openings import Place, forget_openings, work_openings
from booking.usecases.packages import recover_units
from booking.usecases.refix.list_recalls import release_recalls
from booking.usecases.refix.run_procedures import Turns, run_procedures
from booking.usecases.replay import Replayed, replay_tenant
from booking.usecases.send_again import send_again
from booking.usecases.settle_changes import settle_changes
from booking.usecases.virus_scanner import NoScanner, VirusScanner
from booking.usecases.waitlist import end_past_entries
from giro.booking.v1.annulments_pb2_grpc import add_AnnulmentsServiceServicer_to_server
from giro.booking.v1.booking_pb2_grpc import add_BookingServiceServicer_to_server
from giro.booking.v1.calendars_pb2_grpc import add_CalendarsServiceServicer_to_server
from giro.booking.v1.contacts_pb2_grpc import add_ContactsServiceServicer_to_server
from giro.booking.v1.documents_pb2_grpc import add_DocumentsServiceServicer_to_server
from giro.booking.v1.explanations_pb2_grpc import add_ExplanationsServiceServicer_to_server
from giro.booking.v1.outcomes_pb2_grpc import add_OutcomesServiceServicer_to_server
from giro.booking.v1.packages_pb2_grpc import add_PackagesServiceServicer_to_server
from giro.booking.v1.plans_pb2_grpc import add_PlansServiceServicer_to_server
from giro.booking.v1.portal_pb2_grpc import add_PortalServiceServicer_to_server
from giro.booking.v1.refix_pb2_grpc import add_RefixServiceServicer_to_server
from giro.booking.v1.repairs_pb2_grpc import add_RepairsServiceServicer_to_server
from giro.booking.v1.series_pb2_grpc import add_SeriesServiceServicer_to_server
from giro.booking.v1.swaps_pb2_grpc import add_SwapsServiceServicer_to_server
from giro.booking.v1.unavailability_pb2_grpc import add_UnavailabilityServiceServicer_to_server
from giro.booking.v1.visits_pb2_grpc import add_VisitsServiceServicer_to_server
from giro.booking.v1.waitlist_pb2_grpc import add_WaitlistServiceServicer_to_server
from kit import subjects, telemetry
from kit.bus.connect import Bus
from kit.bus.consumer import Consumer
from kit.bus.relay import Relay
from kit.db.engine import Database
from kit.errors import Unavailable
from kit.process import CONNECTS, RelayApp, background_of, connect, database_of
from kit.rpc.client import Client
from kit.rpc.server import Add, Server
from kit.rpc.tokens import Authenticator, ServiceTokens
from kit.settings import SettingsError
from kit.values.clock import SystemClock

_SERVES = (*CONNECTS, "jwks_file", "service_key", "slot_token_key")
_log = telemetry.logger(__name__)


def make_database(settings: Settings) -> Database:
    """The service's pools, not yet checked."""
    return database_of(settings, CONSTRAINTS, settings.pool_size)


def make_desk(settings: Settings, db: Database, geo: Client) -> Desk:
    """What the use cases work with. Raises SettingsError for a slot token key that is too short."""
    key = settings.slot_token_key.encode()
    try:
        seals = SlotTokens(key), PageTokens(key)
    except ValueError as refused:
        raise SettingsError(f"GIRO_SLOT_TOKEN_KEY: {refused}") from None
    ledger, within = GeoLedger(geo, settings.ledger_timeout), timedelta(seconds=settings.series_within)
    return Desk(db, GroundsReads(db), ledger, GeoAgents(geo), *seals, within, settings.moves_at_once)


async def replay(settings: Settings, tenant: str) -> Replayed:
    """Holds a tenant's appointments against their events. Raises SettingsError, also for a malformed id."""
    settings.require("database_url")
    db = make_database(settings)
    await db.start()
    try:
        return await replay_tenant(db, tenant)
    except ValueError as refused:
        raise SettingsError(str(refused)) from None
    finally:
        await db.stop()


async def resend(settings: Settings, tenant: str, since: datetime) -> int:
    """Sends a tenant's events since then once more. Raises SettingsError, also for a malformed id or time."""
    settings.require("database_url")
    db = make_database(settings)
    await db.start()
    try:
        return await send_again(db, tenant, since, SystemClock().now())
    except ValueError as refused:
        raise SettingsError(str(refused)) from None
    finally:
        await db.stop()


class BookingApp:
    """Serves BookingService, sends its events, feeds the recent changes, settles what is unfinished."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError, naming the variables, for settings that booking cannot serve with."""
        settings.require(*_SERVES)
        self._settings = settings
        self._open = AsyncExitStack()
        self.server: Server | None = None

    async def start(self) -> None:
        """Connects, begins the background tasks, and serves last."""
        settings = self._settings
        db = make_database(settings)
        bus = await connect(settings, db, self._open)
        geo = self._client()
        desk = make_desk(settings, db, geo)
        rounds = GeoRounds(geo, settings.ledger_timeout)
        background = background_of(self._open)
        background.spawn("relay", Relay(db, bus, settings.service).run)
        background.spawn("recent changes", _recent_changes(settings, db, bus).run)
        background.spawn("package levels", _package_levels(settings, db, bus).run)
        background.spawn("freed times", _freed_times(desk, bus).run)
        background.spawn("waiting list", lambda: offer_for_ever(desk, settings))
        background.spawn("recovery", lambda: recover_for_ever(desk, settings))
        background.spawn("answers of reminders", _answers(desk, bus).run)
        background.spawn("settle changes", lambda: settle_for_ever(desk, settings))
        feeds = FeedServer(Feeds(desk).application(), settings.host, settings.feed_port)
        self._open.push_async_callback(feeds.stop)
        listens_at = await feeds.start()
        secrets = FeedSecrets(settings.slot_token_key.encode())
        calendars = CalendarsServicer(desk, secrets, settings.feed_url or listens_at)
        documents = self._documents()
        shelf = Shelf(documents, self._scanner())
        background.spawn("unnamed documents", lambda: sweep_for_ever(desk, documents, settings))
        background.spawn("procedures", lambda: run_for_ever(desk, settings))
        servicers: list[tuple[Add, object]] = [
            (add_CalendarsServiceServicer_to_server, calendars),
            (add_DocumentsServiceServicer_to_server, DocumentsServicer(desk, shelf)),
            (
                add_BookingServiceServicer_to_server,
                BookingServicer(desk, GeoPlaces(geo, settings.ledger_timeout)),
            ),
            (add_VisitsServiceServicer_to_server, VisitsServicer(desk)),
            (add_OutcomesServiceServicer_to_server, OutcomesServicer(desk)),
            (add_ExplanationsServiceServicer_to_server, ExplanationsServicer(desk)),
            (add_PortalServiceServicer_to_server, PortalServicer(desk)),
            (add_PackagesServiceServicer_to_server, PackagesServicer(desk)),
            (add_AnnulmentsServiceServicer_to_server, AnnulmentsServicer(desk)),
            (add_UnavailabilityServiceServicer_to_server, UnavailabilityServicer(desk)),
            (add_RepairsServiceServicer_to_server, RepairsServicer(desk, rounds)),
            (add_PlansServiceServicer_to_server, PlansServicer(desk, rounds)),
            (add_WaitlistServiceServicer_to_server, WaitlistServicer(desk)),
            (add_SeriesServiceServicer_to_server, SeriesServicer(desk)),
            (add_SwapsServiceServicer_to_server, SwapsServicer(desk, rounds)),
            (add_ContactsServiceServicer_to_server, ContactsServicer(desk)),
            (add_RefixServiceServicer_to_server, RefixServicer(desk)),
        ]
        auth = Authenticator(settings.jwks_file, settings.service_key)
        veiled = [(add, Veiled(desk, servicer)) for add, servicer in servicers]
        self.server = Server(settings, veiled, auth)
        await self.server.start()
        self._open.push_async_callback(self.server.stop)

    async def stop(self) -> None:
        """Takes no more calls, lets those under way end, stops the background, closes everything."""
        await self._open.aclose()

    def _documents(self) -> DocumentStore:
        settings = self._settings
        if not settings.s3_bucket:
            return DocumentFolder(settings.documents_folder)
        from booking.clients.document_bucket import Bucket, DocumentBucket  # slow, and often not needed

        keys = settings.s3_access_key_id, settings.s3_secret_access_key
        bucket = DocumentBucket(Bucket(settings.s3_bucket, settings.s3_endpoint, settings.s3_region, *keys))
        self._open.callback(bucket.close)
        return bucket

    def _scanner(self) -> VirusScanner:
        settings = self._settings
        if settings.clamd:
            return Clamd(settings.clamd, settings.clamd_within)
        _log.warning("documents are kept unscanned: GIRO_BOOKING_CLAMD is not set")
        return NoScanner()

    def _client(self) -> Client:
        settings = self._settings
        tokens = ServiceTokens(settings.service, settings.service_key)
        client = Client(settings.geo_target, tokens, name="geo")
        self._open.push_async_callback(client.close)
        return client


async def settle_for_ever(desk: Desk, settings: Settings) -> None:
    """The reconciler as a background task; it waits while the database is away."""
    while True:
        settled = 0
        try:
            settled = await settle_changes(desk, timedelta(seconds=settings.settle_after))
        except Unavailable as error:
            _log.warning("settling_waits", error=str(error))
        if not settled:  # else there may be more
            await asyncio.sleep(settings.settle_every)


async def offer_for_ever(desk: Desk, settings: Settings) -> None:
    """Passes on what has expired and forgets what is long past, as a background task; it waits while the
    database or geo is away."""
    place = Place()
    while True:
        try:
            await work_openings(desk, place)
            await forget_openings(desk)
            await end_past_entries(desk)
        except Unavailable as error:
            _log.warning("waiting_list_waits", error=str(error))
        await asyncio.sleep(settings.offer_every)


async def sweep_for_ever(desk: Desk, store: DocumentStore, settings: Settings) -> None:
    """Drops bytes that no document names, as a background task; it waits while the store is away."""
    sweep = Sweep()
    while True:
        swept = 0
        try:
            swept = await sweep_documents(desk, store, timedelta(seconds=settings.upload_grace), sweep)
        except Unavailable as error:
            _log.warning("sweeping_waits", error=str(error))
        if not swept:
            await asyncio.sleep(settings.sweep_every)


async def recover_for_ever(desk: Desk, settings: Settings) -> None:
    """Sets free what may be made up each day, as a background task; it waits while the database is away."""
    while True:
        try:
            await recover_units(desk)
        except Unavailable as error:
            _log.warning("recovery_waits", error=str(error))
        await asyncio.sleep(settings.recover_every)


async def run_for_ever(desk: Desk, settings: Settings) -> None:
    """Scheduled procedures and the release of recalls; it waits while the database is away."""
    turns = Turns()
    while True:
        worked = 0
        try:
            worked = await run_procedures(desk, turns) + await release_recalls(desk)
        except Unavailable as error:
            _log.warning("procedures_wait", error=str(error))
        if not worked:
            await asyncio.sleep(settings.run_every)


def _recent_changes(settings: Settings, db: Database, bus: Bus) -> Consumer:
    stream, wanted = subjects.stream(settings.service), [subjects.evt("*", settings.service, ">")]
    changes = RecentChanges(db)
    return Consumer(bus, RECENT_CHANGES, stream, wanted, changes, db=db, together=changes.together)


def _package_levels(settings: Settings, db: Database, bus: Bus) -> Consumer:
    stream = subjects.stream(settings.service)
    wanted = [subjects.evt("*", settings.service, event) for event in COUNTING]
    levels = PackageLevels(db)
    return Consumer(bus, PACKAGE_LEVELS, stream, wanted, levels, db=db, together=levels.together)


def _freed_times(desk: Desk, bus: Bus) -> Consumer:
    stream, wanted = subjects.stream("booking"), [subjects.evt("*", "booking", event) for event in FREEING]
    freed = FreedTimes(desk)
    return Consumer(bus, FREED_TIMES, stream, wanted, freed, db=desk.db, together=freed.together)


def _answers(desk: Desk, bus: Bus) -> Consumer:
    wanted = [subjects.evt("*", "reminders", "appointment_coloured")]
    return Consumer(bus, ANSWERS, subjects.stream("reminders"), wanted, ReminderAnswers(desk), db=desk.db)


def build(settings: Settings) -> BookingApp:
    """The whole service."""
    telemetry.configure_logging(settings.service, settings.log_level)
    return BookingApp(settings)


def build_relay(settings: Settings) -> RelayApp:
    """The relay alone. Raises SettingsError, naming the variables, for settings that it cannot run with."""
    telemetry.configure_logging(settings.service, settings.log_level)
    settings.require(*CONNECTS)
    return RelayApp(settings, make_database(settings))
