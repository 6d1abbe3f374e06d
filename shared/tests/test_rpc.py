"""A server and a client of the probe's contract: what goes around an RPC, and what comes back."""

# ruff: noqa: N802, C901 - a servicer has the names of its contract

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
import time_machine
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from prometheus_client import CollectorRegistry

from kit import errors, telemetry
from kit.db import guard
from kit.errors import (
    FieldViolation,
    GiroError,
    InvalidInput,
    NotAllowed,
    NotFound,
    Reason,
    RuleViolated,
    Unauthenticated,
    Unavailable,
)
from kit.rpc import context, status
from kit.rpc.client import Client
from kit.rpc.context import Caller, Grant
from kit.rpc.contract import AccessMissing
from kit.rpc.interceptors.metrics import RpcMetrics
from kit.rpc.server import Server
from kit.rpc.tokens import TOKEN_ALG, Authenticator, ServiceTokens
from kit.settings import ServiceSettings, SettingsError

pytestmark = pytest.mark.asyncio

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
        public = [{**key.as_dict(private=False), "kid": kid} for kid, key in self.keys.items()]
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


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = Keys(tmp_path)
    made.add("k1")
    return made


@dataclass
class World:
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


@pytest_asyncio.fixture
async def world(probe_contract: Any, keys: Keys) -> AsyncIterator[World]:
    messages, grpc_module = probe_contract

    class Servicer(grpc_module.ProbeServiceServicer):
        def __init__(self) -> None:
            self.raises: Exception | None = None
            self.seen: dict[str, Any] = {}
            self.do: Callable[[], Any] | None = None

        async def Echo(self, request: Any, _: Any) -> Any:
            self.seen = {
                "caller": context.caller(),
                "left": context.time_left(),
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
            self.seen = {"left": context.time_left()}
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
    yield World(server, stub, messages, keys, registry, servicer, client)
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


# --- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", errors.BY_CODE.values())
async def test_every_error_crosses_the_wire_and_comes_back(world: World, kind: type[GiroError]) -> None:
    told = kind(Reason.LEAD_TIME, "too soon", metadata={"lead_seconds": 1}, field="start")
    world.servicer.raises = told
    token = context.become(Caller("usr_1", "ten_1", (OPERATOR,)))
    try:
        with pytest.raises(kind) as got:
            await world.client.call(world.stub.Echo, world.messages.EchoRequest())
    finally:
        context.unbecome(token)
    assert type(got.value) is kind
    assert got.value.reason is Reason.LEAD_TIME
    assert got.value.message == "too soon"
    assert got.value.metadata == {"lead_seconds": "1"}
    assert got.value.violations == (FieldViolation("start", "too soon"),)


@pytest.mark.parametrize("kind", errors.BY_CODE.values())
async def test_every_error_has_its_status(world: World, kind: type[GiroError]) -> None:
    world.servicer.raises = kind(Reason.LEAD_TIME, "too soon")
    failed = await refused(world.echo(), grpc.StatusCode[kind.code])
    assert violations(failed) == {}


async def test_the_unforeseen_is_internal_and_tells_nothing(world: World) -> None:
    world.servicer.raises = ValueError("password=hunter2")
    failed = await refused(world.echo(), grpc.StatusCode.INTERNAL)
    assert failed.details() == "internal error"
    assert "hunter2" not in str(failed.trailing_metadata())
    assert dict(failed.trailing_metadata())["x-request-id"]


async def test_an_error_of_a_stream_has_its_status(world: World) -> None:
    world.servicer.raises = NotFound(Reason.NOT_FOUND, "no such thing")
    metadata = [("authorization", f"Bearer {world.keys.token()}")]
    got: list[int] = []

    async def read() -> None:
        async for response in world.stub.Count(world.messages.EchoRequest(n=2), metadata=metadata):
            got.append(response.n)  # noqa: PERF401

    await refused(read(), grpc.StatusCode.NOT_FOUND)
    assert got == [0, 1]


async def test_many_requests_are_decoded_and_checked_one_by_one(world: World) -> None:
    metadata = [("authorization", f"Bearer {world.keys.token()}")]
    request = world.messages.EchoRequest
    answer = await world.stub.Sum(iter([request(n=1), request(n=2)]), metadata=metadata)
    assert answer.n == 3
    failed = await refused(
        world.stub.Sum(iter([request(n=1), request(n=-2)]), metadata=metadata),
        grpc.StatusCode.INVALID_ARGUMENT,
    )
    assert "n" in violations(failed)


# --- validation -------------------------------------------------------------------------------------------


async def test_a_broken_rule_names_its_field(world: World) -> None:
    failed = await refused(world.echo(text="x" * 21, n=-1), grpc.StatusCode.INVALID_ARGUMENT)
    assert set(violations(failed)) == {"text", "n"}


async def test_a_field_inside_a_list_is_named_with_its_index(world: World) -> None:
    places = [{"lat": 1}, {"lat": float("nan")}]
    failed = await refused(world.echo(places=places), grpc.StatusCode.INVALID_ARGUMENT)
    assert "places[1].lat" in violations(failed)


async def test_nul_in_a_text_names_its_field(world: World) -> None:
    failed = await refused(world.echo(text="a\0b"), grpc.StatusCode.INVALID_ARGUMENT)
    assert set(violations(failed)) == {"text"}
    assert (await world.echo(places=[{"lat": 1.0}])).text == ""


async def test_bytes_that_are_no_message_are_the_callers_fault(world: World) -> None:
    raw = world.client.channel.unary_unary("/giro.probe.v1.ProbeService/Echo")
    metadata = [("authorization", f"Bearer {world.keys.token()}")]
    failed = await refused(raw(b"\xff\xff", metadata=metadata), grpc.StatusCode.INVALID_ARGUMENT)
    assert "giro.probe.v1.EchoRequest" in failed.details()


async def test_a_request_over_the_limit_is_refused(world: World) -> None:
    await refused(world.echo(text="x" * 1_100_000), grpc.StatusCode.RESOURCE_EXHAUSTED)


# --- who may call -----------------------------------------------------------------------------------------


async def test_the_caller_is_whom_the_token_names(world: World) -> None:
    await world.echo(text="hello")
    caller = world.servicer.seen["caller"]
    assert (caller.subject, caller.tenant, caller.grants, caller.service) == (
        "usr_1",
        "ten_1",
        (OPERATOR,),
        None,
    )


async def test_a_call_without_a_token_is_refused(world: World) -> None:
    await refused(world.echo(token=None), grpc.StatusCode.UNAUTHENTICATED)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"iss": "giro-service"},
        {"aud": "other"},
        {"sub": None},
        {"tid": ""},
        {"grants": "OPERATOR"},
        {"grants": [["OPERATOR"]]},
        {"kid": "unknown", "key": "fresh"},
        {"kid": "k1", "key": "fresh"},
        {"alg": "HS256", "key": "other secret"},
        {"alg": "HS256", "key": "public key"},
    ],
)
async def test_a_token_that_will_not_do(world: World, claims: dict[str, Any]) -> None:
    keys = {
        "fresh": OKPKey.generate_key("Ed25519"),
        "other secret": OctKey.import_key("x" * 32),
        "public key": OctKey.import_key(Path(world.keys.jwks).read_text()),
    }
    claims = {**claims, "key": keys.get(claims.get("key", ""))}
    await refused(world.echo(token=world.keys.token(**claims)), grpc.StatusCode.UNAUTHENTICATED)


