"""One user of the tenant."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from identity.domain.roles import Granted
from identity.domain.users import User, check_may_read, not_found
from identity.storage import users
from identity.usecases.tenant_parameters import open_grants
from kit.db.engine import Database
from kit.db.uow import Tx


@dataclass(frozen=True, slots=True)
class GetUser:
    """Reads users of one tenant."""

    db: Database

    async def run(self, tenant_id: str, user_id: str, reader: Sequence[Granted]) -> User:
        """Raises NotFound, and NotAllowed for a user beyond the reader's scope (R-181)."""
        async with self.db.uow(tenant_id) as tx:
            user = await _found(tx, user_id)
        check_may_read(reader, user)
        return user

    async def me(self, tenant_id: str, user_id: str) -> User:
        """The user itself, with the grants that count now. Raises NotFound."""
        async with self.db.uow(tenant_id) as tx:
            user = await _found(tx, user_id)
            return replace(user, grants=await open_grants(tx, user.grants))


async def _found(tx: Tx, user_id: str) -> User:
    user = await users.find(tx, user_id)
    if user is None:
        raise not_found(user_id)
    return user
