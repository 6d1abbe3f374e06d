"""Services that answer every RPC of the contracts with a sample, or with the error they were told to give."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_status import rpc_status

from gateway.contract import CONTRACTS
from gateway.testing.samples import sample
from giro.booking.v1 import visits_pb2
from giro.geo.v1 import ledger_pb2

_INTERNAL: Final = (visits_pb2.DESCRIPTOR, ledger_pb2.DESCRIPTOR)
"""Contracts between services, which the gateway has no routes for."""

CONTRACTS_SERVED: Final = (*(contract for _, contract in CONTRACTS), *_INTERNAL)
"""Every contract there is: those with routes, and those between services."""


@dataclass
class Call:
    """One call that a stub saw; `seconds_left` of its deadline, None without one."""

    method: str
    request: Message
    metadata: dict[str, str]
    seconds_left: float | None


@dataclass
class Stub:
    """All services of the contracts in one server, the ledger too, streams left out. `error` answers the next
    calls, if set."""

    calls: list[Call] = field(default_factory=list)
    error: status_pb2.Status | None = None
    delay_seconds: float = 0
    port: int = 0
    _server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> None:
        """Serves on loopback, on any free port unless one is given."""
        self._server = grpc.aio.server()
        for file in CONTRACTS_SERVED:
            for service in file.services_by_name.values():
                self._server.add_generic_rpc_handlers((self._handlers(service),))
        health = health_aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(health, self._server)
        await health.set("", health_pb2.HealthCheckResponse.SERVING)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self._server.start()

    async def stop(self) -> None:
        """Serves no more; what is in hand is cut."""
        if self._server is not None:
            await self._server.stop(None)

    def reset(self) -> None:
        """Forgets the calls and what it was told."""
        self.calls.clear()
        self.error = None
        self.delay_seconds = 0

    def _handlers(self, service: ServiceDescriptor) -> grpc.GenericRpcHandler:
        handlers: dict[str, Any] = {
            method.name: grpc.unary_unary_rpc_method_handler(
                self._answer(method.full_name, method.output_type),
                request_deserializer=message_factory.GetMessageClass(method.input_type).FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for method in service.methods
            if not (method.server_streaming or method.client_streaming)
        }
        return grpc.method_handlers_generic_handler(service.full_name, handlers)

    def _answer(self, method: str, response: Descriptor) -> Callable[[Message, Any], Any]:
        async def answer(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            metadata = {key: str(value) for key, value in context.invocation_metadata() or ()}
            self.calls.append(Call(method, request, metadata, context.time_remaining()))
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            if self.error is not None:
                await context.abort_with_status(rpc_status.to_status(self.error))
            return sample(response)

        return answer
