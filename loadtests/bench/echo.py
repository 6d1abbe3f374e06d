"""The yardstick: the barest gRPC server there is, one process, bytes in, the same bytes out.

`python -m loadtests.bench.echo PORT` serves until it is terminated.
"""

import asyncio
import sys

import grpc
import uvloop

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


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
    asyncio.set_event_loop(None)
