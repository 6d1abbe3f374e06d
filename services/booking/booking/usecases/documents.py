"""Keeps documents of appointments, with versions (R-082).

The bytes are written aside while they come and checked whole. Before they are stored their key is noted, and
the commit of the document that names them takes the note away: so a note that is there tells bytes of nobody,
after a crash too, and after a commit whose outcome nobody heard. `sweep_documents` drops those. It gives the
note up first, so that an upload that was only slow cannot name them any more.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Final

from prometheus_client import Counter

from booking import events
from booking.domain import errors
from booking.domain.appointment import Appointment, require_writable
from booking.domain.document import Document, media_type
from booking.domain.parameters import DOCUMENT_LIMIT, DOCUMENT_MOST_BYTES
from booking.storage import appointments, document_uploads, documents, parameters
from booking.storage.document_uploads import BEFORE_ALL, Noted
from booking.usecases.desk import Desk
from booking.usecases.document_store import DocumentStore
from booking.usecases.reach import reach
from booking.usecases.virus_scanner import VirusScanner
from kit import telemetry
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import Conflict, InvalidInput, NotFound, RuleViolated, Unavailable
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id

_log = telemetry.logger(__name__)

swept_total: Final = Counter(
    "giro_booking_documents_swept_total", "Bytes that no document names, dropped or not", ["outcome"]
)

_IN_MEMORY: Final = 256 * 1024
_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class UploadDocument:
    """What an upload is of; `document_id` is empty for a new document."""

    appointment_id: str
    document_id: str
    file_name: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where documents lie, and who looks at them first."""

    store: DocumentStore
    scanner: VirusScanner


@dataclass(frozen=True, slots=True)
class _Content:
    """Bytes that have come, whole."""

    file: IO[bytes]
    size: int
    sha256: str
    media_type: str


async def upload_document(
    desk: Desk, shelf: Shelf, upload: UploadDocument, chunks: AsyncIterator[bytes]
) -> Document:
    """The document's new version; the same again for the same request with the same bytes.

    Raises NotFound, NotAllowed, TOO_LARGE as soon as it is, DOCUMENT_REFUSED, SUPERSEDED, TOO_MANY,
    CONTENTION for one that was stored too slowly, Unavailable, which a scanner that cannot say makes it too.
    """
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await _appointment(tx, upload)
        most = (await parameters.effective(tx, appointment.campaign_id))[DOCUMENT_MOST_BYTES]
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        content = await _received(file, chunks, most)
        await _require_clean(shelf.scanner, content)
        return await _keep(desk, shelf.store, upload, content)


async def list_documents(desk: Desk, appointment_id: str) -> Sequence[Document]:
    """All versions of an appointment's documents. Raises NotFound, NotAllowed."""
    async with desk.db.uow(caller().tenant) as tx:
        await _seen(tx, appointment_id)
        return await documents.of_appointment(tx, appointment_id)


async def read_document(
    desk: Desk, store: DocumentStore, document_id: str, version: int
) -> AsyncIterator[bytes]:
    """The bytes of one version, 0 for the newest. Raises NotFound, NotAllowed, Unavailable."""
    async with desk.db.uow(caller().tenant) as tx:
        found = await documents.get(tx, document_id, version)
        await _seen(tx, found.appointment_id)
    async for piece in store.read(found.stored_as):
        yield piece


async def _seen(tx: Tx, appointment_id: str) -> Appointment:
    appointment = await appointments.get(tx, appointment_id)
    reach().require_sight(appointment.campaign_id, appointment.agent_id)
    return appointment


async def _appointment(tx: Tx, upload: UploadDocument) -> Appointment:
    appointment = await _seen(tx, upload.appointment_id)
    if upload.document_id:
        known = await documents.get(tx, upload.document_id, 0)
        if known.appointment_id != upload.appointment_id:
            raise errors.invalid("document_id", "is a document of another appointment")
    return appointment


async def _received(file: IO[bytes], chunks: AsyncIterator[bytes], most: int) -> _Content:
    size, digest = 0, hashlib.sha256()
    async for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise errors.document_too_large(most)
        digest.update(chunk)
        await asyncio.to_thread(file.write, chunk)
    if not size:
        raise errors.invalid("chunk", "the document is empty")
    file.seek(0)
    kind = await asyncio.to_thread(media_type, file)
    file.seek(0)
    return _Content(file, size, digest.hexdigest(), kind)


async def _require_clean(scanner: VirusScanner, content: _Content) -> None:
    found = await scanner.virus_in(content.file)
    content.file.seek(0)
    if found:
        raise errors.document_refused("VIRUS", f"carries {found}")


@dataclass(slots=True)
class Sweep:
    """Where the rounds are: the note after which the next one begins."""

    after: Noted = BEFORE_ALL


