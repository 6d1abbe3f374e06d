"""The parameters of a tenant's people: default and rule. SYSTEM to TENANT: the nearest wins."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kit.errors import InvalidInput, NotFound, Reason
from kit.parameters import Parameter, Scope, resolve

AGENTS_ENABLED: Final = Parameter(
    "agents_enabled",
    bool,
    default=True,
    description="Whether the call centre has the figure of the agent. Without it nobody is given AGENT or"
    " AGENT_SUPERVISOR, and whoever has one of them signs in without it (R-084).",
    rule="R-084",
    narrowest=Scope.TENANT,
)

DEFINITIONS: Final[Mapping[str, Parameter[Any]]] = {
    parameter.name: parameter for parameter in (AGENTS_ENABLED,)
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A parameter as the tenant sees it, in text."""

    name: str
    value: str
    source: Scope
    description: str


def definition(name: str) -> Parameter[Any]:
    """The parameter of this name. Raises NotFound naming `name`."""
    found = DEFINITIONS.get(name)
    if found is None:
        metadata = {"resource": "parameter"}
        raise NotFound(Reason.NOT_FOUND, f"no parameter {name}", metadata=metadata, field="name")
    return found


def stored(parameter: Parameter[Any], text: str) -> str:
    """The JSON to store for a value in text. Raises InvalidInput naming `value`."""
    raw = json.dumps(text) if parameter.type is str else text
    try:
        return parameter.text(parameter.parse(raw))
    except InvalidInput as refused:
        raise InvalidInput(Reason.INVALID_FIELD, refused.message, field="value") from None


def show(parameter: Parameter[Any], set_for_tenant: str | None) -> Shown:
    """What counts, given what the tenant has set; None for nothing."""
    found = resolve(parameter, {} if set_for_tenant is None else {Scope.TENANT: set_for_tenant})
    value = found.value if isinstance(found.value, str) else parameter.text(found.value)
    source = Scope.SYSTEM if found.source is None else found.source
    return Shown(parameter.name, value, source, parameter.description)
