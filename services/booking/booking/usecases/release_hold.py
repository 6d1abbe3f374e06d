"""Gives a kept slot back."""

from contextlib import suppress

from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.errors import NotFound
from kit.rpc.context import caller


async def release_hold(desk: Desk, hold_id: str) -> None:
    """Frees a hold; one that has expired is no error. Raises NotFound, and SETTLED once it was booked."""
    tenant, mine = caller().tenant, reach()
    if not mine.whole:
        with suppress(NotFound):  # then there is nothing to free, and the ledger says how that is told
            mine.require_campaign((await desk.ledger.get_hold(tenant, hold_id)).campaign_id)
    await desk.ledger.release_hold(tenant, hold_id)
