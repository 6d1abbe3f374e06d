"""What a tenant has set of geo's parameters, as JSON text."""

from typing import Final

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from geo.storage.sql import fetch_one
from geo.storage.travel_tables import parameters
from kit.db.uow import Tx

_VALUE: Final = "SELECT value FROM geo.parameters WHERE tenant_id = %(tenant)s AND name = %(name)s"

_SET: Final = insert(parameters)
_PUT: Final = _SET.on_conflict_do_update(constraint="parameters_pkey", set_={"value": _SET.excluded.value})


async def value(tx: Tx, name: str) -> str | None:
    """What is set; None for nothing."""
    row = await fetch_one(tx, _VALUE, {"tenant": tx.tenant, "name": name})
    return None if row is None else str(row.value)


async def put(tx: Tx, name: str, text: str | None) -> None:
    """Sets it; None goes back to the default."""
    if text is None:
        of_name = (parameters.c.tenant_id == tx.tenant, parameters.c.name == name)
        await tx.run(delete(parameters).where(*of_name))
    else:
        await tx.run(_PUT, {"tenant_id": tx.tenant, "name": name, "value": text})
