"""One user of the tenant."""

from collections.abc import Sequence
from dataclasses import dataclass

from identity.domain.roles import Granted
from identity.domain.users import User, check_may_read, not_found
from identity.storage import users
from kit.db.engine import Database


@dataclass(frozen=True, slots=True)
class GetUser:
    """Reads users of one tenant."""

    db: Database

    async def run(self, tenant_id: str, user_id: str, reader: Sequence[Granted]) -> User:
        """Raises NotFound, and NotAllowed for a user beyond the reader's scope (R-181)."""
        user = await self.me(tenant_id, user_id)
        check_may_read(reader, user)
        return user

    async def me(self, tenant_id: str, user_id: str) -> User:
        """The user itself. Raises NotFound."""
        async with self.db.uow(tenant_id) as tx:
            user = await users.find(tx, user_id)
        if user is None:
            raise not_found(user_id)
        return user
