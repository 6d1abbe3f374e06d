"""Where the bytes of documents lie: one port, whatever is behind it."""

import re
from collections.abc import AsyncIterator
from typing import IO, Final, Protocol

from kit.errors import Reason, Unavailable

_KEY: Final = re.compile(r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")


class DocumentStore(Protocol):
    """Keeps bytes under keys that are never used twice. Raises Unavailable when it cannot."""

    async def put(self, key: str, content: IO[bytes]) -> None:
        """Keeps the whole of a file, durably, or nothing."""
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes in pieces of at most 256 KiB. Raises Unavailable for a key that has none."""
        ...

    async def drop(self, key: str) -> None:
        """Forgets a key, and what a `put` that never ended left of it; one that has nothing is no error."""
        ...


def checked(key: str) -> str:
    """The key. Raises ValueError for one that could lead out of the store."""
    if not _KEY.match(key):
        raise ValueError(f"{key!r} is no key of a document")
    return key


def unavailable(why: str) -> Unavailable:
    """The store does not do what it was asked."""
    message = f"the document store cannot be used: {why}"
    return Unavailable(Reason.SERVICE_UNAVAILABLE, message, metadata={"service": "document store"})