async def sweep_documents(
    desk: Desk, store: DocumentStore, grace: timedelta, sweep: Sweep | None = None
) -> int:
    """One round over all tenants, from where the last one ended: drops bytes noted `grace` ago that no
    document names; of how many keys.

    One that cannot be dropped is counted and keeps no other waiting: the next round goes on behind it, and
    begins again with the oldest once it has seen all. Raises Unavailable when the database cannot be used, or
    the store for none of them.
    """
    sweep = sweep or Sweep()
    async with desk.db.worker() as tx:
        found = await document_uploads.older(tx, grace, _BATCH, sandbox=desk.db.sandbox, after=sweep.after)
    sweep.after = found[-1] if len(found) == _BATCH else BEFORE_ALL
    dropped, away = 0, None
    for note in found:
        try:
            dropped += await _swept(desk, store, note, grace)
        except Unavailable as error:
            away = error
            swept_total.labels(outcome="error").inc()
            _log.warning("sweeping_failed", stored_as=note.stored_as, error=str(error))
    swept_total.labels(outcome="dropped").inc(dropped)
    if away is not None and not dropped:
        raise away
    return dropped


async def _swept(desk: Desk, store: DocumentStore, note: Noted, grace: timedelta) -> bool:
    tenant, stored_as = note.tenant, note.stored_as
    try:
        async with desk.db.uow(tenant) as tx:
            given_up = await document_uploads.give_up(tx, stored_as, await tx.now() - grace)
    except Conflict:  # its document is being committed at this moment
        return False
    if given_up:
        await failpoint("booking.sweep.given_up")
        await _drop(desk, store, tenant, stored_as)
    return given_up


async def _drop(desk: Desk, store: DocumentStore, tenant: str, stored_as: str) -> None:
    await store.drop(stored_as)
    await failpoint("booking.document.after_drop")
    async with desk.db.uow(tenant) as tx:
        await document_uploads.forget(tx, stored_as)


async def _keep(desk: Desk, store: DocumentStore, upload: UploadDocument, content: _Content) -> Document:
    tenant = caller().tenant
    stored_as = f"{tenant}/{new_id('fil')}"
    async with desk.db.uow(tenant) as tx:
        await document_uploads.begin(tx, stored_as)
    await store.put(stored_as, content.file)
    await failpoint("booking.document.after_put")
    try:
        document = await _commit(desk, upload, content, stored_as)
    except (
        InvalidInput,
        NotFound,
        RuleViolated,
        Conflict,
    ):  # after anything else a row may be there
        await _try_to_drop(desk, store, stored_as)
        raise
    if document.stored_as != stored_as:  # the request was repeated: the first answer's bytes are there
        await _try_to_drop(desk, store, stored_as)
    return document


async def _try_to_drop(desk: Desk, store: DocumentStore, stored_as: str) -> None:
    """At once, so that nothing waits for the sweeper; what fails waits for it."""
    with suppress(Unavailable):
        await _drop(desk, store, caller().tenant, stored_as)


async def _commit(desk: Desk, upload: UploadDocument, content: _Content, stored_as: str) -> Document:
    body = "\0".join((upload.appointment_id, upload.document_id, upload.file_name, content.sha256))
    claim = Claim(f"req:{upload.request_id}", f"UploadDocument\0{body}".encode())
    async with desk.db.uow(caller().tenant, claim) as tx:
        if tx.claim_ref is not None:
            document_id, _, version = tx.claim_ref.partition(" ")
            return await documents.get(tx, document_id, int(version))
        appointment = await appointments.lock(tx, upload.appointment_id)
        require_writable(appointment)
        known = await documents.of_appointment(tx, upload.appointment_id)
        limit = (await parameters.effective(tx, appointment.campaign_id))[DOCUMENT_LIMIT]
        _require_room(upload, known, limit)
        if not await document_uploads.finish(tx, stored_as):
            raise errors.upload_given_up()
        document = _document(upload, content, known, (stored_as, await tx.now()))
        await documents.insert(tx, document)
        events.document_added(tx, document, appointment.campaign_id)
        tx.refer(f"{document.document_id} {document.version}")
        await failpoint("booking.document.before_commit")
    return document


def _require_room(upload: UploadDocument, known: Sequence[Document], limit: int) -> None:
    """A new version needs room as a new document does: nothing is ever taken away."""
    if len(known) >= limit:
        raise errors.too_many_documents(limit)


def _document(
    upload: UploadDocument, content: _Content, known: Sequence[Document], stored: tuple[str, datetime]
) -> Document:
    versions = [each.version for each in known if each.document_id == upload.document_id]
    return Document(
        document_id=upload.document_id or new_id("doc"),
        version=max(versions, default=0) + 1,
        appointment_id=upload.appointment_id,
        file_name=upload.file_name,
        media_type=content.media_type,
        size_bytes=content.size,
        sha256=content.sha256,
        stored_as=stored[0],
        uploaded_by=caller().subject,
        uploaded_at=stored[1],
    )
