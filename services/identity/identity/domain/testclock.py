"""The tenant's test clock: an offset on the database's clock, in sandbox mode only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from identity.domain.roles import Granted, Role, limits
from kit.errors import InvalidInput, NotAllowed, Reason, RuleViolated

MOVERS = frozenset({Role.ADMINISTRATOR, Role.PARTNER})
"""Roles that move the clock."""

MAX_AHEAD = timedelta(days=3650)
"""How far ahead of real time a test clock may get: far from where calendars end."""


@dataclass(frozen=True, slots=True)
class TestClock:
    """The tenant's present instant, and how far it is ahead of real time."""

    __test__ = False  # no test case, whatever its name looks like

    now: datetime
    offset: timedelta


def advanced(offset: timedelta, by: timedelta) -> timedelta:
    """The new offset. Raises InvalidInput for a step that is not whole seconds forward, or leads too far."""
    if by <= timedelta(0) or by.microseconds:
        raise _refused("must be whole seconds, at least one")
    if offset + by > MAX_AHEAD:
        raise _refused(f"a test clock runs at most {MAX_AHEAD.days} days ahead; this one is at {offset.days}")
    return offset + by


def check_sandbox(*, sandbox: bool) -> None:
    """Raises RuleViolated (SANDBOX_OFF) outside sandbox mode."""
    if not sandbox:
        raise RuleViolated(Reason.SANDBOX_OFF, "test clocks exist in sandbox mode alone")


def check_may_move(mover: Sequence[Granted]) -> None:
    """Raises NotAllowed for a mover whose role is limited: the clock is the whole tenant's."""
    if limits(mover, MOVERS) is not None:
        message = "the test clock is the whole tenant's; your role is limited to a part of it"
        raise NotAllowed(Reason.OUT_OF_SCOPE, message)


def _refused(message: str) -> InvalidInput:
    return InvalidInput(Reason.INVALID_FIELD, message, field="by")
