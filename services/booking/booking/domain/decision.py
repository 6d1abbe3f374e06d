"""How a change of an appointment came to be: who chose, what policy said, what had been offered (BK-47)."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from booking.domain.campaign import Campaign
from booking.domain.parameters import DEFINITIONS, Parameters
from kit.parameters import Parameter


class Channel(StrEnum):
    """How somebody acts; equal to giro.booking.v1.Channel."""

    OPERATOR = "OPERATOR"
    CUSTOMER = "CUSTOMER"
    PARTNER = "PARTNER"
    PROCEDURE = "PROCEDURE"
    SERVICE = "SERVICE"


class SlotSource(StrEnum):
    """How the time of a change was found; equal to giro.booking.v1.SlotSource."""

    SUGGESTION = "SUGGESTION"
    HOLD = "HOLD"
    CHOSEN_TIME = "CHOSEN_TIME"
    AGENTS_DATE = "AGENTS_DATE"


@dataclass(frozen=True, slots=True)
class Chooser:
    """Who made a change, with the roles that it acted with; `by` is what led to it, or empty."""

    subject: str
    channel: Channel
    roles: tuple[str, ...] = ()
    by: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """A parameter as it counted, in text."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of policy as it was applied; `definition` is JSON."""

    kind: str
    id: str
    definition: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The suggestion that a slot was chosen from: when, by the tenant's clock in Unix seconds, and its page
    as hexadecimal digits of `offered.Offered`; empty where the token told no page."""

    at: int
    page: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is written down when a change is decided upon, in the same transaction."""

    chooser: Chooser
    policy_version: str = ""
    parameters: tuple[Applied, ...] = ()
    rules: tuple[Rule, ...] = ()
    slot_source: SlotSource | None = None
    hold_id: str = ""
    shown: Shown | None = None


_ROLES_OF: Final = (
    (Channel.PARTNER, frozenset({"PARTNER"})),
    (Channel.CUSTOMER, frozenset({"CUSTOMER"})),
    (Channel.SERVICE, frozenset({"SERVICE"})),
)


def chooser(subject: str, roles: Iterable[str], service: str | None) -> Chooser:
    """Who calls: somebody whose roles are all a partner's or a customer's acts as one."""
    held = frozenset(roles)
    if service is not None and subject == service:
        return Chooser(subject, Channel.SERVICE, tuple(sorted(held)))
    own = [channel for channel, of in _ROLES_OF if held and held <= of]
    return Chooser(subject, own[0] if own else Channel.OPERATOR, tuple(sorted(held)))


def applied(parameters: Parameters, asked: Sequence[Parameter[Any]]) -> tuple[Applied, ...]:
    """These parameters as they count."""
    shown = [parameters.show(parameter) for parameter in asked]
    return tuple(Applied(each.name, each.value, each.source.name) for each in shown)


def policy_version(parameters: Parameters, campaign: Campaign | None = None) -> str:
    """Equal for equal policy: parameters that are set, defaults, the campaign's buffer and skills."""
    values = {
        name: {scope.name: text for scope, text in by_scope.items()}
        for name, by_scope in parameters.values.items()
    }
    terms = [] if campaign is None else [campaign.buffer.total_seconds(), sorted(campaign.skills)]
    told = json.dumps([_DEFAULTS, values, terms], sort_keys=True)
    return sha256(told.encode()).hexdigest()[:16]


_DEFAULTS: Final = {name: each.text(each.default) for name, each in sorted(DEFINITIONS.items())}
