"""Makes a tenant and its first administrator (R-177)."""

from dataclasses import dataclass, replace

from identity import events
from identity.domain.roles import Role, RoleGrant
from identity.domain.tenants import Tenant, tenant_id_for
from identity.domain.users import NewUser
from identity.storage import tenants
from identity.usecases.add_user import add_user, new_user
from identity.usecases.answers import keep_tenant, kept_tenant
from identity.usecases.ports import Passwords
from kit.db.claims import Claim
from kit.db.engine import Database
from kit.errors import InvalidInput, Reason


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What a tenant is made from. `body` is the request's bytes without passwords."""

    display_name: str
    time_zone: str
    administrator: NewUser
    request_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class CreateTenant:
    """One transaction of the new tenant: its id follows from the request, so its claim is found again."""

    db: Database
    passwords: Passwords

    async def run(self, platform_tenant: str, new: NewTenant) -> Tenant:
        """Raises InvalidInput naming the field, and AlreadyExists for an e-mail that is a user's already."""
        tenant_id = tenant_id_for(platform_tenant, new.request_id)
        tenant = Tenant(tenant_id, new.display_name, new.time_zone)
        administrator = new_user(tenant_id, _first_administrator(new.administrator))
        body = new.body + self.passwords.fingerprint(new.administrator.password)
        password_hash = await self.passwords.hash(new.administrator.password)
        claim = Claim(f"create_tenant:{new.request_id}", body)
        async with self.db.uow(tenant_id, claim) as tx:
            if tx.duplicate:
                return kept_tenant(tx.first_answer)
            await tenants.add(tx, tenant)
            events.tenant_created(tx, tenant)
            await add_user(tx, administrator, password_hash, new.administrator.field)
            tx.answer(keep_tenant(tenant))
        return tenant


def _first_administrator(new: NewUser) -> NewUser:
    if not new.grants:
        return replace(new, grants=(RoleGrant(Role.ADMINISTRATOR),))
    if not any(grant.is_administrator for grant in new.grants):
        message = "must hold ADMINISTRATOR, or be empty to get it"
        raise InvalidInput(Reason.INVALID_FIELD, message, field=f"{new.field}grants")
    return new
