"""What callers see when something behind the gateway fails, is slow, or there is too much of everything."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import httpx2
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.testing.harness import Harness, start_harness
from gateway.testing.waiting import eventually
from giro.identity.v1 import identity_pb2, identity_pb2_grpc

pytestmark = pytest.mark.asyncio

Start = Callable[..., Awaitable[Harness]]


@pytest_asyncio.fixture
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    running: list[Harness] = []

    async def start(**settings: Any) -> Harness:
        running.append(await start_harness(tmp_path_factory.mktemp("gateway"), **settings))
        return running[-1]

    yield start
    for harness in running:
        await harness.stop()


async def get_me(harness: Harness, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=harness.url, timeout=60, verify=False) as client:
        return await client.get("/v1/me", headers={**harness.bearer, **headers})


async def refusal_over_grpc(harness: Harness) -> tuple[grpc.StatusCode, str]:
    async with grpc.aio.insecure_channel(harness.grpc_target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await identity_pb2_grpc.IdentityServiceStub(channel).GetMe(
                identity_pb2.GetMeRequest(), metadata=tuple(harness.bearer.items())
            )
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(refused.value)
    assert status.details[0].Unpack(info)
    return refused.value.code(), info.reason


def check(answer: httpx2.Response, status: int, code: int, reason: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json()["code"], answer.json()["details"][0]["reason"]) == (code, reason)


async def test_a_backend_that_dies_is_unavailable_and_comes_back(start: Start) -> None:
    harness = await start()
    await harness.stub.stop()
    check(await get_me(harness), 503, 14, "SERVICE_UNAVAILABLE")
    # health checks find it without any traffic
    await eventually(
        harness.envoy.unhealthy, lambda found: set(found) == {"identity", "booking", "geo", "reminders"}
    )
    check(await get_me(harness), 503, 14, "SERVICE_UNAVAILABLE")
    assert await refusal_over_grpc(harness) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    await harness.stub.start(harness.stub.port)
    await eventually(harness.envoy.unhealthy, lambda found: not found)

    async def status() -> int:
        return (await get_me(harness)).status_code

    await eventually(status, lambda found: found == 200)


async def test_without_the_edge_json_is_refused_and_grpc_goes_on(start: Start) -> None:
    harness = await start()
    await harness.edge.stop(0)
    check(await get_me(harness), 503, 14, "SERVICE_UNAVAILABLE")
    assert not harness.stub.calls
    async with grpc.aio.insecure_channel(harness.grpc_target) as channel:
        stub = identity_pb2_grpc.IdentityServiceStub(channel)
        await stub.GetMe(identity_pb2.GetMeRequest(), metadata=tuple(harness.bearer.items()))


async def test_a_slow_backend_is_given_up(start: Start) -> None:
    harness = await start(timeout_seconds=1)
    harness.stub.delay_seconds = 10
    answer = await get_me(harness)
    assert (answer.status_code, answer.json()["code"]) == (504, 4)


async def test_too_many_requests(start: Start) -> None:
    harness = await start(rate_limit_per_second=1)
    answers = [await get_me(harness) for _ in range(6)]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    refused = answers[-1]
    check(refused, 429, 8, "RATE_LIMITED")
    assert refused.headers["retry-after"] == "1"
    assert await refusal_over_grpc(harness) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")


async def test_a_named_origin_is_let_in(start: Start) -> None:
    harness = await start(cors_origins="https://console.example, https://other.example")
    answer = await get_me(harness, origin="https://console.example")
    assert answer.headers["access-control-allow-origin"] == "https://console.example"
    assert "access-control-allow-origin" not in (await get_me(harness, origin="https://evil.example")).headers
    asking = {"origin": "https://console.example", "access-control-request-method": "POST"}
    async with httpx2.AsyncClient(base_url=harness.url, verify=False) as client:
        preflight = await client.options("/v1/appointments", headers=asking)
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["access-control-allow-methods"]
