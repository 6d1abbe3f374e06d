"""The frame of one call: request id, trace, caller and deadline for whatever runs inside it."""

import re
from collections.abc import Mapping
from contextvars import Token
from typing import Any, Final

from kit import deadline, telemetry
from kit.rpc import context
from kit.rpc.context import Caller

MAX_SECONDS: Final = 30.0
"""The longest that a unary RPC may take, whatever deadline the client set.

A stream lasts as long as its sender or reader needs: only the client's own deadline ends it, and the longest
age of a connection (`kit.rpc.server`).
"""

_REQUEST_ID: Final = re.compile(r"^[A-Za-z0-9._:-]{1,128}$")


class Frame:
    """Entered before and left after each call, on the same task."""

    __slots__ = ("_caller", "_deadline", "_work", "cap", "request_id")

    def __init__(self, metadata: Mapping[str, Any], time_remaining: float | None, *, streams: bool) -> None:
        given = metadata.get("x-request-id")
        usable = given if isinstance(given, str) and _REQUEST_ID.match(given) else None
        traceparent = metadata.get("traceparent")
        self._work = telemetry.enter(traceparent if isinstance(traceparent, str) else None, usable)
        self.request_id = telemetry.request_id()
        # grpc itself ends a call at its client's deadline; a later one, or none, is ended here
        in_time = time_remaining is not None and time_remaining <= MAX_SECONDS
        self.cap = None if streams or in_time else MAX_SECONDS
        self._deadline = deadline.set_time_left(time_remaining if self.cap is None else self.cap)
        self._caller: Token[Caller | None] = context.become(None)

    def belongs_to(self, caller: Caller | None) -> None:
        """Notes the caller, once known."""
        if caller is not None:
            context.become(caller.with_request_id(self.request_id))
            telemetry.belongs_to(caller.tenant)

    def leave(self) -> None:
        """Forgets the call."""
        context.unbecome(self._caller)
        deadline.reset_time_left(self._deadline)
        telemetry.leave(self._work)


def as_mapping(metadata: Any) -> dict[str, Any]:
    """Invocation metadata by key; a repeated key has its last value."""
    return {key: value for key, value in metadata or ()}  # noqa: C416 - the pairs are of gRPC's own type
