"""E-mails to the organisation itself: a wrong number (R-122), the limit of the day (R-130)."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from kit import telemetry
from kit.db.claims import Claim
from kit.errors import NotFound
from reminders.domain.parameters import Rules
from reminders.domain.reminder import Channel
from reminders.storage import parameters, plans
from reminders.usecases.desk import Desk
from reminders.usecases.outside import Letter
from reminders.usecases.ports import Declined, Doubtful, Message

_log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Occasion:
    """What is written about; `event_id` makes the message's reference, `campaign_id` decides who is told."""

    event_id: str
    campaign_id: str
    claim: Claim


async def write_of_limit(desk: Desk, tenant: str, occasion: Occasion, day: datetime, limit: int) -> None:
    """Once per day that reached its limit. Who is told follows `alert_email`; nobody when it is empty."""
    rules = await _claimed_rules(desk, tenant, occasion)
    if rules is not None:
        letter = desk.speech.limit_letter(rules.language, rules.called_as, limit, day)
        await _send(desk, tenant, occasion, rules, letter)


async def write_of_wrong_number(desk: Desk, tenant: str, occasion: Occasion, appointment_id: str) -> None:
    """Once per call that found no such number."""
    rules = await _claimed_rules(desk, tenant, occasion)
    if rules is None:
        return
    try:
        async with desk.db.uow(tenant) as tx:
            visit = (await plans.get(tx, appointment_id)).visit
    except NotFound:
        return
    start = visit.start.astimezone(ZoneInfo(visit.zone))
    letter = desk.speech.wrong_number_letter(rules.language, appointment_id, start)
    await _send(desk, tenant, occasion, rules, letter)


async def _claimed_rules(desk: Desk, tenant: str, occasion: Occasion) -> Rules | None:
    """The rules; None when the occasion was written about before, or nobody is to be told.

    The claim is committed before the letter goes out: one that is lost on the way is not repeated.
    """
    async with desk.db.uow(tenant, occasion.claim) as tx:
        if tx.duplicate:
            return None
        rules = (await parameters.settings(tx)).rules(occasion.campaign_id)
    return rules if rules.alert_email else None


async def _send(desk: Desk, tenant: str, occasion: Occasion, rules: Rules, letter: Letter) -> None:
    message = Message(
        occasion.event_id, tenant, rules.alert_email, rules.language, letter.subject, letter.body
    )
    try:
        await desk.messages[Channel.EMAIL].send(message)
    except (Declined, Doubtful) as failed:
        _log.warning("letter not sent", reference=occasion.event_id, error=str(failed))
