"""Composition of the gateway's own process: the JSON edge. Envoy is a process beside it."""

import asyncio
from pathlib import Path

from gateway.edge.server import Edge
from gateway.keys import TokenFilter
from gateway.settings import GatewaySettings
from kit import telemetry
from kit.settings import SettingsError

_log = telemetry.logger(__name__)


class GatewayApp:
    """The edge, the page with its metrics, and the keys that Envoy is told."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._edge = Edge(settings.max_body_bytes)
        self._page = telemetry.MetricsPage(settings.host, settings.metrics_port)
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serves. Raises SettingsError, naming the variable, when a port is taken."""
        settings = self._settings
        telemetry.configure_logging(settings.service, settings.log_level)
        try:
            self._page.start()
        except OSError:
            raise SettingsError(f"GIRO_GATEWAY_METRICS_PORT: {settings.metrics_port} is taken") from None
        port = await self._edge.start(f"{settings.host}:{settings.edge_port}")
        if settings.token_filter_file:
            settings.require("jwks_file")
            tokens = TokenFilter(settings, Path(settings.token_filter_file))
            self._watching = asyncio.create_task(tokens.watch())
        _log.info("serving the JSON edge", port=port)

    async def stop(self) -> None:
        """Answers what is in hand and stops listening."""
        if self._watching is not None:
            self._watching.cancel()
        await self._edge.stop()
        self._page.stop()


def build(settings: GatewaySettings) -> GatewayApp:
    """The gateway's app."""
    return GatewayApp(settings)
