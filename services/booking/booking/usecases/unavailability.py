"""Unavailable days of agents and of people to visit (R-014, R-015)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from booking import events
from booking.domain import errors
from booking.domain.appointment import Appointment
from booking.domain.parameters import UNAVAILABILITY_NOTICE_DAYS
from booking.domain.unavailability import Days, Unavailability, is_late
from booking.storage import agenda_locks, campaigns, contacts, parameters, unavailabilities
from booking.usecases import views
from booking.usecases.desk import Desk
from booking.usecases.reach import reach, reach_as, reach_but_as
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.days import parse_day
from kit.values.ids import new_id

SUPERVISORS = ("AGENT_SUPERVISOR", "ADMINISTRATOR")
"""Roles that may take late notice."""


@dataclass(frozen=True, slots=True)
class SetUnavailability:
    """Of an agent or a contact, the other id is empty; days are "YYYY-MM-DD", the last may be empty."""

    agent_id: str
    contact_id: str
    first_day: str
    last_day: str
    note: str
    override_note: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class Noted:
    """The note and the appointments that it hits, at most 200 of `hit_total`; none was changed (BK-10).

    Those under way are among them: PENDING ones, and those that a pending move takes there.
    """

    unavailability: Unavailability
    hit: Sequence[Appointment]
    hit_total: int


@dataclass(frozen=True, slots=True)
class _Whose:
    time_zone: str
    campaign_id: str


async def set_unavailability(desk: Desk, command: SetUnavailability) -> Noted:
    """Notes the days; the same again for the same claim. What a client is shown of it is kept (R-017).

    Raises TOO_LATE without the notice asked for, InvalidInput naming a day or `override_note`, NotFound.
    """
    tenant = caller().tenant
    _require_reach_of_agent(command.agent_id)
    of_agent = await desk.agents.zone(tenant, command.agent_id) if command.agent_id else None
    async with desk.db.uow(tenant, command.claim) as tx:
        if tx.claim_ref is not None:
            known = await unavailabilities.lock(tx, tx.claim_ref)
        else:
            whose = await _whose(tx, command, of_agent)
            await agenda_locks.have_alone(tx, command.agent_id, command.contact_id)
            known = await _note(tx, command, whose)
        hit, total = await unavailabilities.hit(tx, known)
        await failpoint("booking.unavailability.before_commit")
    await views.keep_for_clients(desk, hit)  # apart: nothing is waited for while an agenda is had alone
    return Noted(known, hit, total)


async def list_unavailabilities(desk: Desk, agent_id: str, contact_id: str) -> Sequence[Unavailability]:
    """The latest 200 of an agent or a contact, withdrawn ones too. Raises NotFound, NotAllowed."""
    _require_reach_of_agent(agent_id)
    async with desk.db.uow(caller().tenant) as tx:
        if contact_id:
            reach().require_campaign((await contacts.get(tx, contact_id)).campaign_id)
        return await unavailabilities.of(tx, agent_id, contact_id)


async def withdraw_unavailability(desk: Desk, unavailability_id: str) -> Unavailability:
    """Takes a note back; as it is when that was done already. Raises NotFound, NotAllowed."""
    async with desk.db.uow(caller().tenant) as tx:
        known = await unavailabilities.lock(tx, unavailability_id)
        _require_reach_of_agent(known.agent_id)
        if known.contact_id:
            reach().require_campaign((await contacts.get(tx, known.contact_id)).campaign_id)
        if known.withdrawn_at is not None:
            return known
        now = await tx.now()
        await unavailabilities.withdraw(tx, unavailability_id, now)
        events.unavailability_withdrawn(tx, known)
    return replace(known, withdrawn_at=now)


def _require_reach_of_agent(agent_id: str) -> None:
    """An agent works for many campaigns, also other customers': its days are its own, or those of whoever has
    the whole tenant, and never a customer's, who tells of the people of its campaigns alone (R-014)."""
    mine = reach_but_as("CUSTOMER")
    if agent_id and agent_id not in mine.agents:
        mine.require_whole()


async def _whose(tx: Tx, command: SetUnavailability, zone_of_agent: str | None) -> _Whose:
    if zone_of_agent is not None:
        return _Whose(zone_of_agent, "")
    contact = await contacts.get(tx, command.contact_id)
    reach().require_campaign(contact.campaign_id)
    campaign = await campaigns.get_counters(tx, contact.campaign_id)
    return _Whose(campaign.time_zone, campaign.campaign_id)


async def _note(tx: Tx, command: SetUnavailability, whose: _Whose) -> Unavailability:
    first = parse_day(command.first_day, "first_day")
    last = parse_day(command.last_day, "last_day") if command.last_day else first
    days = Days(first, last, whose.time_zone)
    notice = (await parameters.effective(tx, whose.campaign_id))[UNAVAILABILITY_NOTICE_DAYS]
    now = await tx.now()
    noted = Unavailability(
        unavailability_id=new_id("una"),
        agent_id=command.agent_id,
        contact_id=command.contact_id,
        days=days,
        note=command.note,
        reported_by=caller().subject,
        reported_at=now,
    )
    if is_late(now, days, notice):
        noted = _overridden(noted, command.override_note, notice, whose.campaign_id)
    await unavailabilities.insert(tx, noted)
    events.unavailability_set(tx, noted)
    tx.refer(noted.unavailability_id)
    return noted


def _overridden(noted: Unavailability, override_note: str, notice: int, campaign_id: str) -> Unavailability:
    if noted.reported_at >= noted.days.window.end:
        raise errors.invalid("last_day", "must not be past")
    if not override_note:
        raise errors.notice_too_short(notice)
    if not reach_as(*SUPERVISORS).covers(campaign_id):  # an agent's days are every campaign's
        raise errors.invalid("override_note", "is a supervisor's to give")
    return replace(noted, overridden_by=caller().subject, override_note=override_note)
