"""The waiting list."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.waitlist import Entry, Offer, OfferState, Opening, WaitlistState
from kit.db.uow import Tx
from kit.db.worker import WorkerTx
from kit.values.window import Window

_MOST = 200

_JOIN = text(
    """
    INSERT INTO booking.waitlist_entries
        (tenant_id, entry_id, campaign_id, contact_id, seconds, not_before, not_after, joined_at)
    VALUES (:tenant, :entry, :campaign, :contact, :seconds, :not_before, :not_after, :joined_at)
    """
)

_ENTRY_TEXT = "SELECT * FROM booking.waitlist_entries WHERE tenant_id = :tenant AND entry_id = :entry"

_ENTRY = text(f"{_ENTRY_TEXT} FOR NO KEY UPDATE")

_LIST = text(
    f"""
    SELECT e.*, o.offer_id, o.opening_id, o.agent_id, o.starts_at, o.ends_at, o.hold_id, o.expires_at,
           o.state AS offer_state, o.claim_key
    FROM booking.waitlist_entries e
    LEFT JOIN booking.offers o
      ON o.tenant_id = e.tenant_id AND o.entry_id = e.entry_id AND o.state = 'OFFERED'
    WHERE e.tenant_id = :tenant AND e.campaign_id = :campaign AND e.state IN ('WAITING', 'OFFERED')
    ORDER BY e.joined_at, e.entry_id LIMIT {_MOST}
    """  # noqa: S608 - a constant
)

_NEXT = text(
    """
    SELECT e.* FROM booking.waitlist_entries e
    WHERE e.tenant_id = :tenant AND e.campaign_id = :campaign AND e.state = 'WAITING'
      AND greatest(CAST(:starts_at AS timestamptz), e.not_before) + make_interval(secs => e.seconds)
          <= least(CAST(:ends_at AS timestamptz), e.not_after)
      AND NOT EXISTS (SELECT FROM booking.offers o WHERE o.tenant_id = e.tenant_id
                      AND o.opening_id = :opening AND o.entry_id = e.entry_id)
    ORDER BY e.joined_at, e.entry_id LIMIT 1
    """
)

_SET_ENTRY = text(
    """
    UPDATE booking.waitlist_entries SET state = :state
    WHERE tenant_id = :tenant AND entry_id = :entry AND state IN ('WAITING', 'OFFERED')
    """
)

_OPEN = text(
    """
    INSERT INTO booking.openings (tenant_id, opening_id, campaign_id, agent_id, starts_at, ends_at)
    VALUES (:tenant, :opening, :campaign, :agent, :starts_at, :ends_at)
    """
)

_OPENING = text(
    """
    SELECT opening_id, campaign_id, agent_id, starts_at, ends_at FROM booking.openings
    WHERE tenant_id = :tenant AND opening_id = :opening AND state = 'OPEN' FOR NO KEY UPDATE
    """
)

_CLOSE = text(
    "UPDATE booking.openings SET state = 'CLOSED' WHERE tenant_id = :tenant AND opening_id = :opening"
)

_WAITS = text(
    """
    SELECT EXISTS (SELECT FROM booking.waitlist_entries
                   WHERE tenant_id = :tenant AND campaign_id = :campaign AND state IN ('WAITING', 'OFFERED'))
    """
)

_OFFER = text(
    """
    INSERT INTO booking.offers
        (tenant_id, offer_id, opening_id, entry_id, agent_id, starts_at, ends_at, hold_id, expires_at, state)
    VALUES (:tenant, :offer, :opening, :entry, :agent, :starts_at, :ends_at, :hold, :expires_at, :state)
    """
)

_GET_OFFER = text("SELECT * FROM booking.offers WHERE tenant_id = :tenant AND offer_id = :offer")

_LOCK_OFFER = text(
    "SELECT * FROM booking.offers WHERE tenant_id = :tenant AND offer_id = :offer FOR NO KEY UPDATE"
)

_STANDING = text(
    """
    SELECT * FROM booking.offers
    WHERE tenant_id = :tenant AND opening_id = :opening AND state = 'OFFERED' FOR NO KEY UPDATE
    """
)

_SET_OFFER = text(
    """
    UPDATE booking.offers SET state = :state, claim_key = :claim_key
    WHERE tenant_id = :tenant AND offer_id = :offer
    """
)

_OPENINGS = text(
    """
    SELECT tenant_id, opening_id FROM booking.openings
    WHERE state = 'OPEN' AND (tenant_id, opening_id) > (:tenant, :opening)
    ORDER BY tenant_id, opening_id LIMIT :rows
    """
)


async def join(tx: Tx, entry: Entry) -> None:
    """Stores an entry."""
    params = {
        "tenant": tx.tenant,
        "entry": entry.entry_id,
        "campaign": entry.campaign_id,
        "contact": entry.contact_id,
        "seconds": int(entry.duration.total_seconds()),
        "not_before": entry.not_before,
        "not_after": entry.not_after,
        "joined_at": entry.joined_at,
    }
    await tx.run(_JOIN, params)


async def lock_entry(tx: Tx, entry_id: str) -> Entry:
    """One entry, locked. Raises NotFound naming `entry_id`."""
    row = (await tx.run(_ENTRY, {"tenant": tx.tenant, "entry": entry_id})).one_or_none()
    if row is None:
        raise errors.not_found("waitlist entry", "entry_id")
    return _entry(row)


async def waiting(tx: Tx, campaign_id: str) -> Sequence[Entry]:
    """At most 200 who wait or have an offer, in order, with the offer."""
    found = await tx.run(_LIST, {"tenant": tx.tenant, "campaign": campaign_id})
    return [_entry(row, None if row.offer_id is None else _offer(row, row.offer_state)) for row in found]


async def anybody_waits(tx: Tx, campaign_id: str) -> bool:
    """Whether anybody is on the list at all."""
    return bool((await tx.run(_WAITS, {"tenant": tx.tenant, "campaign": campaign_id})).scalar_one())


async def next_for(tx: Tx, opening: Opening) -> Entry | None:
    """Who waits longest of those who have room in it and were not asked yet."""
    params = {
        "tenant": tx.tenant,
        "campaign": opening.campaign_id,
        "opening": opening.opening_id,
        "starts_at": opening.window.start,
        "ends_at": opening.window.end,
    }
    row = (await tx.run(_NEXT, params)).one_or_none()
    return None if row is None else _entry(row)


async def set_entry(tx: Tx, entry_id: str, state: WaitlistState) -> None:
    """Stores how an entry stands that is not at its end."""
    await tx.run(_SET_ENTRY, {"tenant": tx.tenant, "entry": entry_id, "state": state.value})


async def add_opening(tx: Tx, opening: Opening) -> None:
    """Stores what has become free."""
    params = {
        "tenant": tx.tenant,
        "opening": opening.opening_id,
        "campaign": opening.campaign_id,
        "agent": opening.agent_id,
        "starts_at": opening.window.start,
        "ends_at": opening.window.end,
    }
    await tx.run(_OPEN, params)


async def lock_opening(tx: Tx, opening_id: str) -> Opening | None:
    """One that is open, locked: who holds it decides about its offers."""
    row = (await tx.run(_OPENING, {"tenant": tx.tenant, "opening": opening_id})).one_or_none()
    if row is None:
        return None
    return Opening(row.opening_id, row.campaign_id, row.agent_id, Window(row.starts_at, row.ends_at))


async def close(tx: Tx, opening_id: str) -> None:
    """Nothing more is offered of it."""
    await tx.run(_CLOSE, {"tenant": tx.tenant, "opening": opening_id})


async def add_offer(tx: Tx, offer: Offer) -> None:
    """Stores an offer, standing or passed at once."""
    params = {
        "tenant": tx.tenant,
        "offer": offer.offer_id,
        "opening": offer.opening_id,
        "entry": offer.entry_id,
        "agent": offer.agent_id,
        "starts_at": offer.window.start,
        "ends_at": offer.window.end,
        "hold": offer.hold_id,
        "expires_at": offer.expires_at,
        "state": offer.state.value,
    }
    await tx.run(_OFFER, params)


async def get_offer(tx: Tx, offer_id: str, *, lock: bool = False) -> Offer:
    """One offer, locked where asked. Raises NotFound naming `offer_id`."""
    statement = _LOCK_OFFER if lock else _GET_OFFER
    row = (await tx.run(statement, {"tenant": tx.tenant, "offer": offer_id})).one_or_none()
    if row is None:
        raise errors.not_found("offer", "offer_id")
    return _offer(row, row.state)


async def standing(tx: Tx, opening_id: str) -> Offer | None:
    """The offer of an opening that stands, locked."""
    row = (await tx.run(_STANDING, {"tenant": tx.tenant, "opening": opening_id})).one_or_none()
    return None if row is None else _offer(row, row.state)


async def set_offer(tx: Tx, offer_id: str, state: OfferState, claim_key: str | None) -> None:
    """Stores what became of a locked offer."""
    params = {"tenant": tx.tenant, "offer": offer_id, "state": state.value, "claim_key": claim_key}
    await tx.run(_SET_OFFER, params)


async def openings(tx: WorkerTx, after: tuple[str, str], count: int) -> Sequence[tuple[str, str]]:
    """(tenant, opening) of those that are open, of all tenants, in order after one."""
    params = {"tenant": after[0], "opening": after[1], "rows": count}
    return [(row.tenant_id, row.opening_id) for row in await tx.run(_OPENINGS, params)]


def _entry(row: Any, offer: Offer | None = None) -> Entry:
    return Entry(
        entry_id=row.entry_id,
        campaign_id=row.campaign_id,
        contact_id=row.contact_id,
        duration=timedelta(seconds=row.seconds),
        not_before=row.not_before,
        not_after=row.not_after,
        joined_at=row.joined_at,
        state=WaitlistState(row.state),
        offer=offer,
    )


def _offer(row: Any, state: str) -> Offer:
    return Offer(
        offer_id=row.offer_id,
        opening_id=row.opening_id,
        entry_id=row.entry_id,
        agent_id=row.agent_id,
        window=Window(row.starts_at, row.ends_at),
        hold_id=row.hold_id,
        expires_at=row.expires_at,
        state=OfferState(state),
        claim_key=row.claim_key,
    )
