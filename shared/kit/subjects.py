"""Names on the bus: `giro.evt.<tenant>.<service>.v1.<event>`, and `giro.dlq.…` for dead letters."""

import re
from dataclasses import dataclass
from typing import Final

VERSION: Final = "v1"

_TOKEN: Final = re.compile(r"^[A-Za-z0-9_-]+$")
_EVENT: Final = re.compile(r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")


@dataclass(frozen=True, slots=True)
class Subject:
    """The parts of an event's subject."""

    tenant: str
    service: str
    event: str


def evt(tenant: str, service: str, event: str) -> str:
    """Subject of an event, as in `evt("ten_1", "booking", "appointment.confirmed")`.

    Raises ValueError for parts that no subject can have.

    `*` stands for all tenants and `>` for all events, for filters.
    """
    _check(tenant, _TOKEN, "*")
    _check(service, _TOKEN, "")
    _check(event, _EVENT, ">")
    return f"giro.evt.{tenant}.{service}.{VERSION}.{event}"


def dlq(tenant: str, service: str, durable: str) -> str:
    """Subject of what the consumer `durable` of a service gave up on."""
    return f"giro.dlq.{tenant}.{service}.{durable}"


def stream(service: str) -> str:
    """Name of the stream that holds a service's events."""
    return f"GIRO_{service.upper()}"


def parse(subject: str) -> Subject | None:
    """The parts of an event's subject, or None when it is none."""
    tokens = subject.split(".", 5)
    if len(tokens) != 6 or tokens[:2] != ["giro", "evt"] or tokens[4] != VERSION:
        return None
    return Subject(tokens[2], tokens[3], tokens[5])


def _check(token: str, pattern: re.Pattern[str], wildcard: str) -> None:
    if not pattern.match(token) and not (wildcard and token == wildcard):
        raise ValueError(f"{token!r} cannot be part of a subject")
