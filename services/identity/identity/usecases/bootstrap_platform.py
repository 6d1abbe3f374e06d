"""Makes the platform's own tenant and its first user, without whom nobody may make tenants."""

from dataclasses import dataclass

from identity import events
from identity.domain.email import Email
from identity.domain.roles import Role, RoleGrant
from identity.domain.tenants import PLATFORM_TENANT_ID, Tenant
from identity.domain.users import NewUser, User
from identity.storage import logins, tenants, users
from identity.usecases.add_user import add_user, new_user
from identity.usecases.ports import Passwords
from kit.db.engine import Database
from kit.db.uow import Tx

PLATFORM = Tenant(PLATFORM_TENANT_ID, "Giro platform", "Etc/UTC")

FIRST_ROLES = (RoleGrant(Role.ADMINISTRATOR), RoleGrant(Role.PLATFORM))


@dataclass(frozen=True, slots=True)
class BootstrapPlatform:
    """For the installation's start, by whoever holds the database; no RPC leads here."""

    db: Database
    passwords: Passwords

    async def run(self, email: Email, password: str) -> User:
        """The platform's user with this address, made unless it is there; its password then stays.

        Raises AlreadyExists when another tenant's user has the address.
        """
        new = NewUser(email, password, "Platform", FIRST_ROLES)
        password_hash = await self.passwords.hash(password)
        async with self.db.uow(PLATFORM_TENANT_ID) as tx:
            await self._ensure_tenant(tx)
            known = await self._known(tx, email)
            if known is not None:
                return known
            user = new_user(PLATFORM_TENANT_ID, new)
            await add_user(tx, user, password_hash)
        return user

    async def _ensure_tenant(self, tx: Tx) -> None:
        if await tenants.add_unless_there(tx, PLATFORM):
            events.tenant_created(tx, PLATFORM)
        await tenants.lock(tx)

    async def _known(self, tx: Tx, email: Email) -> User | None:
        await logins.name(tx, email.digest)
        login = await logins.find(tx, email.digest)
        if login is None or login.tenant_id != PLATFORM_TENANT_ID:
            return None
        return await users.find(tx, login.user_id)
