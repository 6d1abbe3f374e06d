"""Asks the providers what became of calls that nothing final was heard of; never calls again (I9)."""

from typing import Final

from kit import telemetry
from kit.errors import GiroError
from kit.failpoints import failpoint
from reminders.domain.reminder import Channel
from reminders.storage import attempts, due, plans
from reminders.storage.attempts import Attempt
from reminders.usecases.desk import Desk
from reminders.usecases.hear import give_up, hear
from reminders.usecases.ports import Doubtful

_log = telemetry.logger(__name__)

AT_ONCE: Final = 100
"""Attempts of one round."""
_MOST_LOOKS: Final = 3
"""Look-ups in vain after which, once the visit has begun, nobody asks any more."""


async def look_up_calls(desk: Desk, only: str | None = None) -> int:
    """One round over all tenants, or `only` one: how many were asked about.

    One that fails is left for the next round and holds up no other.
    """
    async with desk.db.worker() as tx:
        found = await due.unsettled(tx, AT_ONCE, sandbox=desk.db.sandbox)
    mine = [(tenant, each) for tenant, ids in found.items() if only in {None, tenant} for each in ids]
    return sum([await _looked_up(desk, tenant, attempt_id) for tenant, attempt_id in mine])


async def _looked_up(desk: Desk, tenant: str, attempt_id: str) -> bool:
    work = telemetry.enter(None, None, tenant)
    try:
        await look_up(desk, tenant, attempt_id)
    except GiroError as error:
        _log.warning("look-up waits", attempt_id=attempt_id, reason=error.reason)
        return False
    except Exception as error:
        _log.exception("look-up failed", attempt_id=attempt_id, error=repr(error))
        return False
    finally:
        telemetry.leave(work)
    return True


async def look_up(desk: Desk, tenant: str, attempt_id: str) -> None:
    """Asks about one attempt, once its time has come, and hears the answer."""
    attempt, hopeless = await _take(desk, tenant, attempt_id)
    if attempt is None:
        return
    await failpoint("reminders.look_up.before_provider")
    if attempt.channel is not Channel.VOICE:
        await give_up(desk, tenant, attempt_id)  # a message can't be looked up, nor is it repeated
        return
    try:
        report = await desk.voice.look_up(tenant, attempt_id)
        await hear(desk, tenant, report)
    except Doubtful as doubt:
        _log.warning("look-up in doubt", attempt_id=attempt_id, looks=attempt.looks, error=str(doubt))
    if hopeless:  # also where the provider says for ever that the call is under way
        await give_up(desk, tenant, attempt_id)


async def _take(desk: Desk, tenant: str, attempt_id: str) -> tuple[Attempt | None, bool]:
    """The attempt, with its next look-up put off so that others leave it alone; None when it is settled."""
    async with desk.db.uow(tenant) as tx:
        if await plans.lock_of_attempt(tx, attempt_id) is None:
            return None, False
        (attempt, reminder), now = await attempts.lock(tx, attempt_id), await tx.now()
        if attempt.look_up_at is None or attempt.look_up_at > now:
            return None, False
        looked = attempts.looked(attempt, now, desk.timers.look_up, desk.timers.look_up_most)
        await attempts.save(tx, looked)
        begun = now >= reminder.start and looked.looks >= _MOST_LOOKS
        return looked, begun or now >= attempt.asked_at + desk.timers.look_up_for
