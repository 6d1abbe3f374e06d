"""A document store in a folder: one file a key, written aside and moved into place once it is whole."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Final

from kit.db import guard
from kit.errors import Reason, Unavailable

_KEY: Final = re.compile(r"^[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*$")
_PIECE: Final = 256 * 1024


class DocumentFolder:
    """Implements `usecases.document_store.DocumentStore`; the folder is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, content: IO[bytes]) -> None:
        """Keeps the whole of a file, durably, or nothing."""
        guard.refuse_remote_call("document store")
        try:
            await asyncio.to_thread(_write, self._path(key), content)
        except OSError as failure:
            raise _unavailable(failure) from failure

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes in pieces."""
        try:
            with await asyncio.to_thread(self._path(key).open, "rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE):
                    yield piece
        except OSError as failure:
            raise _unavailable(failure) from failure

    async def drop(self, key: str) -> None:
        """Forgets a key."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def _path(self, key: str) -> Path:
        if not _KEY.match(key):
            raise ValueError(f"{key!r} is no key of a document")
        return self._folder / key


def _write(path: Path, content: IO[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.part")
    try:
        with aside.open("xb") as file:
            shutil.copyfileobj(content, file, _PIECE)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)


def _unavailable(failure: OSError) -> Unavailable:
    message = f"the document store cannot be used: {failure.strerror}"
    return Unavailable(Reason.SERVICE_UNAVAILABLE, message, metadata={"service": "document store"})
