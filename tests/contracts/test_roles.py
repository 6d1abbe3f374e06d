"""Role × RPC, from the contracts (ID-03): each RPC takes the roles it names and refuses all others."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio

from allinone.stack import Stack
from giro.common.v1 import access_pb2
from kit.errors import GiroError, NotAllowed, Reason, Unauthenticated
from kit.rpc.contract import Rpc
from kit.rpc.tokens import ServiceTokens
from kit.values.ids import new_id
from tests.contracts.requests import RPCS, SERVICES, refusal_of, response_class
from tests.contracts.tokens import user_token

PEOPLE = [role for role in access_pb2.Role.keys() if role not in {"ROLE_UNSPECIFIED", "ROLE_SERVICE"}]  # noqa: SIM118
TENANT = new_id("ten")
"""Nobody's: a call that a role lets through finds nothing and changes nothing."""

Ask = Callable[..., Any]


@pytest_asyncio.fixture(scope="module")
async def ask(stack: Stack) -> AsyncIterator[Ask]:
    """`await ask(rpc, token)`: the error that an empty request gets, or None."""
    channels = {name: grpc.aio.insecure_channel(stack.urls.targets[name]) for name in set(SERVICES.values())}

    async def call(rpc: Rpc, token: str | None) -> GiroError | None:
        method = channels[SERVICES[rpc.service]].unary_unary(rpc.path, None, response_class(rpc).FromString)
        metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()
        try:
            await method(b"", metadata=metadata, timeout=60)
        except grpc.aio.AioRpcError as failed:
            return refusal_of(failed)
        return None

    yield call
    for channel in channels.values():
        await channel.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("path", sorted(path for path, rpc in RPCS.items() if not rpc.public))
async def test_an_rpc_takes_the_roles_it_names_and_no_others(stack: Stack, ask: Ask, path: str) -> None:
    rpc = RPCS[path]
    for role in (name.removeprefix("ROLE_") for name in PEOPLE):
        refusal = await ask(rpc, user_token(stack, TENANT, role))
        assert _is_role_refusal(refusal) is (role not in rpc.roles), f"{role}: {refusal}"
        assert not isinstance(refusal, Unauthenticated)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", sorted(path for path, rpc in RPCS.items() if not rpc.public))
async def test_an_rpc_refuses_nobody_and_half_somebody(stack: Stack, ask: Ask, path: str) -> None:
    rpc = RPCS[path]
    good = user_token(stack, TENANT, "ADMINISTRATOR")
    for token in (
        None,
        "",
        "no.token.here",
        good[:-8],
        user_token(stack, TENANT, "ADMINISTRATOR", seconds=-1),
    ):
        assert isinstance(await ask(rpc, token), Unauthenticated), token
    assert _is_role_refusal(await ask(rpc, user_token(stack, TENANT)))
    assert _is_role_refusal(await ask(rpc, user_token(stack, TENANT, "SERVICE")))
    forged = ServiceTokens("booking", "x" * 40).mint(TENANT)
    assert isinstance(await ask(rpc, forged), Unauthenticated)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", sorted(path for path, rpc in RPCS.items() if not rpc.public))
async def test_a_service_calls_what_is_for_services(stack: Stack, ask: Ask, path: str) -> None:
    rpc = RPCS[path]
    token = ServiceTokens("booking", stack.urls.service_key).mint(TENANT)
    assert _is_role_refusal(await ask(rpc, token)) is ("SERVICE" not in rpc.roles)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", sorted(path for path, rpc in RPCS.items() if rpc.public))
async def test_a_public_rpc_asks_for_no_token(ask: Ask, path: str) -> None:
    refusal = await ask(RPCS[path], None)
    assert not isinstance(refusal, Unauthenticated | NotAllowed) or refusal.reason is Reason.BAD_CREDENTIALS


def test_signing_in_and_the_keys_are_all_that_is_public() -> None:
    public = {rpc.method for rpc in RPCS.values() if rpc.public}
    assert public == {"CreateSession", "GetKeys"}


def _is_role_refusal(error: GiroError | None) -> bool:
    return isinstance(error, NotAllowed) and error.reason is Reason.ROLE_REQUIRED
