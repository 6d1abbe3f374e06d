"""Envoy's question (external authorization v3, Check) answered by the judge."""

from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from prometheus_client import REGISTRY, CollectorRegistry, Counter

from gateway.edge.ext_authz_pb2 import (
    CheckRequest,
    CheckResponse,
    DeniedHttpResponse,
    HeaderValue,
    HeaderValueOption,
    HttpStatus,
    OkHttpResponse,
    Status,
)
from gateway.edge.judge import Judge, Refusal
from gateway.filters import READ_FACTOR
from kit.settings import SettingsError
from kit.telemetry import Trace

SERVICE: Final = "envoy.service.auth.v3.Authorization"
_OVERWRITE: Final = 2
_DENIED: Final = 7
_ROOM_FOR_HEADERS: Final = 256 << 10
_PASS: Final = CheckResponse(status=Status(code=0), ok_response=OkHttpResponse())


class Edge:
    """The edge's gRPC server; bodies longer than `max_body_bytes` are refused."""

    def __init__(self, max_body_bytes: int, registry: CollectorRegistry = REGISTRY) -> None:
        self._judge = Judge(max_body_bytes)
        self._options = [
            ("grpc.max_receive_message_length", max_body_bytes * READ_FACTOR + _ROOM_FOR_HEADERS),
            ("grpc.so_reuseport", 0),
        ]
        self._answers = Counter(
            "giro_gateway_edge_requests",
            "JSON requests that the edge looked at, by the HTTP status it gave; 200 passed",
            ["status"],
            registry=registry,
        )
        self._health = health_aio.HealthServicer()
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str) -> int:
        """Listens on `address` (port 0: any free one) and gives the port. Raises SettingsError if taken."""
        server = grpc.aio.server(options=self._options)
        server.add_generic_rpc_handlers((self._handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        port = _bind(server, address)
        await server.start()
        self._server = server
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        return port

    async def stop(self, grace_seconds: float = 5) -> None:
        """Stops taking questions, answers those in hand."""
        await self._health.enter_graceful_shutdown()
        if self._server is not None:
            await self._server.stop(grace_seconds)
            self._server = None

    def _handler(self) -> grpc.GenericRpcHandler:
        check = grpc.unary_unary_rpc_method_handler(
            self._check,
            request_deserializer=CheckRequest.FromString,
            response_serializer=CheckResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Check": check})

    async def _check(self, request: CheckRequest, _context: object) -> CheckResponse:
        http = request.attributes.request.http
        refusal = self._judge.refusal(http.method, http.path, http.raw_body)
        self._answers.labels(refusal.status if refusal else 200).inc()
        return _denied(refusal) if refusal else _passed(http.headers.get("traceparent"))


def _bind(server: grpc.aio.Server, address: str) -> int:
    try:
        return server.add_insecure_port(address)
    except RuntimeError as refused:
        raise SettingsError(f"GIRO_EDGE_PORT: cannot listen on {address}: {refused}") from None


def _passed(traceparent: str | None) -> CheckResponse:
    """Lets through, and begins a trace where the caller brought none, so that every hop has the same."""
    if Trace.parse(traceparent) is not None:
        return _PASS
    ok = OkHttpResponse(headers=[_header("traceparent", Trace.new().header)])
    return CheckResponse(status=Status(code=0), ok_response=ok)


def _denied(refusal: Refusal) -> CheckResponse:
    denied = DeniedHttpResponse(
        status=HttpStatus(code=refusal.status),
        headers=[_header(name, value) for name, value in refusal.headers],
        body=refusal.body,
    )
    return CheckResponse(status=Status(code=_DENIED), denied_response=denied)


def _header(name: str, value: str) -> HeaderValueOption:
    return HeaderValueOption(header=HeaderValue(key=name, value=value), append_action=_OVERWRITE)
