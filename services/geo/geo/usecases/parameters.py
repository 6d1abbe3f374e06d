"""Parameters of the tenant about travel and places (R-182)."""

import json
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, TypeVar

from geo.domain.errors import not_found
from geo.domain.parameters import ON_ROAD_FAILURE, QUOTAS, OnRoadFailure, definition
from geo.storage import agents, limits, parameters
from geo.usecases.ledger import Ledger
from kit.db.engine import Database
from kit.db.uow import Tx
from kit.errors import InvalidInput, Reason
from kit.parameters import Effective, Parameter, Scope, resolve

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """A parameter in text, with the scope its value comes from."""

    name: str
    value: str
    source: Scope
    description: str


async def set_parameter(ledger: Ledger, tenant: str, name: str, value: str, agent_id: str = "") -> Shown:
    """Sets it for the tenant, or for one agent; an empty value goes back to what counts without.

    A quota that changes is waited for by whoever decides next; what is booked stays. Raises NotFound naming
    `name` or `agent_id`, InvalidInput naming `value`, or `agent_id` for a parameter of the whole tenant.
    """
    parameter = definition(name)
    text = _stored(parameter, value) if value else None
    if agent_id and parameter.narrowest < Scope.USER:
        message = f"{name} cannot be set for one agent"
        raise InvalidInput(Reason.INVALID_FIELD, message, field="agent_id")
    async with ledger.db.uow(tenant) as tx:
        if agent_id:
            changed = await _set_for_agent(tx, agent_id, name, text)
        else:
            await parameters.put(tx, name, text)
            changed = await limits.touch(tx) if parameter in QUOTAS else []
        for one in changed:
            tx.on_commit(partial(ledger.changed, tenant, one))
    return await get_parameter(ledger.db, tenant, name, agent_id)


async def _set_for_agent(tx: Tx, agent_id: str, name: str, text: str | None) -> list[str]:
    if not await agents.lock(tx, [agent_id]):
        raise not_found("agent", agent_id, "agent_id")
    await limits.set_own(tx, agent_id, name, text)
    return [agent_id]


async def get_parameter(db: Database, tenant: str, name: str, agent_id: str = "") -> Shown:
    """The value that counts for the tenant or one agent, and where it comes from. Raises NotFound naming
    `name` or `agent_id`."""
    parameter = definition(name)
    async with db.uow(tenant) as tx:
        texts = {Scope.TENANT: await parameters.value(tx, name)}
        if agent_id:
            there, texts[Scope.USER] = await limits.own(tx, agent_id, name)
            if not there:
                raise not_found("agent", agent_id, "agent_id")
    found = resolve(parameter, {scope: text for scope, text in texts.items() if text is not None})
    return _shown(parameter, found)


async def effective(db: Database, tenant: str, parameter: Parameter[T]) -> Effective[T]:
    """The value that counts for the tenant."""
    async with db.uow(tenant) as tx:
        return _resolved(parameter, await parameters.value(tx, parameter.name))


async def estimates_allowed(db: Database, tenant: str) -> bool:
    """Whether the tenant takes the flagged estimate while the roads cannot be asked."""
    return (await effective(db, tenant, ON_ROAD_FAILURE)).value is OnRoadFailure.ESTIMATE


def _resolved(parameter: Parameter[T], text: str | None) -> Effective[T]:
    return resolve(parameter, {} if text is None else {Scope.TENANT: text})


def _stored(parameter: Parameter[Any], value: str) -> str:
    """The JSON to store for a value in text."""
    raw = json.dumps(value) if issubclass(parameter.type, Enum) else value
    try:
        return parameter.text(parameter.parse(raw))
    except InvalidInput as refused:
        raise InvalidInput(Reason.INVALID_FIELD, refused.message, field="value") from None


def _shown(parameter: Parameter[Any], found: Effective[Any]) -> Shown:
    source = Scope.SYSTEM if found.source is None else found.source
    return Shown(parameter.name, str(found.value), source, parameter.description)
