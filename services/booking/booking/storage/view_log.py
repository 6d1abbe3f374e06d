"""The log of views; rows are only ever added."""

from collections.abc import Sequence

from sqlalchemy import text

from booking.domain.view import View
from kit.db.uow import Tx

_MOST = 1000

_INSERT = text(
    """
    INSERT INTO booking.appointment_views (tenant_id, appointment_id, viewer_id, version, role, viewed_at)
    SELECT :tenant, seen.appointment_id, :viewer, seen.version, seen.role, :now
    FROM unnest(CAST(:ids AS text[]), CAST(:versions AS bigint[]), CAST(:roles AS text[]))
        AS seen (appointment_id, version, role)
    ON CONFLICT ON CONSTRAINT appointment_views_pkey DO NOTHING
    """
)

_LIST = text(
    f"""
    SELECT * FROM (
        SELECT appointment_id, viewer_id, role, version, viewed_at FROM booking.appointment_views
        WHERE tenant_id = :tenant AND appointment_id = :appointment
        ORDER BY viewed_at DESC, viewer_id DESC, version DESC LIMIT {_MOST}
    ) latest ORDER BY viewed_at, viewer_id, version
    """  # noqa: S608 - a constant
)


async def insert(tx: Tx, views: Sequence[View]) -> None:
    """Stores one person's views of one moment; those there are already stay."""
    if not views:
        return
    params = {
        "tenant": tx.tenant,
        "viewer": views[0].viewer_id,
        "now": views[0].viewed_at,
        "ids": [view.appointment_id for view in views],
        "versions": [view.version for view in views],
        "roles": [view.role for view in views],
    }
    await tx.run(_INSERT, params)


async def of_appointment(tx: Tx, appointment_id: str) -> Sequence[View]:
    """The latest 1,000, in order."""
    found = await tx.run(_LIST, {"tenant": tx.tenant, "appointment": appointment_id})
    return [View(row.appointment_id, row.viewer_id, row.role, row.version, row.viewed_at) for row in found]
