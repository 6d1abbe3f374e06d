"""Where the bytes of documents lie: one port, whatever is behind it."""

from collections.abc import AsyncIterator
from typing import IO, Protocol


class DocumentStore(Protocol):
    """Keeps bytes under keys that are never used twice. Raises Unavailable when it cannot."""

    async def put(self, key: str, content: IO[bytes]) -> None:
        """Keeps the whole of a file, durably, or nothing."""
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes in pieces. Raises Unavailable for a key that has none."""
        ...

    async def drop(self, key: str) -> None:
        """Forgets a key; one that has nothing is no error."""
        ...
