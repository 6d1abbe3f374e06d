"""What a process says about itself: JSON logs, Prometheus metrics, and the W3C trace that ties hops
together."""

import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Final, TextIO, cast

from prometheus_client import Counter, start_http_server

from kit.lean import without
from kit.values.ids import uuid7_hex

with without("rich"):  # which is for logs on a terminal: Giro's are JSON
    import structlog

_SAMPLED: Final = "01"
_TRACEPARENT: Final = re.compile("[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")

lines_lost: Final = Counter("giro_log_lines_lost_total", "Log lines that standard output did not take")

_encode: Final = json.JSONEncoder(default=repr, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Trace:
    """One span of a W3C trace: 32 and 16 lower-case hex digits, and the flags."""

    trace_id: str
    span_id: str
    flags: str = _SAMPLED

    @classmethod
    def new(cls) -> "Trace":
        """The root of a new trace."""
        return cls(os.urandom(16).hex(), os.urandom(8).hex())

    @classmethod
    def parse(cls, header: str | None) -> "Trace | None":
        """The span a `traceparent` header names, or None when there is none or it is malformed."""
        found = _TRACEPARENT.fullmatch(header) if header else None
        return cls(*found.groups()) if found else None

    def child(self) -> "Trace":
        """A new span of the same trace."""
        return Trace(self.trace_id, os.urandom(8).hex(), self.flags)

    @property
    def header(self) -> str:
        """As a `traceparent` header."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


@dataclass(frozen=True, slots=True)
class Work:
    """The piece of work this task is doing, for log lines and for headers of what it causes."""

    trace: Trace
    request_id: str
    tenant: str = ""


_work: ContextVar[Work | None] = ContextVar("giro_work", default=None)


def current() -> Work | None:
    """The work in hand, or None outside any request or event."""
    return _work.get()


def enter(traceparent: str | None, request_id: str | None, tenant: str = "") -> Token[Work | None]:
    """Begins a piece of work: a child span of `traceparent`, or a new trace; the token goes to `leave`."""
    parent = Trace.parse(traceparent)
    trace = parent.child() if parent else Trace.new()
    return _work.set(Work(trace, request_id or uuid7_hex(), tenant))


@contextmanager
def work(traceparent: str | None, request_id: str | None, tenant: str = "") -> Iterator[None]:
    """What is done inside is a piece of work of its own, as between `enter` and `leave`."""
    token = enter(traceparent, request_id, tenant)
    try:
        yield
    finally:
        leave(token)


def belongs_to(tenant: str) -> None:
    """Notes the tenant of the work in hand, once it is known."""
    work = _work.get()
    if work is not None:
        _work.set(Work(work.trace, work.request_id, tenant))


def leave(token: Token[Work | None]) -> None:
    """Ends what `enter` began."""
    _work.reset(token)


def traceparent() -> str:
    """Header for what this work causes: a child of its span, or a new trace outside any work."""
    work = _work.get()
    return (work.trace.child() if work else Trace.new()).header


class _Unbroken(io.TextIOBase):
    """A stream whose reader may go: a line that it does not take is counted, and fails nobody's request."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            lines_lost.inc()
            return 0

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            lines_lost.inc()


def request_id() -> str:
    """Id of the request in hand, or a new one outside any."""
    work = _work.get()
    return work.request_id if work else uuid7_hex()


def configure_logging(service: str, level: str = "INFO") -> None:
    """Sends structlog and the standard library's logs to stdout, one JSON object a line."""

    def add_service(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    shared: list[Any] = [
        add_service,
        _add_work,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Unbroken(sys.stdout))),
        cache_logger_on_first_use=True,
    )
    _redirect_standard_logging(shared, level)


def _redirect_standard_logging(shared: list[Any], level: str) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)


def _render(_: Any, __: str, event: structlog.typing.EventDict) -> str:
    return _encode(event)


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry `component`, and the request, trace and tenant of the work in hand."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(component=name)
    return bound


class MetricsPage:
    """The process's Prometheus page on its own port; port 0 serves none."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._stop: Any = None

    def start(self) -> None:
        """Begins to serve /metrics. Raises OSError when the port is taken."""
        if self._port:
            self._stop = start_http_server(self._port, self._host)

    def stop(self) -> None:
        """Stops serving."""
        if self._stop is not None:
            server, thread = self._stop
            server.shutdown()
            server.server_close()
            thread.join()
            self._stop = None


def _add_work(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    work = _work.get()
    if work is not None:
        event["request_id"] = work.request_id
        event["trace_id"] = work.trace.trace_id
        event["span_id"] = work.trace.span_id
        if work.tenant:
            event["tenant"] = work.tenant
    return event
