"""Whether a process serves: gRPC health for services, the admin page for Envoy."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from allinone.errors import StartFailed
from allinone.ports import HOST
from allinone.process import Process, tail

Probe = Callable[[], Awaitable[bool]]


def grpc_health(target: str, service: str = "") -> Probe:
    """A probe of the standard gRPC health service at host:port.

    With the full name of a gRPC service only a server that has it counts, not whoever else listens.
    """

    async def serves() -> bool:
        async with grpc.aio.insecure_channel(target) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=2)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return serves


def http_ok(port: int, path: str) -> Probe:
    """A probe of an HTTP page on the loopback: ready when it answers 200."""

    async def serves() -> bool:
        return b" 200 " in (await _get(port, path)).partition(b"\r\n")[0]

    return serves


async def passed_checks(admin_port: int, services: Collection[str]) -> dict[str, int]:
    """How many of Envoy's health checks each service has passed so far."""
    page = (await _get(admin_port, "/stats?filter=health_check.success")).decode(errors="replace")
    counts = dict.fromkeys(services, 0)
    for line in page.splitlines():
        name, _, count = line.partition(": ")
        service = name.removeprefix("cluster.").removesuffix(".health_check.success")
        if service in counts and count.strip().isdigit():
            counts[service] = int(count)
    return counts


def routed(admin_port: int, earlier: Mapping[str, int]) -> Probe:
    """A probe of Envoy's admin page: ready when each service has passed one more health check than `earlier`.

    What Envoy thinks of a service that was just started again may be about the one that was there before.
    """

    async def sees() -> bool:
        passed = await passed_checks(admin_port, earlier)
        return all(passed[service] > count for service, count in earlier.items())

    return sees


async def _get(port: int, path: str) -> bytes:
    """The whole answer to one GET on the loopback, empty when there is none."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return b""
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        return await asyncio.wait_for(reader.read(), timeout=2)
    except (OSError, TimeoutError):
        return b""
    finally:
        writer.close()


async def until_ready(process: Process, probe: Probe, *, seconds: float) -> None:
    """Returns when the probe says yes. Raises StartFailed when the process ends first or time runs out."""
    deadline = time.monotonic() + seconds
    while not await probe():
        if not process.running:
            raise process.died("Mend what it says and start again.")
        if time.monotonic() > deadline:
            why = f"It was not ready within {seconds:.0f} s. The end of {process.log}:\n{tail(process.log)}"
            raise StartFailed(process.name, why, "Look for what it waits for; a loaded machine needs longer.")
        await asyncio.sleep(0.05)
