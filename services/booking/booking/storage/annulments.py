"""Agents' contacts before visits, and annulment claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.annulment import (
    AgentContact,
    AnnulmentClaim,
    AnnulmentReason,
    ClaimChannel,
    ClaimState,
    ContactChannel,
)
from booking.domain.reach import Reach
from kit.db.uow import Tx

_INSERT_CONTACT = text(
    """
    INSERT INTO booking.agent_contacts
        (tenant_id, agent_contact_id, appointment_id, channel, contacted_at, note, recorded_by, recorded_at)
    VALUES (:tenant, :id, :appointment, :channel, :contacted_at, :note, :recorded_by, :recorded_at)
    """
)

_CONTACTS = text(
    """
    SELECT * FROM booking.agent_contacts
    WHERE tenant_id = :tenant AND appointment_id = :appointment
      AND (CAST(:after AS timestamptz) IS NULL OR (contacted_at, agent_contact_id) > (:after, :after_id))
    ORDER BY contacted_at, agent_contact_id LIMIT :rows
    """
)

_CONTACT = text(
    "SELECT * FROM booking.agent_contacts WHERE tenant_id = :tenant AND agent_contact_id = :contact"
)

_CONTACTED = text(
    """
    SELECT EXISTS (SELECT FROM booking.agent_contacts
                   WHERE tenant_id = :tenant AND appointment_id = :appointment AND contacted_at <= :by)
    """
)

_INSERT = text(
    """
    INSERT INTO booking.annulment_claims
        (tenant_id, claim_id, appointment_id, campaign_id, agent_id, reason, note, channel, received_at,
         closes_at, claimed_by, state)
    VALUES (:tenant, :claim, :appointment, :campaign, :agent, :reason, :note, :channel, :received_at,
            :closes_at, :claimed_by, 'OPEN')
    """
)

_STANDS = text(
    """
    SELECT EXISTS (SELECT FROM booking.annulment_claims
                   WHERE tenant_id = :tenant AND appointment_id = :appointment AND state <> 'REJECTED')
    """
)

_GET_TEXT = "SELECT * FROM booking.annulment_claims WHERE tenant_id = :tenant AND claim_id = :claim"

_GET = text(_GET_TEXT)

_LOCK = text(f"{_GET_TEXT} FOR NO KEY UPDATE")

_DECIDE = text(
    """
    UPDATE booking.annulment_claims
    SET state = :state, decided_by = :by, decision_note = :note, decided_at = :at
    WHERE tenant_id = :tenant AND claim_id = :claim AND state = 'OPEN'
    """
)

_LIST = text(
    """
    SELECT * FROM booking.annulment_claims
    WHERE tenant_id = :tenant
      AND (CAST(:before AS timestamptz) IS NULL OR (received_at, claim_id) < (:before, :before_id))
      AND (:campaign = '' OR campaign_id = :campaign) AND (:state = '' OR state = :state)
      AND (:whole OR campaign_id = ANY (CAST(:campaigns AS text[]))
           OR agent_id = ANY (CAST(:agents AS text[])))
    ORDER BY received_at DESC, claim_id DESC LIMIT :rows
    """
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which claims to list: within this reach; an empty id and None leave their side open."""

    reach: Reach
    campaign_id: str
    state: ClaimState | None


async def insert_contact(tx: Tx, contact: AgentContact) -> None:
    """Stores a contact."""
    params = {
        "tenant": tx.tenant,
        "id": contact.agent_contact_id,
        "appointment": contact.appointment_id,
        "channel": contact.channel.value,
        "contacted_at": contact.contacted_at,
        "note": contact.note,
        "recorded_by": contact.recorded_by,
        "recorded_at": contact.recorded_at,
    }
    await tx.run(_INSERT_CONTACT, params)


async def contact(tx: Tx, agent_contact_id: str) -> AgentContact:
    """One contact that is known to be there."""
    return _contact((await tx.run(_CONTACT, {"tenant": tx.tenant, "contact": agent_contact_id})).one())


