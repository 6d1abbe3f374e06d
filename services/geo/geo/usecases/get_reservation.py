"""Appointments' stops as they are now."""

from collections.abc import Sequence

from geo.domain import errors
from geo.domain.chain import drive_to
from geo.domain.owner import OwnerKind
from geo.domain.plan import Reserved
from geo.storage import owners, stops
from geo.usecases.ledger import Ledger


async def get_reservation(ledger: Ledger, tenant: str, appointment_id: str) -> Reserved:
    """The present stop of an appointment with its drives. Raises NotFound when it has none."""
    async with ledger.db.uow(tenant) as tx:
        owner = (await owners.find(tx, appointment_id)).get(appointment_id)
        taken = await stops.of_owner(tx, appointment_id)
    if owner is None or owner.kind is not OwnerKind.APPOINTMENT or owner.plan is None or taken is None:
        raise errors.not_found("appointment", appointment_id, "appointment_id")
    return Reserved(appointment_id, owner.plan, drive_to(taken.linked), drive_to(taken.after))


async def list_reservations(ledger: Ledger, tenant: str, after: str, rows: int) -> Sequence[Reserved]:
    """At most `rows` appointments' stops by id after one: as they stand, without drives and skills."""
    async with ledger.db.uow(tenant) as tx:
        return await stops.reservations(tx, after, rows)
