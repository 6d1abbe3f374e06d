"""Words of Envoy's configuration that many places use."""

from typing import Any, Final

Config = dict[str, Any]

BUFFER: Final = 32 << 10
"""Bytes that a connection buffers on either side before the sender has to wait."""

_STREAM_WINDOW: Final = 64 << 10
_CONNECTION_WINDOW: Final = 1 << 20
_STREAMS: Final = 100


def http2() -> Config:
    """Limits of an HTTP/2 connection, either side."""
    return {
        "max_concurrent_streams": _STREAMS,
        "initial_stream_window_size": _STREAM_WINDOW,
        "initial_connection_window_size": _CONNECTION_WINDOW,
    }


def url(message: str) -> str:
    """How a message is named in a typed_config."""
    return f"type.googleapis.com/{message}"


def named(name: str, message: str, **fields: Any) -> Config:
    """An extension with its typed_config."""
    return {"name": name, "typed_config": {"@type": url(message), **fields}}


def http_filter(name: str, message: str, **fields: Any) -> Config:
    """A filter of the connection manager, both names by their usual prefix."""
    return named(f"envoy.filters.http.{name}", f"envoy.extensions.filters.http.{message}", **fields)


def address(host: str, port: int) -> Config:
    """An address of a socket."""
    return {"socket_address": {"address": host, "port_value": port}}


def header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Config:
    """A header to add or overwrite."""
    return {"header": {"key": name, "value": value}, "append_action": action}
