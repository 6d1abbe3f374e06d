"""A server and a client of the probe's contract: what goes around an RPC, and what comes back."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from joserfc.jwk import OKPKey
from rpc_world import OPERATOR, Keys, RpcWorld, refused, serving, violations

from kit import deadline, errors, telemetry
from kit.errors import (
    FieldViolation,
    GiroError,
    InvalidInput,
    NotAllowed,
    NotFound,
    Reason,
    RuleViolated,
)
from kit.rpc import context, status
from kit.rpc.context import Caller
from kit.rpc.contract import AccessMissing
from kit.rpc.interceptors.metrics import RpcMetrics
from kit.rpc.server import Server
from kit.rpc.tokens import Authenticator
from kit.settings import ServiceSettings

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def world(probe_contract: Any, keys: Keys) -> AsyncIterator[RpcWorld]:
    async with serving(probe_contract, keys) as made:
        yield made


# --- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", errors.BY_CODE.values())
async def test_every_error_crosses_the_wire_and_comes_back(world: RpcWorld, kind: type[GiroError]) -> None:
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
async def test_every_error_has_its_status(world: RpcWorld, kind: type[GiroError]) -> None:
    world.servicer.raises = kind(Reason.LEAD_TIME, "too soon")
    failed = await refused(world.echo(), grpc.StatusCode[kind.code])
    assert violations(failed) == {}


async def test_the_unforeseen_is_internal_and_tells_nothing(world: RpcWorld) -> None:
    world.servicer.raises = ValueError("password=hunter2")
    failed = await refused(world.echo(), grpc.StatusCode.INTERNAL)
    assert failed.details() == "internal error"
    assert "hunter2" not in str(failed.trailing_metadata())
    assert dict(failed.trailing_metadata())["x-request-id"]


async def test_an_error_of_a_stream_has_its_status(world: RpcWorld) -> None:
    world.servicer.raises = NotFound(Reason.NOT_FOUND, "no such thing")
    metadata = [("authorization", f"Bearer {world.keys.token()}")]
    got: list[int] = []

    async def read() -> None:
        async for response in world.stub.Count(world.messages.EchoRequest(n=2), metadata=metadata):
            got.append(response.n)  # noqa: PERF401

    await refused(read(), grpc.StatusCode.NOT_FOUND)
    assert got == [0, 1]


async def test_many_requests_are_decoded_and_checked_one_by_one(world: RpcWorld) -> None:
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


async def test_a_broken_rule_names_its_field(world: RpcWorld) -> None:
    failed = await refused(world.echo(text="x" * 21, n=-1), grpc.StatusCode.INVALID_ARGUMENT)
    assert set(violations(failed)) == {"text", "n"}


async def test_a_field_inside_a_list_is_named_with_its_index(world: RpcWorld) -> None:
    places = [{"lat": 1}, {"lat": float("nan")}]
    failed = await refused(world.echo(places=places), grpc.StatusCode.INVALID_ARGUMENT)
    assert "places[1].lat" in violations(failed)


async def test_nul_in_a_text_names_its_field(world: RpcWorld) -> None:
    failed = await refused(world.echo(text="a\0b"), grpc.StatusCode.INVALID_ARGUMENT)
    assert set(violations(failed)) == {"text"}
    assert (await world.echo(places=[{"lat": 1.0}])).text == ""


async def test_bytes_that_are_no_message_are_the_callers_fault(world: RpcWorld) -> None:
    raw = world.client.channel.unary_unary("/giro.probe.v1.ProbeService/Echo")
    metadata = [("authorization", f"Bearer {world.keys.token()}")]
    failed = await refused(raw(b"\xff\xff", metadata=metadata), grpc.StatusCode.INVALID_ARGUMENT)
    assert "giro.probe.v1.EchoRequest" in failed.details()


async def test_a_request_over_the_limit_is_refused(world: RpcWorld) -> None:
    await refused(world.echo(text="x" * 1_100_000), grpc.StatusCode.RESOURCE_EXHAUSTED)


# --- who may call -----------------------------------------------------------------------------------------


async def test_the_caller_is_whom_the_token_names(world: RpcWorld) -> None:
    await world.echo(text="hello")
    caller = world.servicer.seen["caller"]
    assert (caller.subject, caller.tenant, caller.grants, caller.service) == (
        "usr_1",
        "ten_1",
        (OPERATOR,),
        None,
    )


async def test_a_call_without_a_token_or_with_a_forged_one_is_refused(world: RpcWorld) -> None:
    await refused(world.echo(token=None), grpc.StatusCode.UNAUTHENTICATED)
    forged = world.keys.token(key=OKPKey.generate_key("Ed25519"))
    await refused(world.echo(token=forged), grpc.StatusCode.UNAUTHENTICATED)


async def test_another_role_is_refused_and_told_which_would_do(world: RpcWorld) -> None:
    token = world.keys.token(grants=[["AGENT", "tenant", "ten_1"]])
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.echo(token=token)
    error = status.error_of(failed.value)
    assert isinstance(error, NotAllowed)
    assert error.reason is Reason.ROLE_REQUIRED
    assert error.metadata == {"roles": "OPERATOR, SERVICE"}


async def test_a_grant_of_another_role_brings_nothing(world: RpcWorld) -> None:
    token = world.keys.token(grants=[["AGENT", "tenant", "ten_1"], ["OPERATOR", "campaign", "cmp_1"]])
    await world.echo(token=token)
    assert world.servicer.seen["caller"].grants == (OPERATOR,)


async def test_nobody_becomes_a_service_by_being_granted_its_role(world: RpcWorld) -> None:
    token = world.keys.token(grants=[["SERVICE", "tenant", "ten_1"]])
    metadata = [("authorization", f"Bearer {token}")]
    call = world.stub.Inside(world.messages.EchoRequest(), metadata=metadata)
    await refused(call, grpc.StatusCode.PERMISSION_DENIED)


async def test_a_public_rpc_needs_no_token_and_has_no_caller(world: RpcWorld) -> None:
    failed = await refused(world.stub.Open(world.messages.EchoRequest()), grpc.StatusCode.UNAUTHENTICATED)
    assert "needs a token" in failed.details()


async def test_an_rpc_without_access_stops_its_server(probe_contract: Any, keys: Keys) -> None:
    _, grpc_module = probe_contract
    careless = (grpc_module.add_CarelessServiceServicer_to_server, grpc_module.CarelessServiceServicer())
    with pytest.raises(AccessMissing, match="CarelessService/Forgotten"):
        Server(ServiceSettings(), [careless], Authenticator("", ""), RpcMetrics())


# --- context, deadlines, metrics --------------------------------------------------------------------------


async def test_request_id_and_trace_come_along(world: RpcWorld) -> None:
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


async def test_headers_that_will_not_do_are_replaced(world: RpcWorld) -> None:
    metadata = [
        ("authorization", f"Bearer {world.keys.token()}"),
        ("x-request-id", "a b"),
        ("traceparent", "00-zz-1-01"),
    ]
    await world.stub.Echo(world.messages.EchoRequest(), metadata=metadata)
    assert len(world.servicer.seen["work"].request_id) == 32


async def test_the_deadline_is_known_and_capped(world: RpcWorld) -> None:
    metadata = [("authorization", f"Bearer {world.keys.token()}")]
    await world.stub.Echo(world.messages.EchoRequest(), metadata=metadata, timeout=15)
    assert 5 < world.servicer.seen["left"] <= 15
    await world.stub.Echo(world.messages.EchoRequest(), metadata=metadata, timeout=3600)
    assert 20 < world.servicer.seen["left"] <= 30


async def test_a_call_over_the_cap_ends(world: RpcWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.rpc.interceptors.context.MAX_SECONDS", 0.05)
    world.servicer.do = asyncio.Event().wait
    await refused(world.echo(), grpc.StatusCode.DEADLINE_EXCEEDED)


@pytest.mark.parametrize(("timeout", "left"), [(None, None), (50, 10)])
async def test_a_slow_sender_has_its_own_deadline_alone(
    world: RpcWorld, monkeypatch: pytest.MonkeyPatch, timeout: float | None, left: float | None
) -> None:
    ahead = 0.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return time.monotonic() + ahead

    monkeypatch.setattr(deadline, "time", Clock)

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


async def test_calls_are_counted_by_code(world: RpcWorld) -> None:
    await world.echo()
    world.servicer.raises = RuleViolated(Reason.LEAD_TIME, "too soon")
    await refused(world.echo(), grpc.StatusCode.FAILED_PRECONDITION)
    labels = {"grpc_type": "unary", "grpc_service": "giro.probe.v1.ProbeService", "grpc_method": "Echo"}
    value = world.registry.get_sample_value
    assert value("grpc_server_started_total", labels) == 2
    assert value("grpc_server_handled_total", {**labels, "grpc_code": "OK"}) == 1
    assert value("grpc_server_handled_total", {**labels, "grpc_code": "FailedPrecondition"}) == 1
    assert value("grpc_server_handling_seconds_count", labels) == 2


async def test_health_follows_the_server(world: RpcWorld) -> None:
    health = health_pb2_grpc.HealthStub(world.client.channel)
    request = health_pb2.HealthCheckRequest(service="giro.probe.v1.ProbeService")
    assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.SERVING
    await world.server._health.enter_graceful_shutdown()
    assert (await health.Check(request)).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_invalid_input_names_what_it_is_about() -> None:
    error = InvalidInput(Reason.INVALID_FIELD, "is odd", field="n", metadata={"n": 3})
    assert (str(error), error.metadata) == ("INVALID_FIELD: is odd", {"n": "3"})
