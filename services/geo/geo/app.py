"""The composition root of geo: the only room that knows all others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from geo.clients.geocoders import make_geocoder
from geo.domain.modes import TravelMode
from geo.settings import GeoSettings
from geo.solver.pool import PoolOptions, WorkerPool
from geo.storage.agenda_feed import AgendaFeed
from geo.storage.agendas import Agendas
from geo.storage.constraints import CONSTRAINTS
from geo.storage.matrices import Matrices
from geo.transport import consumers
from geo.transport.days_rpc import DayServicer
from geo.transport.geo_rpc import GeoServicer
from geo.transport.ledger_rpc import LedgerServicer
from geo.transport.planning_rpc import PlanningServicer
from geo.transport.profile_rpc import ProfileServicer
from geo.transport.search_rpc import SearchRpc
from geo.transport.travel_calls import TravelDesk
from geo.transport.zone_rpc import ZoneServicer
from geo.travel.factory import make_engines
from geo.travel.tenant import TenantTravel
from geo.usecases.by_mode import ByMode
from geo.usecases.check_promises import TravelData
from geo.usecases.expire_holds import count_holds, expire_holds
from geo.usecases.ledger import Ledger
from geo.usecases.parameters import estimates_allowed
from geo.usecases.rounds.planner import Planner
from geo.usecases.search_slots import SlotSearch
from geo.usecases.watch_invariants import watch_invariants
from geo.usecases.watch_travel import watch_travel
from giro.geo.v1.days_pb2_grpc import add_DayServiceServicer_to_server
from giro.geo.v1.geo_pb2_grpc import add_GeoServiceServicer_to_server
from giro.geo.v1.ledger_pb2_grpc import add_LedgerServiceServicer_to_server
from giro.geo.v1.planning_pb2_grpc import add_PlanningServiceServicer_to_server
from giro.geo.v1.travel_profile_pb2_grpc import add_TravelProfileServiceServicer_to_server
from giro.geo.v1.zones_pb2_grpc import add_ZoneServiceServicer_to_server
from kit import telemetry
from kit.bus.connect import Bus
from kit.bus.consumer import Consumer
from kit.bus.relay import Relay
from kit.db.engine import Database
from kit.process import CONNECTS, RelayApp, background_of, connect, database_of
from kit.rpc.server import Add, Server
from kit.rpc.tokens import Authenticator

Work = Callable[[], Awaitable[object]]


class GeoApp:
    """Serves gRPC, sends events, frees what booking gave up, sweeps holds, watches the guarantee."""

    bus: Bus
    """There is one from the start on."""

    def __init__(self, settings: GeoSettings) -> None:
        """Raises SettingsError, naming the variables, for what it cannot start with."""
        settings.require(*CONNECTS, "jwks_file", "service_key")
        self.settings = settings
        self.db = make_database(settings)
        self._open = AsyncExitStack()
        self.engines = make_engines(_roads(settings), snap_limit_m=settings.snap_limit_m)
        self.geocoder = make_geocoder(settings.geocoder)
        agendas, matrices = Agendas(self.db), Matrices(self.db)
        may_estimate = partial(estimates_allowed, self.db)
        travel = ByMode(
            {mode: TenantTravel(engine, matrices, may_estimate) for mode, engine in self.engines.items()}
        )
        self.ledger = Ledger(self.db, travel, agendas.mark_dirty)
        self.feed = AgendaFeed(self.db, settings.database_url, agendas, matrices)
        self.data = TravelData(self.db, travel)
        search = SearchRpc(SlotSearch(agendas, travel), self.data, self.ledger)
        self.solver = WorkerPool(PoolOptions(settings.solver_workers, settings.solver_memory_mb))
        auth = Authenticator(settings.jwks_file, settings.service_key)
        servicers: list[tuple[Add, Any]] = [
            (
                add_GeoServiceServicer_to_server,
                GeoServicer(self.ledger, search, TravelDesk(self.data, self.geocoder, self.ledger)),
            ),
            (add_DayServiceServicer_to_server, DayServicer(self.ledger)),
            (add_LedgerServiceServicer_to_server, LedgerServicer(self.ledger, search)),
            (add_TravelProfileServiceServicer_to_server, ProfileServicer(self.data)),
            (add_ZoneServiceServicer_to_server, ZoneServicer(self.ledger)),
            (add_PlanningServiceServicer_to_server, PlanningServicer(Planner(self.ledger, self.solver))),
        ]
        self.server = Server(settings, servicers, auth)

    async def start(self) -> None:
        """Connects, begins the background tasks, and serves last."""
        for close in (*(engine.close for engine in self.engines.values()), self.geocoder.close):
            self._open.push_async_callback(close)
        self.bus = await connect(self.settings, self.db, self._open)
        background = background_of(self._open)
        background.spawn("relay", Relay(self.db, self.bus, self.settings.service).run)
        background.spawn("settle booking", self._consumer().run)
        background.spawn("feed agendas", self.feed.run)
        for name, seconds, work in self._recurring():
            background.spawn(name, _every(seconds, work))
        self._open.push_async_callback(self.solver.stop)
        await self.server.start()
        self._open.push_async_callback(self.server.stop)

    async def stop(self) -> None:
        """Takes no more calls, lets those under way end, stops the background, closes everything."""
        await self._open.aclose()

    def _recurring(self) -> Iterator[tuple[str, float, Work]]:
        """What is done again and again: its name, the seconds in between, the work."""
        yield "sweep holds", self.settings.sweep_seconds, partial(expire_holds, self.ledger)
        yield "count holds", self.settings.verify_seconds, partial(count_holds, self.ledger)
        yield "watch invariants", self.settings.verify_seconds, partial(watch_invariants, self.ledger)
        yield "watch travel", self.settings.roads_check_seconds, partial(watch_travel, self.data)

    def _consumer(self) -> Consumer:
        settles = consumers.SettlesBooking(self.ledger)
        stream, wanted = consumers.STREAM, consumers.SUBJECTS
        return Consumer(
            self.bus, consumers.DURABLE, stream, wanted, settles, db=self.db, together=settles.together
        )


def _roads(settings: GeoSettings) -> dict[TravelMode, str]:
    named = settings.roads, settings.roads_bicycle, settings.roads_foot
    return dict(zip((TravelMode.CAR, TravelMode.BICYCLE, TravelMode.FOOT), named, strict=True))


def _every(seconds: float, work: Work) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        while True:
            await work()
            await asyncio.sleep(seconds)

    return run


def build(settings: GeoSettings) -> GeoApp:
    """The service. Raises SettingsError, naming the variables, for what it cannot start with."""
    telemetry.configure_logging(settings.service, settings.log_level)
    return GeoApp(settings)


def build_relay(settings: GeoSettings) -> RelayApp:
    """The sender of events alone. Raises SettingsError like `build`."""
    telemetry.configure_logging(settings.service, settings.log_level)
    settings.require(*CONNECTS)
    return RelayApp(settings, make_database(settings))


def make_database(settings: GeoSettings) -> Database:
    """The service's pools, not yet checked."""
    return database_of(settings, CONSTRAINTS, settings.database_pool)
