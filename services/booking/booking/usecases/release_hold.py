"""Gives a kept slot back."""

from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.errors import NotFound
from kit.rpc.context import caller


async def release_hold(desk: Desk, hold_id: str) -> None:
    """Frees a hold; one that is gone already is no error. Raises SETTLED once it became an appointment."""
    tenant, mine = caller().tenant, reach()
    if not mine.whole:
        try:
            mine.require_campaign((await desk.ledger.get_hold(tenant, hold_id)).campaign_id)
        except NotFound:
            return
    await desk.ledger.release_hold(tenant, hold_id)
