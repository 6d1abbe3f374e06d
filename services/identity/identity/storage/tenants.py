"""Tenants in the database."""

from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from identity.domain.tenants import Tenant
from identity.storage.tables import tenants
from kit.db.uow import Tx

_MINE: Final = tenants.c.tenant_id == bindparam("mine")
_INSERT: Final = insert(tenants)
_INSERT_NEW: Final = insert(tenants).on_conflict_do_nothing().returning(tenants.c.tenant_id)
_SELECT: Final = select(tenants.c.tenant_id, tenants.c.display_name, tenants.c.time_zone).where(_MINE)
_LOCK: Final = select(tenants.c.tenant_id).where(_MINE).with_for_update(key_share=True)


async def add(tx: Tx, tenant: Tenant) -> None:
    """Adds the transaction's own tenant."""
    await tx.run(_INSERT, _values(tenant))


async def add_unless_there(tx: Tx, tenant: Tenant) -> bool:
    """Adds the transaction's own tenant; False when it is there already."""
    return (await tx.run(_INSERT_NEW, _values(tenant))).first() is not None


async def find(tx: Tx) -> Tenant | None:
    """The transaction's tenant, or None when it does not exist."""
    row = (await tx.run(_SELECT, {"mine": tx.tenant})).one_or_none()
    return None if row is None else Tenant(row.tenant_id, row.display_name, row.time_zone)


async def lock(tx: Tx) -> None:
    """Makes changes of the tenant's administrators wait for each other. Read them in a later statement."""
    await tx.run(_LOCK, {"mine": tx.tenant})


def _values(tenant: Tenant) -> dict[str, str]:
    return {
        "tenant_id": tenant.tenant_id,
        "display_name": tenant.display_name,
        "time_zone": tenant.time_zone,
    }
