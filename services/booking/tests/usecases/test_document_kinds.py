"""What a document is decides whether it is taken, not its name: archives that lie, bombs, odd packing."""

import io
import struct
import zipfile

import pytest
from booking_house import House
from document_desk import docx, files, refused, upload

from booking.clients.document_folder import DocumentFolder
from booking.domain.document import DOCX, media_type
from kit.errors import GiroError, Reason

pytestmark = pytest.mark.asyncio(loop_scope="session")


def many(number: int) -> bytes:
    return docx(**{f"word/{n}.xml": b"" for n in range(number)})


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"MZ\x90\0 a program", "TYPE"),
        (b"<html></html>", "TYPE"),
        (b"PK\x03\x04 no archive", "TYPE"),
        (docx()[:-30], "TYPE"),
        (docx(**{"word/media.xml": b"\0" * 30_000_000}), "BOMB"),
        (docx(**{"word/inner.zip": b"x"}), "BOMB"),
        (many(1000), "BOMB"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\0" * 8, "BOMB"),
        (b"\x89PNG\r\n\x1a\n", "BOMB"),
    ],
)
async def test_what_it_is_decides_not_its_name(
    house: House, store: DocumentFolder, content: bytes, cause: str
) -> None:
    error = await refused(upload(house, store, await house.booked(), content))
    assert (error.reason, error.metadata) == (Reason.DOCUMENT_REFUSED, {"cause": cause})
    assert files(store) == []


async def test_an_archive_that_lies_about_its_size_is_a_bomb_all_the_same() -> None:
    honest = docx(**{"word/media.xml": b"\0" * 30_000_000})
    lie = honest.replace((30_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lie != honest
    with pytest.raises(GiroError) as error:
        media_type(io.BytesIO(lie))
    assert error.value.reason is Reason.DOCUMENT_REFUSED
    assert media_type(io.BytesIO(many(900))) == DOCX
    assert media_type(io.BytesIO(b"\xff\xd8\xff\xe0 photo")) == "image/jpeg"


def packed(packing: int, flipped: range = range(0)) -> bytes:
    """A DOCX packed in one way; these bytes of its text's content are flipped."""
    file, name = io.BytesIO(), b"word/document.xml"
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("[Content_Types].xml", b"<Types/>")
        archive.writestr(name.decode(), bytes(range(256)) * 40)
    content = bytearray(file.getvalue())
    first = content.index(name) + len(name)
    for offset in flipped:
        content[first + offset] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        packed(zipfile.ZIP_LZMA),
        packed(zipfile.ZIP_BZIP2),
        packed(zipfile.ZIP_LZMA, range(4, 9)),
        packed(zipfile.ZIP_BZIP2, range(4, 9)),
        packed(zipfile.ZIP_DEFLATED, range(10, 60)),
        packed(zipfile.ZIP_STORED, range(10, 60)),
    ],
)
async def test_a_broken_archive_or_one_packed_oddly_is_refused(content: bytes) -> None:
    with pytest.raises(GiroError) as error:
        media_type(io.BytesIO(content))
    assert (error.value.reason, error.value.metadata) == (Reason.DOCUMENT_REFUSED, {"cause": "TYPE"})


def end(entries: int, size: int) -> bytes:
    """The record that ends an archive."""
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, entries, entries, size, 30, 0)


def end64(size: int) -> bytes:
    """A ZIP64 record, which overrules the other one, and where it lies."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, 30)
    return record + struct.pack("<4sLQL", b"PK\x06\x07", 0, 30 + size, 1)


@pytest.mark.parametrize(
    ("size", "entries", "tail", "cause"),
    [
        (47 * 20_000, 20_000, b"", "BOMB"),
        (47 * 20_000, 1, b"", "BOMB"),  # the record lies about the number
        (47 * 1001, 1001, b"", "BOMB"),
        (47 * 20_000, 1, end64(47 * 20_000), "TYPE"),
    ],
)
async def test_a_huge_directory_is_refused_unparsed(
    monkeypatch: pytest.MonkeyPatch, size: int, entries: int, tail: bytes, cause: str
) -> None:
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, *(0,) * 8, 1, *(0,) * 6) + b"a"
    named = 47 if tail else size
    content = b"PK\x03\x04" + bytes(26) + entry * (size // 47) + tail + end(entries, named)
    monkeypatch.delattr(zipfile, "ZipFile")
    with pytest.raises(GiroError) as error:
        media_type(io.BytesIO(content))
    assert (error.value.reason, error.value.metadata) == (Reason.DOCUMENT_REFUSED, {"cause": cause})


async def test_an_archive_with_a_comment_is_taken() -> None:
    file = io.BytesIO(docx())
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"c" * 65_535
    assert media_type(io.BytesIO(file.getvalue())) == DOCX
