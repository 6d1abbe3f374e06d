"""The log of views; rows are only ever added."""

from collections.abc import Sequence

from sqlalchemy import text

from booking.domain.view import View
from kit.db.uow import NOW, Tx

_MOST = 1000

_INSERT = {
    sandbox: text(
        f"""
        WITH moment AS MATERIALIZED (SELECT {now} AS viewed_at)
        INSERT INTO booking.appointment_views
            (tenant_id, appointment_id, viewer_id, version, role, viewed_at)
        SELECT :tenant, seen.appointment_id, :viewer, seen.version, seen.role, moment.viewed_at
        FROM moment,
             unnest(CAST(:ids AS text[]), CAST(:versions AS bigint[]), CAST(:roles AS text[]))
                 AS seen (appointment_id, version, role)
        ON CONFLICT ON CONSTRAINT appointment_views_pkey DO NOTHING
        """  # noqa: S608 - constants
    )
    for sandbox, now in NOW.items()
}

_LIST = text(
    f"""
    SELECT * FROM (
        SELECT appointment_id, viewer_id, role, version, viewed_at FROM booking.appointment_views
        WHERE tenant_id = :tenant AND appointment_id = :appointment
        ORDER BY viewed_at DESC, viewer_id DESC, version DESC LIMIT {_MOST}
    ) latest ORDER BY viewed_at, viewer_id, version
    """  # noqa: S608 - a constant
)


async def insert(tx: Tx, viewer_id: str, seen: Sequence[tuple[str, int, str]]) -> None:
    """Stores what somebody sees now, each an appointment, its version and the viewer's role; those there are
    already stay. In one order, so that two looks of the same person at the same rows do not wait for each
    other."""
    if not seen:
        return
    ids, versions, roles = zip(*sorted(set(seen)), strict=True)
    params = {
        "tenant": tx.tenant,
        "viewer": viewer_id,
        "ids": list(ids),
        "versions": list(versions),
        "roles": list(roles),
    }
    await tx.run(_INSERT[tx.sandbox], params)


async def of_appointment(tx: Tx, appointment_id: str) -> Sequence[View]:
    """The latest 1,000, in order."""
    found = await tx.run(_LIST, {"tenant": tx.tenant, "appointment": appointment_id})
    return [View(row.appointment_id, row.viewer_id, row.role, row.version, row.viewed_at) for row in found]
