"""Everything that identity publishes: domain to contract, one function each."""

from giro.identity.v1 import identity_events_pb2 as contract
from identity.domain.tenants import Tenant
from identity.domain.users import User
from kit.db.uow import Tx


def tenant_created(tx: Tx, tenant: Tenant) -> None:
    """A tenant exists."""
    message = contract.TenantCreated(
        tenant_id=tenant.tenant_id, display_name=tenant.display_name, time_zone=tenant.time_zone
    )
    tx.emit("tenant_created", tenant.tenant_id, message)


def user_created(tx: Tx, user: User) -> None:
    """A user exists. No personal data: the bus keeps events for long."""
    tx.emit("user_created", user.user_id, contract.UserCreated(user_id=user.user_id))


def user_grants_set(tx: Tx, user_id: str) -> None:
    """A user's roles were replaced."""
    tx.emit("user_grants_set", user_id, contract.UserGrantsSet(user_id=user_id))
