"""Test clocks, in the schema that all services read."""

from datetime import timedelta
from typing import Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from identity.storage.tables import test_clocks
from kit.db.uow import Tx

_MINE: Final = test_clocks.c.tenant_id == bindparam("mine")
_START: Final = (
    insert(test_clocks).values(tenant_id=bindparam("mine"), offset_seconds=0).on_conflict_do_nothing()
)
_OFFSET: Final = select(test_clocks.c.offset_seconds).where(_MINE)
_LOCKED_OFFSET: Final = _OFFSET.with_for_update()
_MOVE: Final = update(test_clocks).where(_MINE).values(offset_seconds=bindparam("ahead"))


async def offset(tx: Tx) -> timedelta:
    """How far the tenant's clock is ahead; zero for a tenant that never moved it."""
    found = (await tx.run(_OFFSET, {"mine": tx.tenant})).scalar_one_or_none()
    return timedelta(seconds=found or 0)


async def lock(tx: Tx) -> timedelta:
    """The offset, and nobody else moves it until this transaction ends."""
    await tx.run(_START, {"mine": tx.tenant})
    found = (await tx.run(_LOCKED_OFFSET, {"mine": tx.tenant})).scalar_one()
    return timedelta(seconds=found)


async def move(tx: Tx, ahead: timedelta) -> None:
    """Sets the offset; every later transaction of the tenant, in every service, reads it."""
    await tx.run(_MOVE, {"mine": tx.tenant, "ahead": int(ahead.total_seconds())})
