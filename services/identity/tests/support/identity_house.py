"""Identity's use cases on a real database, with a clock to move and verifications counted."""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from identity.clients.passwords import Argon2Passwords
from identity.clients.signing import SigningKey
from identity.domain.email import Email
from identity.domain.roles import Role, RoleGrant
from identity.domain.tenants import PLATFORM_TENANT_ID, Tenant
from identity.domain.users import NewUser, User
from identity.settings import IdentitySettings
from identity.transport.rpc import UseCases
from identity.usecases.create_tenant import NewTenant
from kit.db.engine import Database

if TYPE_CHECKING:
    from kit.testing.databases import DatabaseUrls

PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        """Where it was left."""
        return self.time

    def set_right(self) -> None:
        """To real time: for tokens that others are to verify."""
        self.time = datetime.now(UTC)

    def move(self, **step: int) -> None:
        """Forward, as in `move(minutes=15)`."""
        self.time += timedelta(**step)


class CountedPasswords(Argon2Passwords):
    """Notes each verification: how, and against which hash."""

    def __init__(self) -> None:
        super().__init__(b"pepper")
        self.verified: list[str | None] = []

    async def verify(self, stored: str | None, password: str) -> bool:
        """As the real one."""
        self.verified.append(stored)
        return await super().verify(stored, password)


@dataclass
class House:
    """Identity's use cases on a database of their own."""

    settings: IdentitySettings
    urls: "DatabaseUrls"
    db: Database
    passwords: CountedPasswords
    clock: HandClock
    signing: SigningKey
    use: UseCases

    async def tenant(self, **administrator: str) -> tuple[Tenant, Email]:
        """A new tenant, and its administrator's address."""
        email = Email.parse(administrator.get("email") or fresh_email("boss"))
        new = NewTenant(
            "Acme", "Europe/Riga", NewUser(email, PASSWORD, "Boss", ()), fresh_request_id(), b"body"
        )
        return await self.use.create_tenant.run(PLATFORM_TENANT_ID, new), email

    async def user(self, tenant: Tenant, *grants: RoleGrant, email: str = "") -> User:
        """A new user, an operator unless told otherwise."""
        new = NewUser(
            Email.parse(email or fresh_email("user")), PASSWORD, "User", grants or (RoleGrant(Role.OPERATOR),)
        )
        return await self.use.create_user.run(tenant.tenant_id, new, fresh_request_id(), b"body")

    async def administrator(self, tenant: Tenant) -> User:
        """The tenant's first one."""
        users, _ = await self.use.list_users.run(tenant.tenant_id, 0, "", (RoleGrant(Role.ADMINISTRATOR),))
        return next(user for user in users if user.is_administrator)


def fresh_email(name: str) -> str:
    """An address nobody has."""
    return f"{name}-{next(_numbers)}@example.com"


def fresh_request_id() -> str:
    """An id nobody used."""
    return f"request-{next(_numbers)}"
