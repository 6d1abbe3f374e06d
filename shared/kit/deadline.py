"""Until when somebody waits for what is being worked on: set by the server for each RPC."""

import time
from contextvars import ContextVar, Token

_deadline: ContextVar[float | None] = ContextVar("giro_deadline", default=None)


def set_time_left(seconds: float | None) -> Token[float | None]:
    """Notes that the caller waits this many seconds from now; None: nobody waits."""
    return _deadline.set(None if seconds is None else time.monotonic() + seconds)


def reset_time_left(token: Token[float | None]) -> None:
    """Undoes `set_time_left`."""
    _deadline.reset(token)


def time_left() -> float | None:
    """Seconds the caller still waits, at least 0; None when nobody does."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())
