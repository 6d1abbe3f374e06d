"""The reconciler's part for repairs: geo is asked about the first move.

Made, all of the repair follows; not made, none of it ever will be.
"""

from datetime import timedelta
from typing import Final

from booking.domain import errors
from booking.domain.refusal import Refusal
from booking.storage import repairs
from booking.usecases import apply_repair
from booking.usecases.desk import Desk
from kit.failpoints import failpoint

_BATCH: Final = 50


async def due(desk: Desk, age: timedelta) -> list[tuple[str, str]]:
    """Tenant and id of the repairs that nobody finished within `age`."""
    async with desk.db.worker() as tx:
        return list(await repairs.due(tx, age, _BATCH))


async def settle_repair(desk: Desk, tenant: str, repair_id: str) -> str:
    """How it was settled. Raises Unavailable while geo is away."""
    async with desk.db.uow(tenant) as tx:
        repair = await repairs.get(tx, repair_id)
    if repair is None:
        raise RuntimeError(f"{repair_id} is no repair of {tenant}")
    stops = await apply_repair.settled(desk, tenant, repair)
    await failpoint("booking.settle.after_settle_repair")
    if stops is None:
        refusal = Refusal.of(errors.given_up("repair"))
        dropped = await apply_repair.drop(desk, tenant, repair_id, refusal)
        return "repair_dropped" if dropped else "finished_meanwhile"
    followed = await apply_repair.follow(desk, tenant, repair, stops)
    return "finished_meanwhile" if followed is None else "repair_followed"
