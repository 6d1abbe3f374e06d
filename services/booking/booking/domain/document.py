"""What a document is, by its bytes, and what is refused (R-082)."""

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final

from booking.domain import errors
from kit.errors import GiroError

DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_SIGNATURES: Final = ((b"%PDF-", "application/pdf"), (b"\xff\xd8\xff", "image/jpeg"))
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_ZIP: Final = b"PK\x03\x04"
_MOST_PIXELS: Final = 100_000_000
_MOST_ENTRIES: Final = 1000
_MOST_DIRECTORY: Final = 256 * 1024
_END: Final = b"PK\x05\x06"
_END_SIZE: Final = 22
_LOCATOR64: Final = b"PK\x06\x07"
_LOCATOR64_SIZE: Final = 20
_MOST_COMMENT: Final = 65_535
_PACKINGS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_MOST_UNPACKED: Final = 200 * 1024 * 1024
_MOST_RATIO: Final = 100
_PIECE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a document; `stored_as` is its key in the store."""

    document_id: str
    version: int
    appointment_id: str
    file_name: str
    media_type: str
    size_bytes: int
    sha256: str
    stored_as: str
    uploaded_by: str
    uploaded_at: datetime


def media_type(content: IO[bytes]) -> str:
    """The type of a whole document. Raises InvalidInput (DOCUMENT_REFUSED) naming `chunk`.

    Only PDF, JPEG, PNG and DOCX are taken, whatever the name says. One that unpacks to far more than it is, a
    bomb, is refused before anybody opens it.
    """
    head = content.read(32)
    content.seek(0)
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head.startswith(_PNG):
        return _png(head)
    if head.startswith(_ZIP):
        return _docx(content)
    raise errors.document_refused("TYPE", "is neither PDF, JPEG, PNG nor DOCX")


def _png(head: bytes) -> str:
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head[12:16] != b"IHDR" or not 0 < width * height <= _MOST_PIXELS:
        raise errors.document_refused("BOMB", f"has no size, or more than {_MOST_PIXELS} pixels")
    return "image/png"


def _docx(content: IO[bytes]) -> str:
    try:
        _require_small_directory(content)
        with zipfile.ZipFile(content) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            if not {"[Content_Types].xml", "word/document.xml"} <= names:
                raise errors.document_refused("TYPE", "is an archive that is no DOCX")
            _require_modest(archive, entries)
    except GiroError:
        raise
    except Exception:  # whatever a parser makes of hostile bytes, they are what is wrong
        raise errors.document_refused("TYPE", "is no sound archive") from None
    return DOCX


def _require_small_directory(content: IO[bytes]) -> None:
    """Reads the end record alone: the parser makes an object of each entry that the directory holds.

    The parser takes the directory's size from this very record, so a lie makes the directory no bigger; but
    a ZIP64 record would overrule it, and no document here is of a size that needs one.
    """
    size = content.seek(0, io.SEEK_END)
    content.seek(max(0, size - _END_SIZE - _MOST_COMMENT - _LOCATOR64_SIZE))
    tail = content.read()
    content.seek(0)
    at = tail.rfind(_END)
    overruled = tail[max(0, at - _LOCATOR64_SIZE) :].startswith(_LOCATOR64)
    if at < 0 or len(tail) - at < _END_SIZE or overruled:
        raise errors.document_refused("TYPE", "is no sound archive")
    entries = int.from_bytes(tail[at + 10 : at + 12], "little")
    if entries > _MOST_ENTRIES:
        raise errors.document_refused("BOMB", f"has more than {_MOST_ENTRIES} entries")
    if int.from_bytes(tail[at + 12 : at + 16], "little") > _MOST_DIRECTORY:
        raise errors.document_refused("BOMB", f"has a directory of more than {_MOST_DIRECTORY} bytes")


def _require_modest(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    """Unpacks it, to nowhere, as far as it may: what the archive says of its sizes may be a lie."""
    if len(entries) > _MOST_ENTRIES:
        raise errors.document_refused("BOMB", f"has more than {_MOST_ENTRIES} entries")
    total = 0
    for entry in entries:
        if entry.compress_type not in _PACKINGS:
            raise errors.document_refused("TYPE", "is packed in a way that no DOCX is")
        if entry.filename.lower().endswith((".zip", ".docm", ".jar", ".7z", ".gz")):
            raise errors.document_refused("BOMB", "has an archive inside")
        unpacked = 0
        with archive.open(entry) as part:
            while piece := part.read(_PIECE):
                unpacked += len(piece)
                total += len(piece)
                packed = max(entry.compress_size, 1024)
                if total > _MOST_UNPACKED or unpacked > packed * _MOST_RATIO:
                    raise errors.document_refused("BOMB", "unpacks to far more than it is")
