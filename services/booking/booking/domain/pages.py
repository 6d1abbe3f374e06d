"""Page tokens: where a list goes on, sealed for one tenant and one query."""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from booking.domain import errors
from booking.domain.seal import Sealer

DEFAULT_SIZE = 50

T = TypeVar("T")

Position = tuple[str | int, ...]
"""The ordering values of a page's last row."""


class PageTokens:
    """Writes and reads page tokens."""

    def __init__(self, key: bytes) -> None:
        self._sealer = Sealer(key, "giro page token")

    def write(self, tenant: str, query: Sequence[str], position: Position) -> str:
        """The token of the page after `position`."""
        return self._sealer.seal(tenant, json.dumps([_digest(query), *position]).encode())

    def read(self, tenant: str, query: Sequence[str], token: str) -> Position | None:
        """The position to go on from; None for the first page.

        Raises InvalidInput naming `page_token` for a token that this query of this tenant did not give.
        """
        if not token:
            return None
        payload = self._sealer.open(tenant, token)
        digest, *position = json.loads(payload) if payload is not None else [None]
        if digest != _digest(query):
            raise errors.invalid("page_token", "is no token of this list")
        return tuple(position)

    def cut(
        self,
        tenant: str,
        query: Sequence[str],
        found: Sequence[T],
        size: int,
        position: Callable[[T], Position],
    ) -> tuple[Sequence[T], str]:
        """The page of what was found, which is one row more than it holds where there is another page, and
        the token of that one; empty on the last page."""
        if len(found) <= size:
            return found, ""
        return found[:size], self.write(tenant, query, position(found[size - 1]))


def instant_and_id(position: Position | None) -> tuple[datetime, str] | None:
    """The position in a list that is ordered by an instant, then an id."""
    return None if position is None else (datetime.fromisoformat(str(position[0])), str(position[1]))


def _digest(query: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(query).encode()).hexdigest()[:16]
