"""The sandbox: scripted answers, messages that would have gone out, and time that plays in seconds."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kit.rpc.context import caller
from reminders.domain import errors
from reminders.storage import played, provider_calls, report
from reminders.storage.played import SandboxMessage
from reminders.usecases.desk import Desk
from reminders.usecases.follow_defaults import follow_defaults
from reminders.usecases.look_up_calls import look_up_calls
from reminders.usecases.make_reminders import make_reminders
from reminders.usecases.reach import require_branch

_PATIENCE: Final = 50
"""Times that a step waits 0.05 s for what others have in hand."""


@dataclass(frozen=True, slots=True)
class Played:
    """What was played: the tenant's time now, the steps taken, attempts by channel and ending."""

    now: datetime
    steps: int
    attempts: Mapping[str, int]
    unfinished: bool


async def script_answers(desk: Desk, phone: str, answers: Sequence[Mapping[str, str]]) -> None:
    """How the number behaves at its next calls. Raises SANDBOX_OFF."""
    tenant = _require_sandbox(desk)
    async with desk.db.uow(tenant) as tx:
        await provider_calls.script(tx, phone, answers)


async def list_messages(desk: Desk, recipient: str) -> Sequence[SandboxMessage]:
    """The newest hundred messages, to one recipient or to all. Raises SANDBOX_OFF."""
    tenant = _require_sandbox(desk)
    async with desk.db.uow(tenant) as tx:
        return await played.messages(tx, recipient)


async def play_reminders(desk: Desk, by: timedelta) -> Played:
    """Moves the tenant's test clock on by `by`, stopping at each reminder to make it. Raises SANDBOX_OFF.

    It may be called again after an interruption: what was made stays made.
    """
    tenant = _require_sandbox(desk)
    async with desk.db.uow(tenant) as tx:
        began = await tx.now()
    while await follow_defaults(desk, tenant):
        pass
    until, steps, finished = began + by, 0, True
    while finished:
        async with desk.db.uow(tenant) as tx:
            step = min(await played.next_step(tx) or until, until)
            await played.advance_to(tx, step)
        finished = await _settle(desk, tenant)
        steps += 1
        if step >= until:
            break
    async with desk.db.uow(tenant) as tx:
        now = await tx.now()
        return Played(now, steps, await report.attempts(tx, began, now), not finished)


async def _settle(desk: Desk, tenant: str) -> bool:
    """Makes what is due; False when others still have something in hand after a while."""
    for _ in range(_PATIENCE):
        await make_reminders(desk, tenant)
        await look_up_calls(desk, tenant)
        async with desk.db.uow(tenant) as tx:
            if not await played.in_hand(tx):
                return True
        await asyncio.sleep(0.05)
    return False


def _require_sandbox(desk: Desk) -> str:
    if not desk.db.sandbox:
        raise errors.sandbox_off()
    require_branch("")
    return caller().tenant
