"""Bytes that no document names yet: noted before they are stored, until a document names them or they are
dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text

from kit.db.uow import NOW, Tx
from kit.db.worker import WorkerTx, by_tenants_clocks

_BEGIN = {
    sandbox: text(
        "INSERT INTO booking.document_uploads (tenant_id, stored_as, began_at)"  # noqa: S608 - constants
        f" VALUES (:tenant, :stored_as, {now})"
    )
    for sandbox, now in NOW.items()
}

_FINISH = text(
    """
    DELETE FROM booking.document_uploads
    WHERE tenant_id = :tenant AND stored_as = :stored_as AND NOT given_up RETURNING stored_as
    """
)

_GIVE_UP = text(
    """
    UPDATE booking.document_uploads SET given_up = true
    WHERE tenant_id = :tenant AND stored_as = :stored_as AND began_at <= :begun_by RETURNING stored_as
    """
)

_FORGET = text("DELETE FROM booking.document_uploads WHERE tenant_id = :tenant AND stored_as = :stored_as")

_OLD = by_tenants_clocks(
    """
    SELECT u.tenant_id, u.stored_as, u.began_at FROM booking.document_uploads u {ahead}
    WHERE u.began_at <= {now} - CAST(:age AS interval)
      AND (u.began_at, u.stored_as) > (:began_at, :stored_as)
    ORDER BY u.began_at, u.stored_as LIMIT :rows
    """,
    "u.tenant_id",
)


async def begin(tx: Tx, stored_as: str) -> None:
    """Notes that bytes will be stored under this key."""
    await tx.run(_BEGIN[tx.sandbox], _key(tx, stored_as))


async def finish(tx: Tx, stored_as: str) -> bool:
    """Takes the note away, since a document names the bytes; False when they were given up before."""
    return (await tx.run(_FINISH, _key(tx, stored_as))).first() is not None


async def give_up(tx: Tx, stored_as: str, begun_by: datetime) -> bool:
    """From the commit on no document can name these bytes; False when one does, or for a younger upload."""
    params = {**_key(tx, stored_as), "begun_by": begun_by}
    return (await tx.run(_GIVE_UP, params)).first() is not None


async def forget(tx: Tx, stored_as: str) -> None:
    """Takes the note away, since the bytes are gone."""
    await tx.run(_FORGET, _key(tx, stored_as))


@dataclass(frozen=True, slots=True)
class Noted:
    """A note of bytes that no document names."""

    tenant: str
    stored_as: str
    began_at: datetime


BEFORE_ALL: Final = Noted("", "", datetime(1, 1, 1, tzinfo=UTC))


async def older(
    tx: WorkerTx, age: timedelta, count: int, *, sandbox: bool, after: Noted = BEFORE_ALL
) -> Sequence[Noted]:
    """What was begun so long ago by each tenant's clock, the oldest first, from behind one on."""
    place = {"began_at": after.began_at, "stored_as": after.stored_as}
    found = await tx.run(_OLD[sandbox], {"age": age, "rows": count, **place})
    return [Noted(row.tenant_id, row.stored_as, row.began_at) for row in found]


def _key(tx: Tx, stored_as: str) -> dict[str, str]:
    return {"tenant": tx.tenant, "stored_as": stored_as}
