"""The stack: everything serves, a killed service comes back, a failed start leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from allinone import ports
from allinone.errors import StartFailed
from allinone.readiness import grpc_health, http_ok
from allinone.stack import NAMES, Stack, StackOptions

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Supervised, as `make run` has it."""
    options = StackOptions.for_tests(tmp_path_factory.mktemp("stack"), supervise=True)
    async with Stack(options) as running:
        yield running


async def until_served_anew(stack: Stack, name: str, old: int | None) -> None:
    target = stack.urls.targets[name]
    async with asyncio.timeout(60):
        while stack.pid(name) in (None, old) or not await grpc_health(target)():
            await asyncio.sleep(0.05)


async def test_every_process_is_its_own_and_serves(stack: Stack) -> None:
    assert len({stack.pid(name) for name in NAMES} - {None}) == len(NAMES)
    for target in stack.urls.targets.values():
        assert await grpc_health(target)()
    assert await http_ok(stack.options.ports.gateway_admin, "/ready")()
    targets = stack.urls.targets
    assert await grpc_health(targets["booking"], "giro.booking.v1.BookingService")()
    assert not await grpc_health(targets["geo"], "giro.booking.v1.BookingService")(), "somebody else's port"


async def test_a_killed_service_comes_back_and_the_others_stay(stack: Stack) -> None:
    before = {name: stack.pid(name) for name in NAMES}
    await stack.kill("booking")
    await until_served_anew(stack, "booking", before["booking"])
    after = {name: stack.pid(name) for name in NAMES}
    assert {name for name in NAMES if after[name] != before[name]} == {"booking"}


async def test_nats_goes_and_comes_back_without_the_services_dying(stack: Stack) -> None:
    before = [stack.pid(name) for name in stack.urls.databases]
    await stack.stop_nats()
    assert stack.pid("nats") is None
    await stack.start_nats()
    assert stack.pid("nats") is not None
    assert [stack.pid(name) for name in stack.urls.databases] == before


async def test_a_second_stack_in_the_same_folder_is_refused(stack: Stack) -> None:
    with pytest.raises(StartFailed, match="Another run"):
        await Stack(StackOptions.for_tests(stack.options.state)).start()


async def test_a_start_that_fails_half_way_leaves_nothing_running(tmp_path: Path) -> None:
    broken = {"geo": {"GIRO_LOG_LEVEL": "LOUD"}}
    options = StackOptions.for_tests(tmp_path, overrides=broken)
    with pytest.raises(StartFailed) as failed:
        await Stack(options).start()
    assert failed.value.step == "geo"
    assert "GIRO_LOG_LEVEL" in failed.value.why
    ports.require_free(options.ports, ports.NAMES)
