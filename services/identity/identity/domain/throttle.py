"""How many wrong passwords an e-mail address may see in a while, known or unknown alike."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kit.errors import Exhausted, Reason


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed sign-ins of one address since the first one of the running window."""

    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Throttle:
    """After `limit` failures within `window` of the first one, the address waits until that has passed.

    The window stands still while the address is refused: whoever keeps trying cannot keep the owner out for
    longer than one window at a time.
    """

    limit: int
    window: timedelta

    def check(self, failures: Failures | None, now: datetime) -> None:
        """Raises Exhausted (RATE_LIMITED, metadata `retry_after_seconds`) for an address that has to wait."""
        if failures is None or failures.count < self.limit:
            return
        left = failures.since + self.window - now
        if left > timedelta(0):
            seconds = -(-left // timedelta(seconds=1))
            message = "too many failed sign-ins with this e-mail; try again later"
            raise Exhausted(Reason.RATE_LIMITED, message, metadata={"retry_after_seconds": seconds})

    def window_start(self, now: datetime) -> datetime:
        """Windows that began at or before this instant are over."""
        return now - self.window
