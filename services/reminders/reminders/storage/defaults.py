"""How often a tenant's defaults for the offsets of reminders have changed, and by which a plan was made."""

from sqlalchemy import text

from kit.db.uow import Tx

_CHANGE = text(
    """
    INSERT INTO reminders.defaults AS d (tenant_id, revision) VALUES (:tenant, 1)
    ON CONFLICT ON CONSTRAINT defaults_pkey DO UPDATE SET revision = d.revision + 1
    """
)

_REVISION = text("SELECT revision FROM reminders.defaults WHERE tenant_id = :tenant")

_STAMP = text(
    """
    UPDATE reminders.plans SET defaults = :revision
    WHERE tenant_id = :tenant AND appointment_id = :id AND defaults <> :revision
    """
)


async def change(tx: Tx) -> None:
    """They change in this transaction: what is planned is to be looked at again."""
    await tx.run(_CHANGE, {"tenant": tx.tenant})


async def revision(tx: Tx) -> int:
    """Their revision. To be read before the defaults: then a change between the two is followed once more."""
    return int((await tx.run(_REVISION, {"tenant": tx.tenant})).scalar_one_or_none() or 0)


async def stamp(tx: Tx, appointment_id: str, by: int) -> None:
    """The plan goes by this revision."""
    await tx.run(_STAMP, {"tenant": tx.tenant, "id": appointment_id, "revision": by})
