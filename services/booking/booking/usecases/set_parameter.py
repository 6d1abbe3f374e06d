"""Parameters of the tenant, of campaigns and of users (R-182)."""

from collections.abc import Sequence
from typing import Any

from booking.domain import errors
from booking.domain.parameters import Shown, definition, require_consistent, stored
from booking.storage import campaigns, parameters
from booking.storage.parameters import Place
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from booking.usecases.refix.policy import only_writer
from kit.db.uow import Tx
from kit.errors import GiroError
from kit.parameters import Parameter, Scope
from kit.rpc.context import caller


async def set_parameter(desk: Desk, name: str, campaign_id: str, value: str, user_id: str = "") -> Shown:
    """Sets one for a campaign or a user (neither: the tenant); an empty value falls back to the wider scope.

    Raises NotFound naming `name` or `campaign_id`, InvalidInput naming `value` or `user_id`,
    POLICY_CONTRADICTION for what does not go together there, or in a narrower scope (R-032).
    """
    place = Place(campaign_id, user_id)
    return (await _set(desk, place, [_value(name, value, place)]))[0]


async def import_parameters(desk: Desk, place: Place, values: Sequence[tuple[str, str]]) -> Sequence[Shown]:
    """Sets several, all or none, so that they need not go together on the way there (R-029).

    Raises the same, naming `parameters[2].value`, and InvalidInput for one that is there twice, in whichever
    spellings.
    """
    read: list[tuple[Parameter[Any], str | None]] = []
    for position, (name, text) in enumerate(values):
        try:
            value = _value(name, text, place)
        except GiroError as refused:
            raise _renamed(refused, f"parameters[{position}].") from None
        if value[0] in (parameter for parameter, _ in read):
            raise errors.invalid(f"parameters[{position}].name", f"{value[0].name} is there twice")
        read.append(value)
    return await _set(desk, place, read)


async def get_effective_parameter(desk: Desk, name: str, campaign_id: str, user_id: str = "") -> Shown:
    """The value that counts, and the scope it comes from. Raises NotFound."""
    parameter = definition(name)
    if campaign_id:
        reach().require_campaign(campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        await _require_campaign(tx, campaign_id)
        effective = await parameters.effective(tx, campaign_id, user_id)
    return effective.show(parameter)


async def _set(
    desk: Desk, place: Place, values: Sequence[tuple[Parameter[Any], str | None]]
) -> Sequence[Shown]:
    _require_reach(place)
    async with desk.db.uow(caller().tenant) as tx, only_writer(tx):
        await _require_campaign(tx, place.campaign_id)
        for parameter, text in values:
            await parameters.put(tx, place.campaign_id, parameter.name, text, place.user_id)
        effective = await parameters.effective(tx, place.campaign_id, place.user_id)
        require_consistent(effective)
    return [effective.show(parameter) for parameter, _ in values]


def _value(name: str, text: str, place: Place) -> tuple[Parameter[Any], str | None]:
    parameter = definition(name)
    if place.user_id and place.campaign_id:
        raise errors.invalid("user_id", "must not come together with campaign_id")
    if place.user_id and parameter.narrowest < Scope.USER:
        raise errors.invalid("user_id", f"{parameter.name} cannot be set per user")
    return parameter, stored(parameter, text) if text else None


def _renamed(refused: GiroError, prefix: str) -> GiroError:
    field = refused.violations[0].field
    named = field if field == "user_id" else prefix + field
    return type(refused)(refused.reason, refused.message, metadata=refused.metadata, field=named)


def _require_reach(place: Place) -> None:
    if place.campaign_id:
        reach().require_campaign(place.campaign_id)
    else:
        reach().require_whole()


async def _require_campaign(tx: Tx, campaign_id: str) -> None:
    if campaign_id:
        await campaigns.require(tx, campaign_id)
