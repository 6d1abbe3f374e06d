"""Parameters that a tenant has set, per scope."""

from datetime import datetime
from typing import Any

from sqlalchemy import text

from kit.db.uow import NOW, Tx
from kit.parameters import Scope
from reminders.domain.parameters import Settings

OF_TENANT = """
    (SELECT json_agg(json_build_array(s.name, s.scope, s.scope_id, s.value))
     FROM reminders.parameters s WHERE s.tenant_id = :tenant)
"""
"""Sub-select: all that was set."""

_READ = text(f"SELECT {OF_TENANT} AS parameters")

_AT_PRESENT = {
    sandbox: text(f"SELECT {now} AS now, {OF_TENANT} AS parameters") for sandbox, now in NOW.items()
}

_SET = text(
    """
    INSERT INTO reminders.parameters (tenant_id, scope, scope_id, name, value)
    VALUES (:tenant, :scope, :scope_id, :name, :value)
    ON CONFLICT ON CONSTRAINT parameters_pkey DO UPDATE SET value = excluded.value
    """
)

_CLEAR = text(
    """
    DELETE FROM reminders.parameters
    WHERE tenant_id = :tenant AND scope = :scope AND scope_id = :scope_id AND name = :name
    """
)


def read(rows: list[list[Any]] | None) -> Settings:
    """`[name, scope, scope_id, JSON text]` as `OF_TENANT` gives them; None: nothing was set."""
    texts: dict[str, dict[tuple[Scope, str], str]] = {}
    for name, scope, scope_id, value in rows or ():
        texts.setdefault(name, {})[Scope[scope], scope_id] = value
    return Settings(texts)


async def settings(tx: Tx) -> Settings:
    """All that the tenant has set."""
    return read((await tx.run(_READ, {"tenant": tx.tenant})).scalar_one())


async def at_present(tx: Tx, *, sandbox: bool) -> tuple[datetime, Settings]:
    """The tenant's time and all that it has set, in one look."""
    row = (await tx.run(_AT_PRESENT[sandbox], {"tenant": tx.tenant})).one()
    return row.now, read(row.parameters)


async def put(tx: Tx, scope: tuple[Scope, str], name: str, value: str | None) -> None:
    """Sets JSON text in a scope; None falls back to the wider scope."""
    params = {"tenant": tx.tenant, "scope": scope[0].name, "scope_id": scope[1], "name": name}
    if value is None:
        await tx.run(_CLEAR, params)
    else:
        await tx.run(_SET, {**params, "value": value})
