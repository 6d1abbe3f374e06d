"""Calls to another service: on behalf of the caller, within the deadline, with our own errors back."""

import asyncio
from typing import Any, Final, TypeVar

import grpc

from kit import telemetry
from kit.db import guard
from kit.deadline import time_left
from kit.errors import Exhausted, GiroError, Reason, Unavailable
from kit.rpc import status
from kit.rpc.context import caller_or_none
from kit.rpc.tokens import ServiceTokens

Q = TypeVar("Q")
A = TypeVar("A")

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds that a call may take when nobody says otherwise."""
_CONNECT_TIMEOUT: Final = 1.0
"""Seconds to wait for a connection; nothing has been sent before there is one."""

_OPTIONS: Final = [
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
]

_log = telemetry.logger("kit.rpc.client")


class Client:
    """One channel to one service. Make stubs of `channel`, and call them through `call`."""

    def __init__(self, target: str, service_tokens: ServiceTokens, *, name: str = "") -> None:
        self._target, self._tokens = target, service_tokens
        self._name = name or target
        self._channel: grpc.aio.Channel | None = None

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel; it connects with the first call."""
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._target, options=_OPTIONS)
        return self._channel

    async def close(self) -> None:
        """Closes the channel; calls under way are cancelled."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[Q, A]",
        request: Q,
        *,
        tenant: str | None = None,
        timeout: float | None = None,
    ) -> A:
        """Calls `stub.Method` for `tenant` (else the caller's) within `timeout` seconds and the caller's
        deadline.

        Raises the error that the peer raised, with its reason, metadata and fields; Unavailable
        (SERVICE_UNAVAILABLE) when it does not answer, and then the outcome is unknown unless nothing was
        sent; RemoteCallInTransaction while a transaction is open.
        """
        guard.refuse_remote_call(f"{self._name}")
        seconds = _seconds(timeout)
        try:
            await self._connected(min(seconds, _CONNECT_TIMEOUT))
            return await method(request, timeout=seconds, metadata=self._metadata(tenant))
        except grpc.aio.AioRpcError as failed:
            raise self._error(failed) from failed

    async def last(
        self,
        method: "grpc.aio.UnaryStreamMultiCallable[Q, A]",
        request: Q,
        *,
        tenant: str | None = None,
        timeout: float | None = None,
    ) -> A | None:
        """The last message of a stream of `stub.Method`, those before it passed over; None when it is empty.

        Raises as `call`.
        """
        guard.refuse_remote_call(f"{self._name}")
        seconds = _seconds(timeout)
        found: A | None = None
        try:
            await self._connected(min(seconds, _CONNECT_TIMEOUT))
            async for message in method(request, timeout=seconds, metadata=self._metadata(tenant)):
                found = message
        except grpc.aio.AioRpcError as failed:
            raise self._error(failed) from failed
        return found

    async def _connected(self, patience: float) -> None:
        state = self.channel.get_state(try_to_connect=True)
        if state is grpc.ChannelConnectivity.READY:
            return
        try:
            await asyncio.wait_for(self.channel.channel_ready(), patience)
        except TimeoutError:
            raise self._unavailable("cannot be reached", "UNAVAILABLE") from None

    def _metadata(self, tenant: str | None) -> tuple[tuple[str, str], ...]:
        who = caller_or_none()
        where = tenant if tenant is not None else (who.tenant if who else "")
        token = self._tokens.mint(where, who)
        return (
            ("authorization", f"Bearer {token}"),
            ("x-request-id", telemetry.request_id()),
            ("traceparent", telemetry.traceparent()),
        )

    def _error(self, failed: grpc.aio.AioRpcError) -> GiroError:
        known = status.error_of(failed)
        if known is not None:
            return known
        code = failed.code()
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Exhausted(Reason.RATE_LIMITED, f"{self._name} takes no more calls: {failed.details()}")
        if code not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
            _log.error("peer failed", peer=self._name, code=code.name, details=failed.details())
        return self._unavailable("did not answer", code.name)

    def _unavailable(self, what: str, code: str) -> Unavailable:
        metadata = {"service": self._name, "code": code}
        return Unavailable(Reason.SERVICE_UNAVAILABLE, f"{self._name} {what}", metadata=metadata)


def _seconds(timeout: float | None) -> float:
    left: Any = time_left()
    wanted = DEFAULT_TIMEOUT if timeout is None else timeout
    return wanted if left is None else max(0.001, min(wanted, left))
