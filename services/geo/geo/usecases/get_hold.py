"""One hold."""

from geo.domain import errors
from geo.domain.chain import drive_to
from geo.domain.owner import OwnerKind
from geo.domain.plan import Held
from geo.storage import owners, stops
from geo.usecases.ledger import Ledger


async def get_hold(ledger: Ledger, tenant: str, hold_id: str) -> Held:
    """The hold with its drives as they are now. Raises NotFound when there is none or its time is up."""
    async with ledger.db.uow(tenant) as tx:
        hold = (await owners.find(tx, hold_id)).get(hold_id)
        taken = await stops.of_owner(tx, hold_id)
        now = await tx.now()
    if hold is None or hold.kind is not OwnerKind.HOLD or hold.plan is None or taken is None:
        raise errors.not_found("hold", hold_id, "hold_id")
    expires_at = taken.linked.stop.expires_at
    if expires_at is None or expires_at <= now:
        raise errors.not_found("hold", hold_id, "hold_id")
    before, after = drive_to(taken.linked), drive_to(taken.after)
    return Held(hold_id, hold.plan, expires_at, taken.context, before, after)
