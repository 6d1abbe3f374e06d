"""Reads and sets parameters of the tenant."""

from collections.abc import Sequence
from dataclasses import dataclass

from identity.domain.parameters import AGENTS_ENABLED, Shown, definition, show, stored
from identity.domain.roles import RoleGrant, check_roles_open, in_force
from identity.storage import parameters
from kit.db.engine import Database
from kit.db.uow import Tx


@dataclass(frozen=True, slots=True)
class TenantParameters:
    """Parameters of the whole tenant."""

    db: Database

    async def get(self, tenant_id: str, name: str) -> Shown:
        """What counts, and where it comes from. Raises NotFound naming `name`."""
        parameter = definition(name)
        async with self.db.uow(tenant_id) as tx:
            return show(parameter, await parameters.text_of(tx, parameter))

    async def set(self, tenant_id: str, name: str, text: str) -> Shown:
        """Sets a value; an empty one goes back to the system's. Raises NotFound, InvalidInput."""
        parameter = definition(name)
        value = stored(parameter, text) if text else None
        async with self.db.uow(tenant_id) as tx:
            await parameters.put(tx, parameter, value)
        return show(parameter, value)


async def require_roles_open(tx: Tx, grants: Sequence[RoleGrant]) -> None:
    """Raises RuleViolated (AGENTS_DISABLED), naming the grant, for a role that the tenant does not have."""
    check_roles_open(grants, agents_enabled=await parameters.value(tx, AGENTS_ENABLED))


async def open_grants(tx: Tx, grants: Sequence[RoleGrant]) -> tuple[RoleGrant, ...]:
    """Those of a user's grants that count in the tenant as it is now (R-084)."""
    return in_force(grants, agents_enabled=await parameters.value(tx, AGENTS_ENABLED))
