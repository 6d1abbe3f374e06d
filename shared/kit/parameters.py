"""Typed parameters with a default and scopes: system, tenant, branch, campaign, user; the nearest wins.

A parameter is defined once, next to the rule it serves. Values are stored as JSON text per scope; reading one
checks it, and a value that does not fit is an error that names the parameter, never silently the default.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from enum import Enum, IntEnum
from typing import Any, Generic, TypeVar

from kit.errors import InvalidInput, Reason

T = TypeVar("T")


class Scope(IntEnum):
    """Where a value was set; a greater number is nearer to the caller."""

    SYSTEM = 0
    TENANT = 1
    BRANCH = 2
    CAMPAIGN = 3
    USER = 4


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and greatest value, both included; None leaves that side open."""

    least: Any = None
    most: Any = None

    def __contains__(self, value: object) -> bool:
        least_ok = self.least is None or self.least <= value
        return least_ok and (self.most is None or self.most >= value)

    def __str__(self) -> str:
        return f"from {_shown(self.least)} to {_shown(self.most)}"


@dataclass(frozen=True, slots=True)
class Parameter(Generic[T]):
    """One definition: `name` in snake case, `type` of the value, the `rule` (R-number) that it belongs to.

    `type` is bool, int, float, str, timedelta (JSON: whole seconds), time (JSON: "HH:MM") or an Enum (JSON:
    the member's value), or a tuple of timedeltas (JSON: a list of whole seconds). Raises ValueError when the
    default itself is out of bounds.
    """

    name: str
    type: type[T]
    default: T
    description: str
    rule: str = ""
    bounds: Bounds = field(default_factory=Bounds)
    narrowest: Scope = Scope.USER
    """The nearest scope that may set it."""

    def __post_init__(self) -> None:
        if not isinstance(self.default, self.type) or self.default not in self.bounds:
            raise ValueError(f"default {self.default!r} of parameter {self.name} is no {self._expected()}")

    def parse(self, raw: str) -> T:
        """The value that JSON text stands for. Raises InvalidInput (INVALID_FIELD) naming the parameter."""
        try:
            value: T = _reader(self.type)(json.loads(raw))
        except (ValueError, TypeError, KeyError):
            raise self._refused(raw) from None
        if value not in self.bounds:
            raise self._refused(raw)
        return value

    def text(self, value: T) -> str:
        """The JSON text that `parse` reads back."""
        return json.dumps(_writable(value))

    def _refused(self, raw: str) -> InvalidInput:
        message = f"{raw} is no value of {self.name}: it takes {self._expected()}"
        return InvalidInput(Reason.INVALID_FIELD, message, metadata={"parameter": self.name}, field=self.name)

    def _expected(self) -> str:
        kind = _KIND.get(self.type, "")
        if issubclass(self.type, Enum):
            kind = "one of " + ", ".join(str(member.value) for member in self.type)
        open_ended = self.bounds.least is None and self.bounds.most is None
        return kind if open_ended else f"{kind} {self.bounds}"


@dataclass(frozen=True, slots=True)
class Effective(Generic[T]):
    """The value that counts and the scope it comes from; None means the definition's default."""

    value: T
    source: Scope | None


def resolve(parameter: Parameter[T], values: Mapping[Scope, str]) -> Effective[T]:
    """The nearest of the JSON texts set per scope, or else the default.

    Raises InvalidInput when the text that wins does not fit the definition, or is set in a scope too near.
    """
    if not values:
        return Effective(parameter.default, None)
    nearest = max(values)
    if nearest > parameter.narrowest:
        message = f"{parameter.name} cannot be set per {nearest.name.lower()}"
        raise InvalidInput(Reason.INVALID_FIELD, message, field=parameter.name)
    return Effective(parameter.parse(values[nearest]), nearest)


def _exactly(kind: type[Any]) -> Callable[[object], Any]:
    def read(value: object) -> Any:
        if type(value) is not kind:  # bool is an int in Python, not in a parameter
            raise TypeError(kind)
        return value

    return read


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _seconds(value: object) -> timedelta:
    return timedelta(seconds=_exactly(int)(value))


def _spans(value: object) -> tuple[timedelta, ...]:
    listed: list[object] = _exactly(list)(value)
    return tuple(_seconds(each) for each in listed)


def _time_of_day(value: object) -> time:
    text: str = _exactly(str)(value)
    if len(text) != len("HH:MM"):
        raise ValueError(text)
    return time.fromisoformat(text)


_READERS: Mapping[type[Any], Callable[[object], Any]] = {
    bool: _exactly(bool),
    int: _exactly(int),
    float: _number,
    str: _exactly(str),
    timedelta: _seconds,
    time: _time_of_day,
    tuple: _spans,
}

_KIND: Mapping[type[Any], str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    timedelta: "a whole number of seconds",
    time: 'a time of day as in "09:30"',
    tuple: "a list of whole numbers of seconds",
}


def _reader(kind: type[Any]) -> Callable[[object], Any]:
    return kind if issubclass(kind, Enum) else _READERS[kind]


def _writable(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_writable(each) for each in value]
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    return value.strftime("%H:%M") if isinstance(value, time) else value


def _shown(bound: object) -> str:
    return "anything" if bound is None else str(_writable(bound))
