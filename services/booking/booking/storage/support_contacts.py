"""How to reach the provider, one row a tenant."""

from sqlalchemy import text

from booking.domain.support import SupportContact
from kit.db.uow import Tx

_GET = text("SELECT phone, fax, email, vat_id FROM booking.support_contacts WHERE tenant_id = :tenant")

_PUT = text(
    """
    INSERT INTO booking.support_contacts (tenant_id, phone, fax, email, vat_id)
    VALUES (:tenant, :phone, :fax, :email, :vat_id)
    ON CONFLICT ON CONSTRAINT support_contacts_pkey DO UPDATE
    SET phone = excluded.phone, fax = excluded.fax, email = excluded.email, vat_id = excluded.vat_id
    """
)


async def get(tx: Tx) -> SupportContact:
    """The tenant's; empty until it was set."""
    row = (await tx.run(_GET, {"tenant": tx.tenant})).one_or_none()
    return SupportContact() if row is None else SupportContact(row.phone, row.fax, row.email, row.vat_id)


async def put(tx: Tx, contact: SupportContact) -> None:
    """Stores the tenant's."""
    params = {"phone": contact.phone, "fax": contact.fax, "email": contact.email, "vat_id": contact.vat_id}
    await tx.run(_PUT, {"tenant": tx.tenant, **params})
