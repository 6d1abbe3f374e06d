"""Parameters of the tenant about travel and places (R-182)."""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from geo.domain.parameters import ON_ROAD_FAILURE, OnRoadFailure, definition
from geo.storage import parameters
from kit.db.engine import Database
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


async def set_parameter(db: Database, tenant: str, name: str, value: str) -> Shown:
    """Sets it for the tenant; an empty value goes back to the default.

    Raises NotFound naming `name`, InvalidInput naming `value`.
    """
    parameter = definition(name)
    text = _stored(parameter, value) if value else None
    async with db.uow(tenant) as tx:
        await parameters.put(tx, name, text)
    return _shown(parameter, _resolved(parameter, text))


async def get_parameter(db: Database, tenant: str, name: str) -> Shown:
    """The value that counts, and where it comes from. Raises NotFound naming `name`."""
    parameter = definition(name)
    return _shown(parameter, await effective(db, tenant, parameter))


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
