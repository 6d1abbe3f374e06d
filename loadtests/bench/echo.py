"""The yardstick: the barest gRPC server there is, one process, bytes in, the same bytes out.

`python -m loadtests.bench.echo PORT` serves until it is terminated.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import uvloop

from loadtests.bench.loop import Call

METHOD = "/bench.Echo/Echo"


async def _echo(request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    return request


class _EchoHandler(grpc.GenericRpcHandler):
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:  # type: ignore[type-arg]
        """The one method of this server."""
        if handler_call_details.method == METHOD:
            return grpc.unary_unary_rpc_method_handler(_echo)
        return None


async def serve(port: int) -> None:
    """Serves the echo on loopback until cancelled."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_EchoHandler(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Call, int]]:
    """The yardstick in a process of its own; gives the call and the process's id."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "loadtests.bench.echo", str(port))
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await channel.channel_ready()
            method: Any = channel.unary_unary(METHOD)
            payload = b"x" * 200
            yield (lambda _number: method(payload)), process.pid
    finally:
        process.terminate()
        await process.wait()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
    asyncio.set_event_loop(None)
