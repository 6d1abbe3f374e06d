"""The composition root of geo: the only room that knows all others."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import numpy as np

from geo.domain.drives import UNREACHABLE
from geo.domain.legs import LegBook, Pair, free_leg
from geo.domain.stop import Leg
from geo.settings import GeoSettings
from geo.storage.constraints import CONSTRAINTS
from geo.transport import consumers
from geo.transport.geo_rpc import GeoServicer
from geo.transport.ledger_rpc import LedgerServicer
from geo.travel.engine import Engine
from geo.travel.estimate import Estimate
from geo.usecases.expire_holds import expire_holds
from geo.usecases.ledger import Ledger
from geo.usecases.watch_invariants import watch_invariants
from giro.geo.v1 import geo_pb2, ledger_pb2
from giro.geo.v1.geo_pb2_grpc import add_GeoServiceServicer_to_server
from giro.geo.v1.ledger_pb2_grpc import add_LedgerServiceServicer_to_server
from kit import telemetry
from kit.bus.connect import Bus, ensure_stream
from kit.bus.consumer import Consumer
from kit.bus.relay import Relay
from kit.db.engine import Database
from kit.errors import Reason, Unavailable
from kit.rpc.server import Add, Server
from kit.rpc.tokens import Authenticator
from kit.runtime import Background
from kit.telemetry import MetricsPage


class RelayApp:
    """Sends geo's events, and nothing else."""

    def __init__(self, settings: GeoSettings) -> None:
        settings.require("database_url", "worker_database_url", "nats_url")
        self.settings = settings
        self.db = make_database(settings)
        self.bus = Bus(settings.nats_url, f"giro-{settings.service}")
        self.metrics = MetricsPage(settings.host, settings.metrics_port)
        self.background = Background()

    async def start(self) -> None:
        """Checks the database's logins, connects to NATS when it is there, begins to send."""
        telemetry.configure_logging(self.settings.service, self.settings.log_level)
        await self.db.start()
        self.metrics.start()
        await self.bus.start()
        await ensure_stream(self.bus, self.settings.service, self.settings.stream_replicas)
        self.background.spawn("relay", Relay(self.db, self.bus, self.settings.service).run)

    async def stop(self) -> None:
        """Ends everything; what is in the outbox is sent by the next start."""
        await self.background.stop()
        await self.bus.stop()
        await self.db.stop()
        self.metrics.stop()


class GeoApp(RelayApp):
    """Serves gRPC, sends events, frees what booking gave up, sweeps holds, watches the guarantee."""

    def __init__(self, settings: GeoSettings) -> None:
        """Raises SettingsError, naming the variables, for what it cannot start with."""
        settings.require("jwks_file", "service_key")
        super().__init__(settings)
        self.ledger = Ledger(self.db, EngineTravel(Estimate()))
        search = _Search()
        auth = Authenticator(settings.jwks_file, settings.service_key)
        servicers: list[tuple[Add, Any]] = [
            (add_GeoServiceServicer_to_server, GeoServicer(self.ledger, search)),
            (add_LedgerServiceServicer_to_server, LedgerServicer(self.ledger, search)),
        ]
        self.server = Server(settings, servicers, auth)

    async def start(self) -> None:
        """As the relay's, then serves."""
        await super().start()
        self.background.spawn("settle booking", self._consumer().run)
        self.background.spawn("sweep holds", self._every(self.settings.sweep_seconds, expire_holds))
        self.background.spawn("watch invariants", self._every(self.settings.verify_seconds, watch_invariants))
        await self.server.start()

    async def stop(self) -> None:
        """Ends calls first, then everything else."""
        await self.server.stop()
        await super().stop()

    def _consumer(self) -> Consumer:
        handler = consumers.settles_booking(self.ledger)
        return Consumer(
            self.bus, consumers.DURABLE, consumers.STREAM, consumers.SUBJECTS, handler, db=self.db
        )

    def _every(
        self, seconds: float, work: Callable[[Ledger], Awaitable[object]]
    ) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            while True:
                await work(self.ledger)
                await asyncio.sleep(seconds)

        return run


def build(settings: GeoSettings) -> GeoApp:
    """The service. Raises SettingsError, naming the variables, for what it cannot start with."""
    return GeoApp(settings)


def build_relay(settings: GeoSettings) -> RelayApp:
    """The sender of events alone. Raises SettingsError like `build`."""
    return RelayApp(settings)


def make_database(settings: GeoSettings) -> Database:
    """The service's pools, not yet checked."""
    return Database(
        settings.database_url,
        service=settings.service,
        schema=settings.service,
        sandbox=settings.sandbox,
        worker_url=settings.worker_database_url,
        pool_size=settings.database_pool,
        constraints=CONSTRAINTS,
    )


class EngineTravel:
    """An engine as the ledger's port."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def version(self, tenant: str) -> str:
        """The engine's."""
        return self._engine.version

    async def legs(self, tenant: str, pairs: Collection[Pair]) -> LegBook:
        """As measured now."""
        asked = [pair for pair in pairs if free_leg(*pair) is None]
        book: dict[Pair, Leg | None] = {pair: free_leg(*pair) for pair in pairs}
        froms, tos = (np.array([pair[end] for pair in asked], dtype=np.int64) for end in (0, 1))
        for pair, seconds, metres in zip(asked, *await self._engine.measure(froms, tos), strict=True):
            known = Leg(*pair, int(seconds), int(metres), self._engine.source, self._engine.version)
            book[pair] = None if seconds == UNREACHABLE else known
        return LegBook(self._engine.version, book)


class _Search:
    async def search_slots(self, request: ledger_pb2.SearchSlotsRequest) -> ledger_pb2.SearchSlotsResponse:
        raise Unavailable(Reason.SERVICE_UNAVAILABLE, "slot search is being wired")

    async def import_matrix(self, request: geo_pb2.ImportMatrixRequest) -> geo_pb2.ImportMatrixResponse:
        raise Unavailable(Reason.SERVICE_UNAVAILABLE, "slot search is being wired")

    async def list_now_infeasible(
        self, request: geo_pb2.ListNowInfeasibleRequest
    ) -> geo_pb2.ListNowInfeasibleResponse:
        raise Unavailable(Reason.SERVICE_UNAVAILABLE, "slot search is being wired")
