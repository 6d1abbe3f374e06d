"""A gRPC server with everything around it: interceptors, health, reflection, an orderly end."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from kit import telemetry
from kit.rpc.contract import rpcs_of
from kit.rpc.interceptors.chain import wrap
from kit.rpc.interceptors.metrics import RpcMetrics
from kit.rpc.tokens import Authenticator
from kit.settings import ServiceSettings, SettingsError

MAX_REQUEST_BYTES: Final = 1024 * 1024

_OPTIONS: Final = [
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_send_message_length", 4 * MAX_REQUEST_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 1000),
    ("grpc.max_connection_age_ms", 30 * 60 * 1000),
    ("grpc.max_connection_age_grace_ms", 60 * 1000),
]
_MAX_CONCURRENT: Final = 1000

Add = Callable[[Any, Any], None]
"""A generated `add_…Servicer_to_server`."""

_log = telemetry.logger("kit.rpc")


class Server:
    """Serves servicers on `settings.host` and `settings.port` (0: any free one, see `port`)."""

    def __init__(
        self,
        settings: ServiceSettings,
        servicers: Sequence[tuple[Add, Any]],
        auth: Authenticator,
        metrics: RpcMetrics | None = None,
    ) -> None:
        """Raises AccessMissing for an RPC whose contract does not say who may call it."""
        self._settings = settings
        registrar = _Registrar(auth, metrics or RpcMetrics.shared())
        for add, servicer in servicers:
            add(servicer, registrar)
        self._handlers = registrar.handlers
        self._health = health_aio.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self.port = settings.port

    async def start(self) -> None:
        """Begins to serve and says so to health checks. Raises SettingsError when the port is taken."""
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_MAX_CONCURRENT)
        for name, handlers in self._handlers.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if not self._settings.production:
            reflection.enable_server_reflection([*self._handlers, reflection.SERVICE_NAME], server)
        self.port = self._bind(server)
        await server.start()
        self._server = server
        for name in ("", *self._handlers):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        _log.info("serving", host=self._settings.host, port=self.port, services=list(self._handlers))

    async def stop(self, grace: float = 10.0) -> None:
        """Says NOT_SERVING, takes no more calls, and gives those under way `grace` seconds to end."""
        await self._health.enter_graceful_shutdown()
        if self._server is not None:
            await self._server.stop(grace)
            self._server = None

    def _bind(self, server: grpc.aio.Server) -> int:
        address = f"{self._settings.host}:{self._settings.port}"
        try:
            return server.add_insecure_port(address)
        except RuntimeError as error:
            raise SettingsError(f"{address} cannot be listened on: {error}") from None


class _Registrar:
    """What generated code takes for a server: it keeps the handlers, wrapped."""

    def __init__(self, auth: Authenticator, metrics: RpcMetrics) -> None:
        self.handlers: dict[str, dict[str, Any]] = {}
        self._auth, self._metrics = auth, metrics

    def add_generic_rpc_handlers(self, _: object) -> None:
        """Generated code calls this and the next; the next says more."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Wraps each handler with the interceptors."""
        rpcs = rpcs_of(service)
        self.handlers[service] = {
            name: wrap(handler, rpcs[name], self._auth, self._metrics) for name, handler in handlers.items()
        }
