"""Documents, uploaded and read as callers do."""

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from booking_house import House

from booking.clients.document_folder import DocumentFolder
from booking.domain.appointment import Card
from booking.domain.document import Document
from booking.usecases.documents import (
    Shelf,
    UploadDocument,
    read_document,
    upload_document,
)
from booking.usecases.virus_scanner import NoScanner
from kit.errors import GiroError
from kit.values.ids import new_id

PDF = b"%PDF-1.7\n" + b"signed " * 100
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (800).to_bytes(4, "big") + (600).to_bytes(4, "big") + b"\x08" * 20
CHUNK = 256 * 1024


def docx(**more: bytes) -> bytes:
    """A small DOCX, with more entries where asked."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {
            "[Content_Types].xml": b"<Types/>",
            "word/document.xml": b"<w/>",
            **more,
        }.items():
            archive.writestr(name, content)
    return file.getvalue()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for first in range(0, len(content), CHUNK):
        yield content[first : first + CHUNK]


async def upload(
    house: House, store: DocumentFolder, card: Card, content: bytes = PDF, document_id: str = "", **more: str
) -> Document:
    what = {"file_name": "form.pdf", "request_id": new_id("req"), **more}
    command = UploadDocument(card.appointment.appointment_id, document_id, **what)
    return await upload_document(house.desk, Shelf(store, NoScanner()), command, pieces(content))


async def read(house: House, store: DocumentFolder, document: Document, version: int = 0) -> bytes:
    found = read_document(house.desk, store, document.document_id, version)
    return b"".join([piece async for piece in found])


def files(store: DocumentFolder) -> list[Path]:
    return [path for path in store._folder.rglob("*") if path.is_file()]


async def refused(work: Any) -> GiroError:
    with pytest.raises(GiroError) as error:
        await work
    return error.value


HOUR = timedelta(hours=1)
