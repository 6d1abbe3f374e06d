"""How a service calls another: on whose behalf, and what it makes of a peer that is away, slow or broken."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from rpc_world import OPERATOR, SECRET, Keys, RpcWorld, serving

from kit.db import guard
from kit.errors import Reason, Unavailable
from kit.rpc import context
from kit.rpc.client import Client
from kit.rpc.context import Caller
from kit.rpc.tokens import ServiceTokens

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def world(probe_contract: Any, keys: Keys) -> AsyncIterator[RpcWorld]:
    async with serving(probe_contract, keys) as made:
        yield made


async def test_a_service_calls_on_behalf_of_its_caller(world: RpcWorld) -> None:
    token = context.become(Caller("usr_7", "ten_7", (OPERATOR,)))
    try:
        inside = await world.client.call(world.stub.Inside, world.messages.EchoRequest())
        await world.client.call(world.stub.Echo, world.messages.EchoRequest())
    finally:
        context.unbecome(token)
    assert inside.text == "booking for usr_7"
    caller = world.servicer.seen["caller"]
    assert (caller.tenant, caller.grants, caller.service) == ("ten_7", (OPERATOR,), "booking")


async def test_a_service_calls_for_itself(world: RpcWorld) -> None:
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


async def test_a_peer_that_is_too_slow_is_unavailable(world: RpcWorld) -> None:
    world.servicer.do = asyncio.Event().wait
    with pytest.raises(Unavailable):
        await world.client.call(world.stub.Echo, world.messages.EchoRequest(), tenant="ten_1", timeout=0.1)


async def test_a_peer_that_breaks_is_unavailable(world: RpcWorld) -> None:
    world.servicer.raises = KeyError("oops")
    with pytest.raises(Unavailable) as failed:
        await world.client.call(world.stub.Echo, world.messages.EchoRequest(), tenant="ten_1")
    assert failed.value.metadata["code"] == "INTERNAL"


async def test_no_call_leaves_an_open_transaction(world: RpcWorld) -> None:
    class Transaction:
        is_open = True

    token = guard.transaction.set(Transaction())
    try:
        with pytest.raises(guard.RemoteCallInTransaction):
            await world.client.call(world.stub.Inside, world.messages.EchoRequest(), tenant="ten_1")
    finally:
        guard.transaction.reset(token)
