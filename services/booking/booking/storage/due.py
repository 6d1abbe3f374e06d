"""What the reconciler has to settle, over all tenants; read as the worker's role."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import text

from kit.db.worker import WorkerTx


class DueKind(StrEnum):
    """What is unfinished."""

    SERIES = "SERIES"
    """A PENDING series that nobody finished in time."""
    BOOKING = "BOOKING"
    """A PENDING appointment that nobody finished in time."""
    FENCE = "FENCE"
    """A FAILED appointment, or one CANCELLED or SUPERSEDED a while ago, perhaps not refused yet."""
    MOVE = "MOVE"
    """A pending move that nobody finished in time."""


@dataclass(frozen=True, slots=True)
class Due:
    """One unfinished change: the id of a series, of an appointment or of a move."""

    kind: DueKind
    tenant: str
    id: str


_FIND = text(
    """
    (SELECT 'SERIES' AS kind, tenant_id, series_id AS id FROM booking.series
     WHERE state = 'PENDING' AND began_at < clock_timestamp() - CAST(:age AS interval)
     ORDER BY began_at LIMIT :rows)
    UNION ALL
    (SELECT 'BOOKING', tenant_id, appointment_id FROM booking.appointments
     WHERE state = 'PENDING' AND began_at < clock_timestamp() - CAST(:age AS interval)
     ORDER BY began_at LIMIT :rows)
    UNION ALL
    (SELECT 'FENCE', tenant_id, appointment_id FROM booking.appointments
     WHERE state IN ('FAILED', 'CANCELLED', 'SUPERSEDED') AND NOT settled
       AND (state = 'FAILED' OR decided_at < clock_timestamp() - CAST(:age AS interval))
     ORDER BY decided_at LIMIT :rows)
    UNION ALL
    (SELECT 'MOVE', tenant_id, move_id FROM booking.moves
     WHERE state = 'PENDING' AND began_at < clock_timestamp() - CAST(:age AS interval)
     ORDER BY began_at LIMIT :rows)
    """
)

_OLDEST = text(
    """
    SELECT coalesce(extract(epoch FROM clock_timestamp() - least(
        (SELECT min(began_at) FROM booking.appointments WHERE state = 'PENDING'),
        (SELECT min(began_at) FROM booking.moves WHERE state = 'PENDING'),
        (SELECT min(began_at) FROM booking.series WHERE state = 'PENDING'),
        (SELECT min(began_at) FROM booking.repairs WHERE state = 'PENDING'))), 0)
    """
)


async def find(tx: WorkerTx, age: timedelta, count: int) -> Sequence[Due]:
    """Unfinished changes older than `age` by the database's clock, the oldest first; `count` of each kind."""
    found = await tx.run(_FIND, {"age": age, "rows": count})
    return [Due(DueKind(row.kind), row.tenant_id, row.id) for row in found]


async def oldest_age(tx: WorkerTx) -> float:
    """Seconds since the oldest undecided change began; 0 when there is none."""
    return float((await tx.run(_OLDEST)).scalar_one())
