"""Annulment claims and what speaks against them (R-008, R-012, R-013)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from booking import events
from booking.domain import errors
from booking.domain.annulment import (
    AgentContact,
    AnnulmentClaim,
    AnnulmentReason,
    ClaimChannel,
    ClaimState,
    ContactChannel,
    Decision,
    closes_at,
    decide,
    require_claimable,
    require_contact_time,
)
from booking.domain.appointment import LIVE, WITH_STOP, Appointment, annul, require_writable
from booking.domain.campaign import zone
from booking.domain.pages import DEFAULT_SIZE, Position, instant_and_id
from booking.domain.parameters import ANNULMENT_DEADLINE_DAYS
from booking.storage import annulments, appointments, campaigns, parameters
from booking.storage.annulments import Filter
from booking.usecases import aftermath, record
from booking.usecases.desk import Desk
from booking.usecases.reach import reach, reach_as
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id

ANNULLED = "annulled: "
"""How the note of a cancellation begins that an accepted claim brought."""

_ENTER_MAIL = ("ADMINISTRATOR", "PROJECT_MANAGER", "OPERATOR")


@dataclass(frozen=True, slots=True)
class RecordAgentContact:
    """`contacted_at` None: now."""

    appointment_id: str
    channel: ContactChannel
    contacted_at: datetime | None
    note: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class ClaimAnnulment:
    """`received_at` is told for an e-mail alone."""

    appointment_id: str
    reason: AnnulmentReason
    note: str
    channel: ClaimChannel
    received_at: datetime | None
    claim: Claim


@dataclass(frozen=True, slots=True)
class ContactPage:
    """Contacts by when, then id; the token is empty on the last page."""

    contacts: Sequence[AgentContact]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class ClaimPage:
    """Claims, the newest first; the token is empty on the last page."""

    claims: Sequence[AnnulmentClaim]
    next_page_token: str


async def record_agent_contact(desk: Desk, command: RecordAgentContact) -> AgentContact:
    """The contact. Raises TOO_LATE, SUPERSEDED, WRONG_STATE, InvalidInput, NotFound."""
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        appointment = await appointments.lock(tx, command.appointment_id)
        reach().require_sight(appointment.campaign_id, appointment.agent_id)
        if tx.claim_ref is not None:
            return await annulments.contact(tx, tx.claim_ref)
        contact = _contact(command, appointment, await tx.now())
        await annulments.insert_contact(tx, contact)
        events.agent_contacted(tx, contact, appointment)
        tx.refer(contact.agent_contact_id)
        await failpoint("booking.contact.before_commit")
    return contact


def _contact(command: RecordAgentContact, appointment: Appointment, now: datetime) -> AgentContact:
    require_writable(appointment)
    if appointment.state not in LIVE:
        raise errors.wrong_state(appointment.state)
    at = command.contacted_at or now
    require_contact_time(appointment, at, now)
    return AgentContact(
        agent_contact_id=new_id("act"),
        appointment_id=appointment.appointment_id,
        channel=command.channel,
        contacted_at=at,
        note=command.note,
        recorded_by=caller().subject,
        recorded_at=now,
    )


async def list_agent_contacts(desk: Desk, appointment_id: str, page: tuple[int, str]) -> ContactPage:
    """One page (size, token). Raises InvalidInput naming `page_token`, NotFound, NotAllowed."""
    who, (wanted_size, token) = caller(), page
    shape = ("agent contacts", appointment_id)
    after = instant_and_id(desk.page_tokens.read(who.tenant, shape, token))
    size = wanted_size or DEFAULT_SIZE
    async with desk.db.uow(who.tenant) as tx:
        appointment = await appointments.get(tx, appointment_id)
        reach().require_sight(appointment.campaign_id, appointment.agent_id)
        found = await annulments.contacts(tx, appointment_id, after, size + 1)
    return ContactPage(*desk.page_tokens.cut(who.tenant, shape, found, size, _contact_position))


def _contact_position(contact: AgentContact) -> Position:
    return contact.contacted_at.isoformat(), contact.agent_contact_id


async def claim_annulment(desk: Desk, command: ClaimAnnulment) -> AnnulmentClaim:
    """The open claim; the same again for the same claim of a request.

    Raises TOO_LATE, AGENT_CONTACTED, ALREADY_EXISTS, SUPERSEDED, WRONG_STATE, InvalidInput naming
    `received_at`.
    """
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        appointment = await appointments.lock(tx, command.appointment_id)
        reach().require_campaign(appointment.campaign_id)
        if tx.claim_ref is not None:
            return await annulments.get(tx, tx.claim_ref)
        await failpoint("booking.annul.before_decide")
        made = await _claim(tx, command, appointment)
        if await annulments.stands(tx, appointment.appointment_id):
            raise errors.claim_exists()
        await annulments.insert(tx, made)
        events.annulment_claimed(tx, made)
        tx.refer(made.claim_id)
        await failpoint("booking.annul.before_commit")
    return made


async def _claim(tx: Tx, command: ClaimAnnulment, appointment: Appointment) -> AnnulmentClaim:
    require_writable(appointment)
    if appointment.state not in WITH_STOP:
        raise errors.wrong_state(appointment.state)
    received_at = _received_at(command, appointment, await tx.now())
    campaign = await campaigns.get_counters(tx, appointment.campaign_id)
    days = (await parameters.effective(tx, campaign.campaign_id))[ANNULMENT_DEADLINE_DAYS]
    closed_from = closes_at(appointment.window.start, days, zone(campaign.time_zone))
    contacted = await annulments.contacted_by(tx, appointment.appointment_id, received_at)
    require_claimable(received_at, closed_from, command.reason, contacted)
    return AnnulmentClaim(
        claim_id=new_id("ann"),
        appointment_id=appointment.appointment_id,
        campaign_id=appointment.campaign_id,
        agent_id=appointment.agent_id,
        reason=command.reason,
        note=command.note,
        channel=command.channel,
        received_at=received_at,
        closes_at=closed_from,
        claimed_by=caller().subject,
    )


def _received_at(command: ClaimAnnulment, appointment: Appointment, now: datetime) -> datetime:
    """The stamp that decides (R-013): ours for the portal, the mail server's for an e-mail."""
    if command.channel is ClaimChannel.PORTAL:
        if command.received_at is not None:
            raise errors.invalid("received_at", "is told for an e-mail alone")
        return now
    if not reach_as(*_ENTER_MAIL).covers(appointment.campaign_id):
        raise errors.invalid("channel", "an e-mail is entered by the provider's people")
    if command.received_at is None:
        raise errors.invalid("received_at", "must be told for an e-mail")
    if command.received_at > now:
        raise errors.invalid("received_at", "must not be later than now")
    if command.received_at < appointment.created_at.replace(microsecond=0):
        raise errors.invalid("received_at", "must not be before the appointment was taken")
    return command.received_at


