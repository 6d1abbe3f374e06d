"""Parameters of reminders, of the tenant, its branches and campaigns."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kit.errors import InvalidInput
from kit.parameters import Effective, Parameter, Scope
from kit.rpc.context import caller
from reminders.domain import errors
from reminders.domain.parameters import (
    BRANCH,
    DAILY_LIMIT,
    MACHINE_DETECTION,
    OFFSETS,
    checked_offsets,
    definition,
)
from reminders.storage import defaults, parameters, reminders
from reminders.usecases.desk import Desk
from reminders.usecases.reach import require_branch, require_campaign


@dataclass(frozen=True, slots=True)
class Where:
    """A scope: a branch, a campaign, or with neither the tenant."""

    branch_id: str = ""
    campaign_id: str = ""

    @property
    def scope(self) -> tuple[Scope, str]:
        """The scope and its id. Raises InvalidInput when both are named."""
        if self.branch_id and self.campaign_id:
            raise errors.invalid("branch_id", "must be empty when campaign_id is given")
        if self.campaign_id:
            return Scope.CAMPAIGN, self.campaign_id
        return (Scope.BRANCH, self.branch_id) if self.branch_id else (Scope.TENANT, "")


@dataclass(frozen=True, slots=True)
class ShownParameter:
    """A parameter as one scope sees it, in text."""

    name: str
    value: str
    source: Scope
    description: str


async def set_parameter(desk: Desk, name: str, where: Where, value: str) -> ShownParameter:
    """Sets it; an empty value falls back to the wider scope. Raises InvalidInput naming `name` or `value`.

    A limit of the day that changes holds at once, also for what was put off (R-128). Offsets that change
    reach what is planned by them already (R-131); see `follow_defaults`.
    Machines are not detected where whoever carries the calls can't tell them from persons (R-148).
    """
    parameter = definition(name)
    scope = where.scope
    if scope[0] > parameter.narrowest:
        raise errors.invalid("name", f"{name} cannot be set per {scope[0].name.lower()}")
    _require_reach(where)
    stored = _stored(parameter, value) if value else None
    if parameter is MACHINE_DETECTION and stored == "true" and not desk.voice.detects_machines:
        raise errors.invalid("value", f"{name}: whoever carries the calls here can't tell a machine")
    async with desk.db.uow(caller().tenant) as tx:
        await parameters.put(tx, scope, name, stored)
        if parameter in {OFFSETS, BRANCH}:
            await defaults.change(tx)
        if parameter is DAILY_LIMIT:
            await reminders.bring_back(tx, await tx.now())
        settings = await parameters.settings(tx)
    return _shown(parameter, settings.effective(parameter, where.campaign_id, where.branch_id or None))


async def get_parameter(desk: Desk, name: str, where: Where) -> ShownParameter:
    """The value that counts, and the scope it comes from. Raises InvalidInput naming `name`."""
    parameter = definition(name)
    if where.campaign_id:
        require_campaign(where.campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        settings = await parameters.settings(tx)
    return _shown(parameter, settings.effective(parameter, where.campaign_id, where.branch_id or None))


def _require_reach(where: Where) -> None:
    if where.campaign_id:
        require_campaign(where.campaign_id)
    else:
        require_branch(where.branch_id)


def _stored(parameter: Parameter[Any], text: str) -> str:
    try:
        if parameter is OFFSETS:
            offsets = tuple(_seconds(each) for each in text.split(",")) if text != "none" else ()
            return parameter.text(checked_offsets(offsets, "value"))
        return parameter.text(parameter.parse(_json(parameter, text)))
    except (InvalidInput, OverflowError) as refused:
        message = refused.message if isinstance(refused, InvalidInput) else "is too large"
        raise errors.invalid("value", message) from None


def _json(parameter: Parameter[Any], text: str) -> str:
    if parameter.type is timedelta:
        return str(int(_seconds(text).total_seconds()))
    return text if parameter.type in {int, bool} else json.dumps(text)


def _seconds(text: str) -> timedelta:
    number = text.strip().removesuffix("s")
    if not text.strip().endswith("s") or not number.isascii() or not number.isdigit():
        raise errors.invalid("value", f'{text!r} is no duration such as "3600s"')
    return timedelta(seconds=int(number))


def _shown(parameter: Parameter[Any], found: Effective[Any]) -> ShownParameter:
    source = Scope.SYSTEM if found.source is None else found.source
    return ShownParameter(parameter.name, _text(parameter, found.value), source, parameter.description)


def _text(parameter: Parameter[Any], value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return ",".join(f"{int(each.total_seconds())}s" for each in value) or "none"
    raw = parameter.text(value)
    return f"{raw}s" if isinstance(value, timedelta) else raw.strip('"')
