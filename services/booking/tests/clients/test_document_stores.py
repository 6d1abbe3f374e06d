"""What every document store keeps to: the folder and the bucket, the same tests."""

import asyncio
import hashlib
import io
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
import pytest_asyncio
from booking_house import House
from house_clock import soon
from s3_server import REGION, S3Server

from booking.clients.document_bucket import Bucket, DocumentBucket
from booking.clients.document_folder import DocumentFolder
from booking.usecases.document_store import DocumentStore
from booking.usecases.documents import Shelf, UploadDocument, read_document, upload_document
from booking.usecases.virus_scanner import NoScanner
from kit.db.guard import RemoteCallInTransaction
from kit.errors import GiroError, Reason, Unavailable
from kit.testing.ports import free_port
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

MIB = 1024 * 1024
LONG = 20 * MIB + 1
"""Three parts for the bucket."""


@dataclass
class Rig:
    """A store, and what a test does to it."""

    store: DocumentStore
    away: DocumentStore
    """The same kind of store, which cannot be reached."""
    kept: Callable[[], list[str]]
    unfinished: Callable[[], list[str]]
    die_while_putting: Callable[[str], None]
    """Leaves what a process leaves that is killed in the middle of a `put`."""


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    server = S3Server()
    server.start()
    yield server
    server.stop()


def folder_rig(tmp_path: Path) -> Rig:
    folder = tmp_path / "documents"
    (tmp_path / "file").write_text("in the way")

    def found(*, part: bool) -> list[str]:
        files = [path for path in folder.rglob("*") if path.is_file() and (path.suffix == ".part") is part]
        return [str(path.relative_to(folder)).removesuffix(".part") for path in files]

    def die(key: str) -> None:
        path = folder / f"{key}.part"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"the first bytes")

    return Rig(
        DocumentFolder(folder),
        DocumentFolder(tmp_path / "file"),
        lambda: found(part=False),
        lambda: found(part=True),
        die,
    )


def bucket_rig(s3: S3Server) -> tuple[Rig, list[DocumentBucket]]:
    bucket = s3.bucket(new_id("bkt").replace("_", "-"))
    nowhere = Bucket(bucket.name, f"http://127.0.0.1:{free_port()}", REGION, "k", "s")
    stores = [DocumentBucket(bucket), DocumentBucket(nowhere)]

    def die(key: str) -> None:
        client = s3.client()
        upload = client.create_multipart_upload(Bucket=bucket.name, Key=key)["UploadId"]
        client.upload_part(Bucket=bucket.name, Key=key, UploadId=upload, PartNumber=1, Body=b"first")

    rig = Rig(
        *stores,
        lambda: s3.leftovers(bucket.name)[0],
        lambda: s3.leftovers(bucket.name)[1],
        die,
    )
    return rig, stores


@pytest_asyncio.fixture(params=["folder", "bucket"])
async def rig(request: Any, tmp_path: Path) -> AsyncIterator[Rig]:
    if request.param == "folder":
        yield folder_rig(tmp_path)
        return
    made, stores = await asyncio.to_thread(bucket_rig, request.getfixturevalue("s3"))
    yield made
    for store in stores:
        store.close()


