"""The only clock of a process.

Business time never comes from here: use cases take `await tx.now()`, the database's clock with the tenant's
test clock on top. This clock serves what has no transaction: token expiry, log stamps, timers of the process.
"""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time as an aware UTC instant."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return datetime.now(UTC)