@pytest.mark.parametrize("token", ["", "a.b.c", "a.b", "ä.b.c", "e30.e30.", "x" * 9000])
async def test_what_is_no_token(keys: Keys, token: str) -> None:
    with pytest.raises(Unauthenticated):
        Authenticator(keys.jwks, SECRET).verify(token)


@pytest.mark.parametrize("alg", ["none", "Ed25519"])
async def test_no_other_algorithm_is_taken(keys: Keys, alg: str) -> None:
    header, body, signature = keys.token().split(".")
    forged = jwt.encode({"alg": "HS256"}, {}, OctKey.import_key("x" * 32)).split(".")[0]
    assert forged != header
    other = json.dumps({"alg": alg, "kid": "k1"}).encode()
    swapped = __import__("base64").urlsafe_b64encode(other).rstrip(b"=").decode()
    with pytest.raises(Unauthenticated):
        Authenticator(keys.jwks, SECRET).verify(f"{swapped}.{body}.{signature}")


async def test_a_known_token_expires_all_the_same(keys: Keys) -> None:
    auth, token = Authenticator(keys.jwks, SECRET), keys.token()
    assert auth.verify(token) is auth.verify(token)
    with time_machine.travel(time.time() + 601, tick=False), pytest.raises(Unauthenticated, match="expired"):
        auth.verify(token)