def content(size: int) -> bytes:
    return (b"%PDF-1.7 " + bytes(range(256)) * (size // 256 + 1))[:size]


async def read(store: DocumentStore, key: str) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


@pytest.mark.parametrize("size", [1, 256 * 1024, 256 * 1024 + 1, LONG])
async def test_what_was_put_is_read(rig: Rig, size: int) -> None:
    await rig.store.put("ten_1/fil_1", io.BytesIO(content(size)))
    pieces = [piece async for piece in rig.store.read("ten_1/fil_1")]
    assert b"".join(pieces) == content(size)
    assert max(map(len, pieces)) <= 256 * 1024
    assert (rig.kept(), rig.unfinished()) == (["ten_1/fil_1"], [])


async def test_what_was_dropped_is_gone_and_dropping_nothing_is_no_error(rig: Rig) -> None:
    for key in ("ten_1/fil_1", "ten_1/fil_12"):
        await rig.store.put(key, io.BytesIO(content(100)))
    await rig.store.drop("ten_1/fil_1")
    await rig.store.drop("ten_1/fil_1")
    await rig.store.drop("ten_2/fil_1")
    assert rig.kept() == ["ten_1/fil_12"]
    with pytest.raises(Unavailable) as error:
        await read(rig.store, "ten_1/fil_1")
    assert error.value.reason is Reason.SERVICE_UNAVAILABLE


class Breaks(io.BytesIO):
    """A file that cannot be read to its end."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 10 * MIB:
            raise OSError(5, "Input/output error")
        return super().read(size)


async def test_a_put_that_fails_keeps_nothing(rig: Rig) -> None:
    with pytest.raises(Unavailable):
        await rig.store.put("ten_1/fil_1", Breaks(content(LONG)))
    assert (rig.kept(), rig.unfinished()) == ([], [])
    await rig.store.put("ten_1/fil_1", io.BytesIO(content(LONG)))
    assert rig.kept() == ["ten_1/fil_1"]


async def test_a_drop_clears_what_a_killed_put_left(rig: Rig) -> None:
    rig.die_while_putting("ten_1/fil_1")
    assert (rig.kept(), rig.unfinished()) == ([], ["ten_1/fil_1"])
    await rig.store.drop("ten_1/fil")  # another key that begins alike
    assert rig.unfinished() == ["ten_1/fil_1"]
    await rig.store.drop("ten_1/fil_1")
    assert (rig.kept(), rig.unfinished()) == ([], [])


async def test_no_key_leads_out_of_the_store(rig: Rig) -> None:
    for key in ("../outside", "/etc/passwd", "ten_1/../ten_2/fil_1", "a//b", "", "a\nb"):
        for work in (rig.store.put(key, io.BytesIO(b"x")), read(rig.store, key), rig.store.drop(key)):
            with pytest.raises(ValueError, match="no key"):
                await work
    assert rig.kept() == []


async def test_a_store_that_is_away_is_unavailable(rig: Rig) -> None:
    for work in (rig.away.put("a/b", io.BytesIO(b"x")), read(rig.away, "a/b"), rig.away.drop("a/b")):
        with pytest.raises(Unavailable) as error:
            await work
        assert error.value.metadata["service"] == "document store"


async def test_never_inside_a_transaction(rig: Rig, house: House) -> None:
    async with house.desk.db.uow(house.tenant):
        for work in (rig.store.put("a/b", io.BytesIO(b"x")), read(rig.store, "a/b"), rig.store.drop("a/b")):
            with pytest.raises(RemoteCallInTransaction):
                await work


class Zeros(io.RawIOBase):
    """A long file that is nowhere."""

    def __init__(self, size: int) -> None:
        self._size, self._at = size, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = max(0, offset + {0: 0, 1: self._at, 2: self._size}[whence])
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._size - self._at)
        found = bytes(left if size is None or size < 0 else min(size, left))
        self._at += len(found)
        return found


async def test_a_long_one_is_never_whole_in_memory(rig: Rig) -> None:
    size = 40 * MIB
    zeros: IO[bytes] = Zeros(size)  # type: ignore[assignment]
    await rig.store.put("ten_1/warm", io.BytesIO(b"x"))
    tracemalloc.start()
    await rig.store.put("ten_1/fil_1", zeros)
    digest, length = hashlib.sha256(), 0
    async for piece in rig.store.read("ten_1/fil_1"):
        digest.update(piece)
        length += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (length, digest.digest()) == (size, hashlib.sha256(bytes(size)).digest())
    assert peak < size // 2


async def test_a_document_goes_through_every_store(rig: Rig, house: House) -> None:
    card = await house.booked(soon())
    command = UploadDocument(card.appointment.appointment_id, "", "form.pdf", new_id("req"))

    async def chunks() -> AsyncIterator[bytes]:
        whole = content(9 * MIB)
        for first in range(0, len(whole), 512 * 1024):
            yield whole[first : first + 512 * 1024]

    made = await upload_document(house.desk, Shelf(rig.store, NoScanner()), command, chunks())
    found = read_document(house.desk, rig.store, made.document_id, 0)
    assert b"".join([piece async for piece in found]) == content(9 * MIB)
    again = UploadDocument(card.appointment.appointment_id, "", "form.pdf", new_id("req"))
    with pytest.raises(GiroError) as error:
        await upload_document(house.desk, Shelf(rig.away, NoScanner()), again, chunks())
    assert error.value.reason is Reason.SERVICE_UNAVAILABLE
    assert len(rig.kept()) == 1
