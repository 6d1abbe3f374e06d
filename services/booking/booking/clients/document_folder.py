"""A document store in a folder: one file a key, written aside and moved into place once it is whole."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Final

from booking.usecases.document_store import checked, unavailable
from kit.db import guard

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
            raise unavailable(str(failure.strerror)) from failure

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes in pieces."""
        guard.refuse_remote_call("document store")
        try:
            with await asyncio.to_thread(self._path(key).open, "rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE):
                    yield piece
        except OSError as failure:
            raise unavailable(str(failure.strerror)) from failure

    async def drop(self, key: str) -> None:
        """Forgets a key and what was written aside for it."""
        guard.refuse_remote_call("document store")
        path = self._path(key)
        try:
            for each in (_aside(path), path):
                await asyncio.to_thread(each.unlink, missing_ok=True)
        except OSError as failure:
            raise unavailable(str(failure.strerror)) from failure

    def _path(self, key: str) -> Path:
        return self._folder / checked(key)


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _write(path: Path, content: IO[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    try:
        with aside.open("xb") as file:
            shutil.copyfileobj(content, file, _PIECE)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)
