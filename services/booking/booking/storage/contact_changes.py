"""What was corrected of the people to visit: rows are added and never changed."""

from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import text

from booking.domain.contact import ContactChange, FieldChange
from kit.db.uow import Tx

_ADD = text(
    """
    INSERT INTO booking.contact_changes (tenant_id, contact_id, version, changed_at, actor_id, changes)
    VALUES (:tenant, :contact, :version, :at, :actor, :changes)
    """
)

_PAGE = text(
    """
    SELECT version, changed_at, actor_id, changes FROM booking.contact_changes
    WHERE tenant_id = :tenant AND contact_id = :contact AND version > :after
    ORDER BY version LIMIT :rows
    """
)


async def add(tx: Tx, contact_id: str, change: ContactChange) -> None:
    """Keeps a correction; the contact's row is locked by the caller."""
    params = {
        "tenant": tx.tenant,
        "contact": contact_id,
        "version": change.version,
        "at": change.changed_at,
        "actor": change.actor_id,
        "changes": Jsonb([[each.field, each.before, each.after] for each in change.fields]),
    }
    await tx.run(_ADD, params)


async def page(tx: Tx, contact_id: str, after: int, count: int) -> Sequence[ContactChange]:
    """Corrections after a version, the oldest first."""
    params = {"tenant": tx.tenant, "contact": contact_id, "after": after, "rows": count}
    return [_change(row) for row in await tx.run(_PAGE, params)]


def _change(row: Any) -> ContactChange:
    return ContactChange(
        version=row.version,
        changed_at=row.changed_at,
        actor_id=row.actor_id,
        fields=[FieldChange(*each) for each in row.changes],
    )
