"""Replaces the roles of a user."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from identity import events
from identity.domain.roles import RoleGrant, as_agent, check_grants
from identity.domain.users import User, check_an_administrator_remains, not_found
from identity.storage import tenants, users
from identity.usecases.tenant_parameters import require_roles_open
from kit.db.engine import Database


@dataclass(frozen=True, slots=True)
class SetUserGrants:
    """Gives a user these roles and no others; the same twice changes nothing the second time."""

    db: Database

    async def run(self, tenant_id: str, user_id: str, new: Sequence[RoleGrant]) -> User:
        """Raises NotFound, InvalidInput naming the grant, RuleViolated for the last administrator
        (LAST_ADMINISTRATOR) and for an agent's role where there are no agents (AGENTS_DISABLED, R-084).
        """
        asked = check_grants(new, tenant_id)
        async with self.db.uow(tenant_id) as tx:
            await tenants.lock(tx)
            await require_roles_open(tx, new)
            user = await users.find(tx, user_id)
            if user is None:
                raise not_found(user_id)
            grants = as_agent(asked, user.agent_id)
            check_an_administrator_remains(user, grants, await users.other_administrators(tx, user_id))
            if grants != user.grants:
                await users.replace_grants(tx, user_id, grants)
                events.user_grants_set(tx, user_id)
        return replace(user, grants=grants)
