"""A running probe service with a client of it, and the keys that its callers' tokens are signed with."""

# ruff: noqa: N802, C901 - a servicer has the names of its contract

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from joserfc import jwt
from joserfc.jwk import OKPKey
from prometheus_client import CollectorRegistry

from kit import deadline, telemetry
from kit.rpc import context, status
from kit.rpc.client import Client
from kit.rpc.context import Grant
from kit.rpc.interceptors.metrics import RpcMetrics
from kit.rpc.server import Server
from kit.rpc.tokens import TOKEN_ALG, Authenticator, ServiceTokens
from kit.settings import ServiceSettings

SECRET = "s" * 32
OPERATOR = Grant("OPERATOR", "campaign", "cmp_1")


@dataclass
class Keys:
    """Keys of a test's identity service."""

    directory: Path
    keys: dict[str, OKPKey] = field(default_factory=dict)

    @property
    def jwks(self) -> str:
        return str(self.directory / "jwks.json")

    def add(self, kid: str) -> None:
        self.keys[kid] = OKPKey.generate_key("Ed25519", {"kid": kid})
        self._publish()

    def take_out(self, kid: str) -> None:
        """Publishes the others alone; what it signs is no token any more."""
        self._publish(without=kid)

    def _publish(self, without: str = "") -> None:
        public = [
            {**key.as_dict(private=False), "kid": kid} for kid, key in self.keys.items() if kid != without
        ]
        Path(self.jwks).write_text(json.dumps({"keys": public}))

    def token(self, kid: str = "k1", alg: str = TOKEN_ALG, key: Any = None, **claims: Any) -> str:
        now = int(time.time())
        body = {
            "iss": "giro-identity",
            "aud": "giro",
            "sub": "usr_1",
            "tid": "ten_1",
            "grants": [["OPERATOR", "campaign", "cmp_1"]],
            "iat": now,
            "exp": now + 600,
            "jti": "tok_1",
            **claims,
        }
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode({"alg": alg, "kid": kid}, body, key or self.keys[kid], algorithms=[alg])


@dataclass
class RpcWorld:
    """A running probe service."""

    server: Server
    stub: Any
    messages: Any
    keys: Keys
    registry: CollectorRegistry
    servicer: Any
    client: Client

    async def echo(self, *, token: str | None = "", **fields: Any) -> Any:
        metadata = [] if token is None else [("authorization", f"Bearer {token or self.keys.token()}")]
        return await self.stub.Echo(self.messages.EchoRequest(**fields), metadata=metadata, timeout=60)


@asynccontextmanager
async def serving(probe_contract: Any, keys: Keys) -> AsyncIterator[RpcWorld]:
    """The probe service, until the block is left."""
    messages, grpc_module = probe_contract

    class Servicer(grpc_module.ProbeServiceServicer):
        def __init__(self) -> None:
            self.raises: Exception | None = None
            self.seen: dict[str, Any] = {}
            self.do: Callable[[], Any] | None = None

        async def Echo(self, request: Any, _: Any) -> Any:
            self.seen = {
                "caller": context.caller(),
                "left": deadline.time_left(),
                "work": telemetry.current(),
            }
            if self.raises:
                raise self.raises
            if self.do:
                await self.do()
            return messages.EchoResponse(text=request.text, n=request.n)

        async def Open(self, request: Any, _: Any) -> Any:
            return messages.EchoResponse(text=context.caller().subject)

        async def Inside(self, request: Any, _: Any) -> Any:
            return messages.EchoResponse(text=f"{context.caller().service} for {context.caller().subject}")

        async def Count(self, request: Any, _: Any) -> Any:
            for n in range(request.n):
                yield messages.EchoResponse(n=n)
            if self.raises:
                raise self.raises

        async def Sum(self, requests: Any, _: Any) -> Any:
            total = sum([request.n async for request in requests])
            self.seen = {"left": deadline.time_left()}
            return messages.EchoResponse(n=total)

    servicer, registry = Servicer(), CollectorRegistry()
    settings = ServiceSettings(jwks_file=keys.jwks, service_key=SECRET)
    server = Server(
        settings,
        [(grpc_module.add_ProbeServiceServicer_to_server, servicer)],
        Authenticator(keys.jwks, SECRET),
        RpcMetrics(registry),
    )
    await server.start()
    client = Client(f"127.0.0.1:{server.port}", ServiceTokens("booking", SECRET), name="probe")
    stub = grpc_module.ProbeServiceStub(client.channel)
    yield RpcWorld(server, stub, messages, keys, registry, servicer, client)
    await client.close()
    await server.stop(0)


def violations(failed: grpc.aio.AioRpcError) -> dict[str, str]:
    details = dict(failed.trailing_metadata())[status.DETAILS_KEY]
    for detail in status_pb2.Status.FromString(details).details:
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(bad_request):
            return {found.field: found.description for found in bad_request.field_violations}
    return {}


async def refused(call: Any, code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    assert failed.value.code() is code, failed.value.details()
    return failed.value