async def get_annulment_claim(desk: Desk, claim_id: str) -> AnnulmentClaim:
    """One claim. Raises NotFound, NotAllowed."""
    async with desk.db.uow(caller().tenant) as tx:
        found = await annulments.get(tx, claim_id)
    reach().require_sight(found.campaign_id, found.agent_id)
    return found


async def list_annulment_claims(
    desk: Desk, campaign_id: str, state: ClaimState | None, page: tuple[int, str]
) -> ClaimPage:
    """One page (size, token) within reach. Raises InvalidInput naming `page_token`, NotAllowed."""
    who, mine, (wanted_size, token) = caller(), reach(), page
    shape = ("annulment claims", campaign_id, state or "")
    position = desk.page_tokens.read(who.tenant, shape, token)
    mine.require_sight(campaign_id, "")
    size = wanted_size or DEFAULT_SIZE
    async with desk.db.uow(who.tenant) as tx:
        filters, after = Filter(mine, campaign_id, state), instant_and_id(position)
        found = await annulments.page(tx, filters, after, size + 1)
    return ClaimPage(*desk.page_tokens.cut(who.tenant, shape, found, size, _position))


def _position(claim: AnnulmentClaim) -> Position:
    return claim.received_at.isoformat(), claim.claim_id


async def decide_annulment(desk: Desk, claim_id: str, decision: Decision) -> AnnulmentClaim:
    """The decided claim; as it is when it was decided so already. An accepted one cancels the appointment.

    Raises WRONG_STATE, CHANGE_IN_PROGRESS, NotFound, NotAllowed.
    """
    async with desk.db.uow(caller().tenant) as tx:
        appointment = await appointments.lock(tx, (await annulments.get(tx, claim_id)).appointment_id)
        reach().require_campaign(appointment.campaign_id)
        known = await annulments.lock(tx, claim_id)
        now = await tx.now()
        decided = decide(known, decision, now)
        if decided is None:
            return known
        await annulments.save_decision(tx, decided)
        events.annulment_decided(tx, decided)
        if decision.accepted:
            await _cancel(tx, appointment, f"{ANNULLED}{decided.reason}", now)
        await failpoint("booking.annul_decide.before_commit")
    return decided


async def _cancel(tx: Tx, appointment: Appointment, note: str, now: datetime) -> None:
    change = annul(appointment, note, now)
    if change is not None:  # it may have been cancelled since it was claimed
        await appointments.save(tx, change)
        await record.keep(tx, events.cancelled(tx, change.after), record.by_caller(record.ANNULMENT))
        await aftermath.close(tx, change.after.appointment_id)