async def test_a_new_key_is_found_without_a_restart(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.rpc.tokens._RELOAD_AFTER", -1)
    auth = Authenticator(keys.jwks, SECRET)
    keys.add("k2")
    assert auth.verify(keys.token("k2")).subject == "usr_1"


async def test_a_key_file_that_is_missing_is_told_at_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GIRO_JWKS_FILE"):
        Authenticator(str(tmp_path / "none.json"), SECRET)


async def test_another_role_is_refused_and_told_which_would_do(world: World) -> None:
    token = world.keys.token(grants=[["AGENT", "tenant", "ten_1"]])
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.echo(token=token)
    error = status.error_of(failed.value)
    assert isinstance(error, NotAllowed)
    assert error.reason is Reason.ROLE_REQUIRED
    assert error.metadata == {"roles": "OPERATOR, SERVICE"}


async def test_a_grant_of_another_role_brings_nothing(world: World) -> None:
    token = world.keys.token(grants=[["AGENT", "tenant", "ten_1"], ["OPERATOR", "campaign", "cmp_1"]])
    await world.echo(token=token)
    assert world.servicer.seen["caller"].grants == (OPERATOR,)


async def test_nobody_becomes_a_service_by_being_granted_its_role(world: World) -> None:
    token = world.keys.token(grants=[["SERVICE", "tenant", "ten_1"]])
    metadata = [("authorization", f"Bearer {token}")]
    call = world.stub.Inside(world.messages.EchoRequest(), metadata=metadata)
    await refused(call, grpc.StatusCode.PERMISSION_DENIED)


async def test_a_public_rpc_needs_no_token_and_has_no_caller(world: World) -> None:
    failed = await refused(world.stub.Open(world.messages.EchoRequest()), grpc.StatusCode.UNAUTHENTICATED)
    assert "needs a token" in failed.details()


async def test_an_rpc_without_access_stops_its_server(probe_contract: Any, keys: Keys) -> None:
    _, grpc_module = probe_contract
    careless = (grpc_module.add_CarelessServiceServicer_to_server, grpc_module.CarelessServiceServicer())
    with pytest.raises(AccessMissing, match="CarelessService/Forgotten"):
        Server(ServiceSettings(), [careless], Authenticator("", ""), RpcMetrics())


async def test_grants_of_one_campaign_or_agent_are_not_the_whole_tenant() -> None:
    of_agent = Grant("AGENT", "agent", "agt_1")
    for limited in (
        (),
        (OPERATOR,),
        (of_agent,),
        (OPERATOR, of_agent),
        (Grant("OPERATOR", "zone", "zon_1"),),
    ):
        assert not Caller("usr_1", "ten_1", limited).is_whole
    for whole in (Grant("OPERATOR", "tenant", "ten_1"), Grant("BRANCH_MANAGER", "branch", "brn_1")):
        assert Caller("usr_1", "ten_1", (OPERATOR, whole)).is_whole


# --- context, deadlines, metrics --------------------------------------------------------------------------


async def test_request_id_and_trace_come_along(world: World) -> None:
    trace = telemetry.Trace.new()
    metadata = [
        ("authorization", f"Bearer {world.keys.token()}"),
        ("x-request-id", "req-1"),
        ("traceparent", trace.header),
    ]
    await world.stub.Echo(world.messages.EchoRequest(), metadata=metadata)
    work = world.servicer.seen["work"]
    assert (work.request_id, work.tenant, work.trace.trace_id) == ("req-1", "ten_1", trace.trace_id)
    assert work.trace.span_id != trace.span_id
    assert world.servicer.seen["caller"].request_id == "req-1"


async def test_headers_that_will_not_do_are_replaced(world: World) -> None:
    metadata = [
        ("authorization", f"Bearer {world.keys.token()}"),
        ("x-request-id", "a b"),
        ("traceparent", "00-zz-1-01"),
    ]
    await world.stub.Echo(world.messages.EchoRequest(), metadata=metadata)
    assert len(world.servicer.seen["work"].request_id) == 32


async def test_the_deadline_is_known_and_capped(world: World) -> None:
    metadata = [("authorization", f"Bearer {world.keys.token()}")]
    await world.stub.Echo(world.messages.EchoRequest(), metadata=metadata, timeout=15)
    assert 5 < world.servicer.seen["left"] <= 15
    await world.stub.Echo(world.messages.EchoRequest(), metadata=metadata, timeout=3600)
    assert 20 < world.servicer.seen["left"] <= 30


async def test_a_call_over_the_cap_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.rpc.interceptors.context.MAX_SECONDS", 0.05)
    world.servicer.do = asyncio.Event().wait
    await refused(world.echo(), grpc.StatusCode.DEADLINE_EXCEEDED)


@pytest.mark.parametrize(("timeout", "left"), [(None, None), (50, 10)])
async def test_a_slow_sender_has_its_own_deadline_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, timeout: float | None, left: float | None
) -> None:
    ahead = 0.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return time.monotonic() + ahead

    monkeypatch.setattr(context, "time", Clock)

    async def slowly() -> AsyncIterator[Any]:
        nonlocal ahead
        yield world.messages.EchoRequest(n=1)
        while not world.registry.get_sample_value("grpc_server_started_total", labels):
            await asyncio.sleep(0.01)  # until the call has begun
        ahead = 40.0
        yield world.messages.EchoRequest(n=2)

    labels = {
        "grpc_type": "client_stream",
        "grpc_service": "giro.probe.v1.ProbeService",
        "grpc_method": "Sum",
    }
    metadata = [("authorization", f"Bearer {world.keys.token()}")]
    assert (await world.stub.Sum(slowly(), metadata=metadata, timeout=timeout)).n == 3
    seen = world.servicer.seen["left"]
    assert seen is None if left is None else left - 5 < seen <= left


