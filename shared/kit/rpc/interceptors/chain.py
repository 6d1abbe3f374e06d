"""Puts the interceptors around a servicer's methods, once, when the server is built.

Wrapping the handlers costs less per call than grpc's own interceptors, tells at start what the contract
lacks, and takes the request as bytes, so that what cannot be decoded is the caller's fault and not INTERNAL.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc

from kit import telemetry
from kit.errors import GiroError
from kit.rpc.contract import Rpc
from kit.rpc.interceptors import errors
from kit.rpc.interceptors.auth import authenticate
from kit.rpc.interceptors.context import Frame, as_mapping
from kit.rpc.interceptors.metrics import MethodMetrics, RpcMetrics
from kit.rpc.interceptors.validation import Decoder
from kit.rpc.tokens import Authenticator

_log = telemetry.logger("kit.rpc")


@dataclass(frozen=True, slots=True)
class Chain:
    """All that one method's calls need."""

    rpc: Rpc
    behavior: Any
    decode: Decoder
    metrics: MethodMetrics
    auth: Authenticator

    async def unary_unary(self, data: bytes, context: Any) -> Any:
        """One request, one response."""
        call = Call(self, context)
        try:
            call.admit()
            request = self.decode(data)
            if call.frame.cap is None:
                return await self.behavior(request, context)
            async with asyncio.timeout(call.frame.cap):
                return await self.behavior(request, context)
        except BaseException as error:
            await call.failed(error)
            raise
        finally:
            call.end()

    async def unary_stream(self, data: bytes, context: Any) -> AsyncIterator[Any]:
        """One request, many responses; the time limit is the client's own."""
        call = Call(self, context, streams=True)
        try:
            call.admit()
            async for response in self.behavior(self.decode(data), context):
                yield response
        except BaseException as error:
            await call.failed(error)
            raise
        finally:
            call.end()

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> Any:
        """Many requests, one response."""
        call = Call(self, context, streams=True)
        try:
            call.admit()
            return await self.behavior(self._decoded(requests), context)
        except BaseException as error:
            await call.failed(error)
            raise
        finally:
            call.end()

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        """Many requests, many responses."""
        call = Call(self, context, streams=True)
        try:
            call.admit()
            async for response in self.behavior(self._decoded(requests), context):
                yield response
        except BaseException as error:
            await call.failed(error)
            raise
        finally:
            call.end()

    async def _decoded(self, requests: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for data in requests:
            yield self.decode(data)


class Call:
    """One call in progress: its frame, its code, its clock."""

    __slots__ = ("_chain", "_code", "_context", "_metadata", "_started", "frame")

    def __init__(self, chain: Chain, context: Any, *, streams: bool = False) -> None:
        self._chain, self._context, self._code = chain, context, "OK"
        self._started = time.perf_counter()
        self._metadata = as_mapping(context.invocation_metadata())
        self.frame = Frame(self._metadata, context.time_remaining(), streams=streams)
        chain.metrics.begin()

    def admit(self) -> None:
        """Finds out who calls and whether they may."""
        self.frame.belongs_to(authenticate(self._chain.rpc, self._metadata, self._chain.auth))

    async def failed(self, error: BaseException) -> None:
        """Ends the call with the status of what went wrong; returns only where grpc ends it itself."""
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._code = "CANCELLED"
        elif isinstance(error, grpc.aio.AbortError):
            self._code = self._context.code().name
        elif isinstance(error, TimeoutError) and not isinstance(error, GiroError):
            await self._timed_out(error)
        elif isinstance(error, Exception):
            self._code = errors.code_of(error)
            await errors.answer(self._context, error, self._chain.rpc.path)

    def end(self) -> None:
        """Counts and logs the call, and forgets it."""
        seconds = time.perf_counter() - self._started
        self._chain.metrics.end(self._code, seconds)
        _log.info("rpc", method=self._chain.rpc.path, code=self._code, ms=round(seconds * 1000, 2))
        self.frame.leave()

    async def _timed_out(self, error: TimeoutError) -> None:
        if self.frame.cap is None or time.perf_counter() - self._started < self.frame.cap:
            self._code = "INTERNAL"  # some other clock inside the use case
            await errors.answer(self._context, error, self._chain.rpc.path)
        self._code = "DEADLINE_EXCEEDED"
        await self._context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the call took longer than its deadline")


def wrap(handler: Any, rpc: Rpc, auth: Authenticator, metrics: RpcMetrics) -> Any:
    """The method handler with the interceptors around it. Raises TypeError without an async method."""
    kind, method, make = _SHAPES[handler.request_streaming, handler.response_streaming]
    behavior = getattr(handler, method)
    if not (inspect.iscoroutinefunction(behavior) or inspect.isasyncgenfunction(behavior)):
        raise TypeError(f"{rpc.path} is not implemented, or its method is not async")
    decode = Decoder(handler.request_deserializer, rpc.request)
    chain = Chain(rpc, behavior, decode, metrics.of(kind, rpc.service, rpc.method), auth)
    return make(getattr(chain, method), None, handler.response_serializer)


_SHAPES: dict[tuple[bool, bool], tuple[str, str, Any]] = {
    (False, False): ("unary", "unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("server_stream", "unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("client_stream", "stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("bidi_stream", "stream_stream", grpc.stream_stream_rpc_method_handler),
}
"""For (request streams, response streams): the label, the name of the handler's method, its maker."""
