"""What a tenant has set of identity's parameters, as JSON text."""

from typing import Any, Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from identity.storage.tables import parameters
from kit.db.uow import Tx
from kit.parameters import Parameter, Scope, resolve

_OF_NAME: Final = (
    parameters.c.tenant_id == bindparam("mine"),
    parameters.c.name == bindparam("wanted"),
)
_VALUE: Final = select(parameters.c.value).where(*_OF_NAME)
_CLEAR: Final = delete(parameters).where(*_OF_NAME)
_SET: Final = insert(parameters)
_PUT: Final = _SET.on_conflict_do_update(constraint="parameters_pkey", set_={"value": _SET.excluded.value})


async def text_of(tx: Tx, parameter: Parameter[Any]) -> str | None:
    """What the tenant has set; None for nothing."""
    asked = {"mine": tx.tenant, "wanted": parameter.name}
    text: str | None = (await tx.run(_VALUE, asked)).scalar_one_or_none()
    return text


async def value(tx: Tx, parameter: Parameter[Any]) -> Any:
    """What counts in the tenant."""
    text = await text_of(tx, parameter)
    return resolve(parameter, {} if text is None else {Scope.TENANT: text}).value


async def put(tx: Tx, parameter: Parameter[Any], text: str | None) -> None:
    """Sets it; None goes back to the system's."""
    if text is None:
        await tx.run(_CLEAR, {"mine": tx.tenant, "wanted": parameter.name})
    else:
        await tx.run(_PUT, {"tenant_id": tx.tenant, "name": parameter.name, "value": text})
