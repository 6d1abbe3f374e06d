"""Envoy and edge, started for a test with one stub behind all backends."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from gateway.edge.server import Edge
from gateway.settings import GatewaySettings
from gateway.testing.envoy import Envoy
from gateway.testing.stub import Stub
from gateway.testing.tokens import Tokens
from kit.testing.ports import free_ports


@dataclass
class Harness:
    """Envoy, edge and one stub behind all three backends."""

    settings: GatewaySettings
    envoy: Envoy
    edge: Edge
    stub: Stub
    tokens: Tokens

    @property
    def url(self) -> str:
        """Base address of the JSON form."""
        return self.envoy.url

    @property
    def grpc_target(self) -> str:
        """Address for gRPC clients."""
        return f"127.0.0.1:{self.settings.port}"

    @cached_property
    def bearer(self) -> dict[str, str]:
        """Headers with a good token."""
        return {"authorization": f"Bearer {self.tokens.sign()}"}

    async def stop(self) -> None:
        """Stops all three."""
        await self.envoy.stop()
        await self.edge.stop(grace_seconds=0)
        await self.stub.stop()


async def start_harness(folder: Path, **settings: Any) -> Harness:
    """Starts all three with their files in `folder`; `settings` change the gateway's own."""
    stub, tokens = Stub(), Tokens()
    await stub.start()
    tokens.write_jwks(folder / "jwks.json")
    edge = Edge(GatewaySettings.model_fields["max_body_bytes"].default, CollectorRegistry())
    edge_port = await edge.start("127.0.0.1:0")
    port, admin_port = free_ports(2)
    target = f"127.0.0.1:{stub.port}"
    chosen = GatewaySettings(
        **{
            "port": port,
            "admin_port": admin_port,
            "edge_port": edge_port,
            "identity_target": target,
            "booking_target": target,
            "geo_target": target,
            "reminders_target": target,
            "jwks_file": str(folder / "jwks.json"),
            **settings,
        }
    )
    envoy = Envoy(chosen, folder)
    await envoy.start()
    return Harness(chosen, envoy, edge, stub, tokens)
