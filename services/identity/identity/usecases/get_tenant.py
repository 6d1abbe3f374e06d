"""The caller's tenant."""

from dataclasses import dataclass

from identity.domain.tenants import Tenant
from identity.storage import tenants
from kit.db.engine import Database
from kit.errors import NotFound, Reason


@dataclass(frozen=True, slots=True)
class GetTenant:
    """Reads the tenant itself."""

    db: Database

    async def run(self, tenant_id: str) -> Tenant:
        """Raises NotFound for a tenant that is no more."""
        async with self.db.uow(tenant_id) as tx:
            tenant = await tenants.find(tx)
        if tenant is None:
            raise NotFound(Reason.NOT_FOUND, f"no tenant {tenant_id}", metadata={"resource": "tenant"})
        return tenant