async def contacts(
    tx: Tx, appointment_id: str, after: tuple[datetime, str] | None, count: int
) -> Sequence[AgentContact]:
    """Those of one appointment, by when, then id, from after one on."""
    params = {
        "tenant": tx.tenant,
        "appointment": appointment_id,
        "after": after[0] if after else None,
        "after_id": after[1] if after else "",
        "rows": count,
    }
    return [_contact(row) for row in await tx.run(_CONTACTS, params)]


async def contacted_by(tx: Tx, appointment_id: str, moment: datetime) -> bool:
    """Whether the agent had contacted the customer by then."""
    params = {"tenant": tx.tenant, "appointment": appointment_id, "by": moment}
    return bool((await tx.run(_CONTACTED, params)).scalar_one())


async def stands(tx: Tx, appointment_id: str) -> bool:
    """Whether a claim to this appointment, whose row is locked, is open or was accepted."""
    params = {"tenant": tx.tenant, "appointment": appointment_id}
    return bool((await tx.run(_STANDS, params)).scalar_one())


async def insert(tx: Tx, claim: AnnulmentClaim) -> None:
    """Stores an open claim, where none stands."""
    params = {
        "tenant": tx.tenant,
        "claim": claim.claim_id,
        "appointment": claim.appointment_id,
        "campaign": claim.campaign_id,
        "agent": claim.agent_id,
        "reason": claim.reason.value,
        "note": claim.note,
        "channel": claim.channel.value,
        "received_at": claim.received_at,
        "closes_at": claim.closes_at,
        "claimed_by": claim.claimed_by,
    }
    await tx.run(_INSERT, params)


async def get(tx: Tx, claim_id: str) -> AnnulmentClaim:
    """One claim. Raises NotFound naming `claim_id`."""
    return _found((await tx.run(_GET, {"tenant": tx.tenant, "claim": claim_id})).one_or_none())


async def lock(tx: Tx, claim_id: str) -> AnnulmentClaim:
    """The same, locked until the end of the transaction; its appointment's row is locked before."""
    return _found((await tx.run(_LOCK, {"tenant": tx.tenant, "claim": claim_id})).one_or_none())


async def save_decision(tx: Tx, claim: AnnulmentClaim) -> None:
    """Stores what an open claim was decided to."""
    params = {
        "tenant": tx.tenant,
        "claim": claim.claim_id,
        "state": claim.state.value,
        "by": claim.decided_by,
        "note": claim.decision_note,
        "at": claim.decided_at,
    }
    await tx.run(_DECIDE, params)


async def page(
    tx: Tx, wanted: Filter, before: tuple[datetime, str] | None, count: int
) -> Sequence[AnnulmentClaim]:
    """Claims, the newest first, from before one on."""
    params = {
        "tenant": tx.tenant,
        "campaign": wanted.campaign_id,
        "state": wanted.state.value if wanted.state else "",
        "whole": wanted.reach.whole,
        "campaigns": list(wanted.reach.campaigns),
        "agents": list(wanted.reach.agents),
        "before": before[0] if before else None,
        "before_id": before[1] if before else "",
        "rows": count,
    }
    return [_claim(row) for row in await tx.run(_LIST, params)]


def _contact(row: Any) -> AgentContact:
    return AgentContact(
        agent_contact_id=row.agent_contact_id,
        appointment_id=row.appointment_id,
        channel=ContactChannel(row.channel),
        contacted_at=row.contacted_at,
        note=row.note,
        recorded_by=row.recorded_by,
        recorded_at=row.recorded_at,
    )


def _found(row: Any) -> AnnulmentClaim:
    if row is None:
        raise errors.not_found("annulment claim", "claim_id")
    return _claim(row)


def _claim(row: Any) -> AnnulmentClaim:
    return AnnulmentClaim(
        claim_id=row.claim_id,
        appointment_id=row.appointment_id,
        campaign_id=row.campaign_id,
        agent_id=row.agent_id,
        reason=AnnulmentReason(row.reason),
        note=row.note,
        channel=ClaimChannel(row.channel),
        received_at=row.received_at,
        closes_at=row.closes_at,
        claimed_by=row.claimed_by,
        state=ClaimState(row.state),
        decided_by=row.decided_by,
        decision_note=row.decision_note,
        decided_at=row.decided_at,
    )
