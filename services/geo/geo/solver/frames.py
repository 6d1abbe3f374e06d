"""What service and worker say to each other: JSON documents, each behind its length in four bytes."""

import json
from collections.abc import Mapping
from typing import Any, BinaryIO, Final, Protocol

Document = Mapping[str, Any]

_LENGTH_BYTES: Final = 4
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a document at most."""


class FrameError(Exception):
    """The other side said what is no frame."""


class Reader(Protocol):
    """The part of `asyncio.StreamReader` that frames need."""

    async def readexactly(self, n: int) -> bytes:
        """Exactly `n` bytes. Raises asyncio.IncompleteReadError at the end."""
        ...


def pack(document: Document) -> bytes:
    """A frame. Raises FrameError for a document that is too large."""
    body = json.dumps(document, separators=(",", ":")).encode()
    if len(body) > LARGEST:
        raise FrameError(f"a document of {len(body)} bytes is too large")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


async def read(stream: Reader) -> dict[str, Any]:
    """The next document. Raises asyncio.IncompleteReadError when there is none, FrameError for nonsense."""
    size = _size(await stream.readexactly(_LENGTH_BYTES))
    return _document(await stream.readexactly(size))


def read_blocking(stream: BinaryIO) -> dict[str, Any] | None:
    """The next document; None when the other side is gone."""
    head = stream.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    body = stream.read(_size(head))
    return _document(body) if body else None


def _size(head: bytes) -> int:
    size = int.from_bytes(head, "big")
    if not 0 < size <= LARGEST:
        raise FrameError(f"a frame of {size} bytes")
    return size


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        raise FrameError("a frame that is no JSON") from None
    if not isinstance(found, dict):
        raise FrameError("a frame that is no object")
    return found
