"""Composition of the gateway's own process: the JSON edge. Envoy is a process beside it."""

from gateway.edge.server import Edge
from gateway.settings import GatewaySettings


class GatewayApp:
    """The edge with its settings; the shape that kit.runtime runs."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._edge = Edge(settings.max_body_bytes)

    async def start(self) -> None:
        """Listens; raises RuntimeError when the port is taken."""
        await self._edge.start(f"{self._settings.host}:{self._settings.edge_port}")

    async def stop(self) -> None:
        """Answers what is in hand and stops listening."""
        await self._edge.stop()


def build(settings: GatewaySettings) -> GatewayApp:
    """The gateway's app."""
    return GatewayApp(settings)
