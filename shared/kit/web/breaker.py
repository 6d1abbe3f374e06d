"""A circuit breaker: after failures in a row a server is left alone for a while, then tried by one call."""

import time
from collections.abc import Callable


class Breaker:
    """Closed, it lets every call through.

    `failures` in a row open it for `seconds`; after those one call at a time tries, and its success closes
    it. `clock` gives seconds that only grow.
    """

    def __init__(
        self, failures: int = 3, seconds: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._allowed, self._seconds, self._clock = failures, seconds, clock
        self._failed = 0
        self._opened_at: float | None = None
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether the next call would be refused."""
        if self._opened_at is None:
            return False
        return self._trying or self._clock() < self._opened_at + self._seconds

    def admits(self) -> bool:
        """Whether a call may be made now; whoever was admitted reports how it went."""
        if self.is_open:
            return False
        self._trying = self._opened_at is not None
        return True

    def succeeded(self) -> None:
        """The server answered."""
        self._failed, self._opened_at, self._trying = 0, None, False

    def failed(self) -> None:
        """The server did not answer, or what it answered cannot be used."""
        self._failed += 1
        self._trying = False
        if self._failed >= self._allowed:
            self._opened_at = self._clock()

    def abandoned(self) -> None:
        """The caller gave up before the server could answer."""
        self._trying = False
