"""Parameters of the tenant and of campaigns (R-182)."""

from booking.domain.parameters import Shown, definition, require_consistent, stored
from booking.storage import campaigns, parameters
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.db.uow import Tx
from kit.rpc.context import caller


async def set_parameter(desk: Desk, name: str, campaign_id: str, value: str) -> Shown:
    """Sets it for a campaign (empty: the tenant); an empty value falls back to the wider scope.

    Raises NotFound naming `name` or `campaign_id`, InvalidInput naming `value`.
    """
    parameter = definition(name)
    text = stored(parameter, value) if value else None
    _require_reach(campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        await _require_campaign(tx, campaign_id)
        await parameters.put(tx, campaign_id, name, text)
        effective = await parameters.effective(tx, campaign_id)
        require_consistent(effective)
    return effective.show(parameter)


async def get_effective_parameter(desk: Desk, name: str, campaign_id: str) -> Shown:
    """The value that counts, and the scope it comes from. Raises NotFound."""
    parameter = definition(name)
    if campaign_id:
        reach().require_campaign(campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        await _require_campaign(tx, campaign_id)
        effective = await parameters.effective(tx, campaign_id)
    return effective.show(parameter)


def _require_reach(campaign_id: str) -> None:
    if campaign_id:
        reach().require_campaign(campaign_id)
    else:
        reach().require_whole()


async def _require_campaign(tx: Tx, campaign_id: str) -> None:
    if campaign_id:
        await campaigns.require(tx, campaign_id)