async def test_calls_are_counted_by_code(world: World) -> None:
    await world.echo()
    world.servicer.raises = RuleViolated(Reason.LEAD_TIME, "too soon")
    await refused(world.echo(), grpc.StatusCode.FAILED_PRECONDITION)
    labels = {"grpc_type": "unary", "grpc_service": "giro.probe.v1.ProbeService", "grpc_method": "Echo"}
    value = world.registry.get_sample_value
    assert value("grpc_server_started_total", labels) == 2
    assert value("grpc_server_handled_total", {**labels, "grpc_code": "OK"}) == 1
    assert value("grpc_server_handled_total", {**labels, "grpc_code": "FailedPrecondition"}) == 1
    assert value("grpc_server_handling_seconds_count", labels) == 2


async def test_health_follows_the_server(world: World) -> None:
    health = health_pb2_grpc.HealthStub(world.client.channel)
    request = health_pb2.HealthCheckRequest(service="giro.probe.v1.ProbeService")
    assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
    await world.server._health.enter_graceful_shutdown()
    assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING


# --- client -----------------------------------------------------------------------------------------------


async def test_a_service_calls_on_behalf_of_its_caller(world: World) -> None:
    token = context.become(Caller("usr_7", "ten_7", (OPERATOR,)))
    try:
        inside = await world.client.call(world.stub.Inside, world.messages.EchoRequest())
        await world.client.call(world.stub.Echo, world.messages.EchoRequest())
    finally:
        context.unbecome(token)
    assert inside.text == "booking for usr_7"
    caller = world.servicer.seen["caller"]
    assert (caller.tenant, caller.grants, caller.service) == ("ten_7", (OPERATOR,), "booking")


async def test_a_service_calls_for_itself(world: World) -> None:
    answer = await world.client.call(world.stub.Inside, world.messages.EchoRequest(), tenant="ten_1")
    assert answer.text == "booking for booking"


async def test_a_peer_that_is_not_there_is_unavailable(probe_contract: Any, free_port: Any) -> None:
    messages, grpc_module = probe_contract
    client = Client(f"127.0.0.1:{free_port()}", ServiceTokens("booking", SECRET), name="geo")
    stub = grpc_module.ProbeServiceStub(client.channel)
    with pytest.raises(Unavailable) as failed:
        await client.call(stub.Inside, messages.EchoRequest(), tenant="ten_1", timeout=0.2)
    await client.close()
    assert failed.value.reason is Reason.SERVICE_UNAVAILABLE
    assert failed.value.metadata["service"] == "geo"


async def test_a_peer_that_is_too_slow_is_unavailable(world: World) -> None:
    world.servicer.do = asyncio.Event().wait
    with pytest.raises(Unavailable):
        await world.client.call(world.stub.Echo, world.messages.EchoRequest(), tenant="ten_1", timeout=0.1)


async def test_a_peer_that_breaks_is_unavailable(world: World) -> None:
    world.servicer.raises = KeyError("oops")
    with pytest.raises(Unavailable) as failed:
        await world.client.call(world.stub.Echo, world.messages.EchoRequest(), tenant="ten_1")
    assert failed.value.metadata["code"] == "INTERNAL"


async def test_no_call_leaves_an_open_transaction(world: World) -> None:
    class Transaction:
        is_open = True

    token = guard.transaction.set(Transaction())
    try:
        with pytest.raises(guard.RemoteCallInTransaction):
            await world.client.call(world.stub.Inside, world.messages.EchoRequest(), tenant="ten_1")
    finally:
        guard.transaction.reset(token)


async def test_service_tokens_are_made_once_per_caller() -> None:
    tokens = ServiceTokens("booking", SECRET)
    assert tokens.mint("ten_1") == tokens.mint("ten_1")
    assert tokens.mint("ten_1") != tokens.mint("ten_2")
    with pytest.raises(Unauthenticated):
        Authenticator("", "t" * 32).verify(tokens.mint("ten_1"))


async def test_invalid_input_names_what_it_is_about() -> None:
    error = InvalidInput(Reason.INVALID_FIELD, "is odd", field="n", metadata={"n": 3})
    assert (str(error), error.metadata) == ("INVALID_FIELD: is odd", {"n": "3"})
