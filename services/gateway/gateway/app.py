"""Composition of the gateway's own process: the JSON edge. Envoy is a process beside it."""

from gateway.edge.server import Edge
from gateway.settings import GatewaySettings


class GatewayApp:
    """The edge with its settings; the shape that kit.runtime runs."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._edge: Edge | None = None

    async def start(self) -> None:
        """Listens; raises RuntimeError when the port is taken."""
        self._edge = Edge(self._settings.max_body_bytes)  # here: a gRPC server belongs to the running loop
        await self._edge.start(f"{self._settings.host}:{self._settings.edge_port}")

    async def stop(self) -> None:
        """Answers what is in hand and stops listening."""
        if self._edge is not None:
            await self._edge.stop()


def build(settings: GatewaySettings) -> GatewayApp:
    """The gateway's app."""
    return GatewayApp(settings)
