"""What the worker role sees of all tenants: holds whose time is up, and how many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import text

from kit.db.worker import WorkerTx

_DUE: Final = text(
    """
    SELECT tenant_id, owner_id, expires_at FROM geo.stops
    WHERE expires_at IS NOT NULL AND expires_at <= :until
    ORDER BY expires_at LIMIT :rows
    """
)
_HOLDS: Final = text("SELECT count(*) FROM geo.stops WHERE expires_at IS NOT NULL")
_TENANTS: Final = text("SELECT DISTINCT tenant_id FROM geo.agents ORDER BY tenant_id")


@dataclass(frozen=True, slots=True)
class DueHold:
    """A hold whose time is up by its tenant's clock."""

    tenant: str
    hold_id: str


async def due_holds(tx: WorkerTx, rows: int = 1000) -> Sequence[DueHold]:
    """The holds that have expired, the longest expired first; test clocks count."""
    now = await tx.now()
    offsets = await tx.clock_offsets()
    ahead = timedelta(seconds=max(offsets.values(), default=0))
    found = await tx.run(_DUE, {"until": now + ahead, "rows": rows})
    return [
        DueHold(row.tenant_id, row.owner_id)
        for row in found
        if row.expires_at <= now + timedelta(seconds=offsets.get(row.tenant_id, 0))
    ]


async def count_holds(tx: WorkerTx) -> int:
    """All holds that are in the ledger."""
    return int((await tx.run(_HOLDS)).scalar_one())


async def tenants(tx: WorkerTx) -> Sequence[str]:
    """The tenants that have agents."""
    return [row.tenant_id for row in await tx.run(_TENANTS)]
