"""Page tokens: where a list goes on, sealed for one tenant and one query."""

import hashlib
import json
from collections.abc import Sequence

from booking.domain import errors
from booking.domain.seal import Sealer

DEFAULT_SIZE = 50

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


def _digest(query: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(query).encode()).hexdigest()[:16]
