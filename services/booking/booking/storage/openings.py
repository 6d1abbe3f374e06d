"""What has become free, and the offers made of it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.waitlist import Offer, OfferState, Opening
from kit.db.uow import Tx
from kit.db.worker import WorkerTx, by_tenants_clocks
from kit.values.window import Window

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

_CLOSE_FULL = text(
    """
    UPDATE booking.openings SET state = 'CLOSED'
    WHERE tenant_id = :tenant AND opening_id = :opening AND ends_at - starts_at <= (
        SELECT sum(ends_at - starts_at) FROM booking.offers
        WHERE tenant_id = :tenant AND opening_id = :opening AND state = 'ACCEPTED')
    """
)

# An unfit offer, which nobody was told of, makes room for the next try.
_OFFER = text(
    """
    INSERT INTO booking.offers AS o
        (tenant_id, offer_id, opening_id, entry_id, agent_id, starts_at, ends_at, hold_id, expires_at,
         state, held)
    VALUES (:tenant, :offer, :opening, :entry, :agent, :starts_at, :ends_at, :hold, :expires_at,
            'HOLDING', true)
    ON CONFLICT (tenant_id, opening_id, entry_id) WHERE state <> 'REFUSED' DO UPDATE
    SET offer_id = excluded.offer_id, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
        hold_id = excluded.hold_id, expires_at = excluded.expires_at, state = 'HOLDING', held = true,
        claim_key = NULL, tries = o.tries + 1
    WHERE o.state = 'UNFIT' AND NOT o.held
    RETURNING tries
    """
)

_GET_TEXT = "SELECT * FROM booking.offers WHERE tenant_id = :tenant AND offer_id = :offer"

_GET_OFFER = text(_GET_TEXT)

_LOCK_OFFER = text(f"{_GET_TEXT} FOR NO KEY UPDATE")

_HELD = text(
    """
    SELECT * FROM booking.offers
    WHERE tenant_id = :tenant AND opening_id = :opening AND held FOR NO KEY UPDATE
    """
)

_OF_ENTRY = text(
    """
    SELECT * FROM booking.offers
    WHERE tenant_id = :tenant AND entry_id = :entry AND state IN ('HOLDING', 'OFFERED')
    """
)

_SAVE = text(
    """
    UPDATE booking.offers
    SET state = :state, held = :held, expires_at = :expires_at, claim_key = :claim_key,
        starts_at = :starts_at, ends_at = :ends_at
    WHERE tenant_id = :tenant AND offer_id = :offer
    """
)

_FREED = text(
    "UPDATE booking.offers SET held = false"
    " WHERE tenant_id = :tenant AND offer_id = :offer AND state NOT IN ('HOLDING', 'OFFERED')"
)

OPEN_PAGE = text(
    """
    SELECT tenant_id, opening_id FROM booking.openings
    WHERE state = 'OPEN' AND (tenant_id, opening_id) > (:tenant, :opening)
    ORDER BY tenant_id, opening_id LIMIT :rows
    """
)

_CLOSED = by_tenants_clocks(
    """
    SELECT o.tenant_id, o.opening_id FROM booking.openings o {ahead}
    WHERE o.state = 'CLOSED' AND o.ends_at <= {now} - CAST(:age AS interval)
    ORDER BY o.ends_at LIMIT :rows
    """,
    "o.tenant_id",
)

_FORGET_OFFERS = text("DELETE FROM booking.offers WHERE tenant_id = :tenant AND opening_id = :opening")

_FORGET = text(
    "DELETE FROM booking.openings WHERE tenant_id = :tenant AND opening_id = :opening AND state = 'CLOSED'"
)


async def add(tx: Tx, opening: Opening) -> None:
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


async def lock(tx: Tx, opening_id: str) -> Opening | None:
    """One that is open, locked: who holds it decides about its offers."""
    row = (await tx.run(_OPENING, {"tenant": tx.tenant, "opening": opening_id})).one_or_none()
    if row is None:
        return None
    return Opening(row.opening_id, row.campaign_id, row.agent_id, Window(row.starts_at, row.ends_at))


async def close(tx: Tx, opening_id: str) -> None:
    """Nothing more is offered of it."""
    await tx.run(_CLOSE, {"tenant": tx.tenant, "opening": opening_id})


async def close_full(tx: Tx, opening_id: str) -> None:
    """Nothing more is offered of it once what was accepted takes all its time."""
    await tx.run(_CLOSE_FULL, {"tenant": tx.tenant, "opening": opening_id})


async def begin(tx: Tx, offer: Offer) -> int:
    """Stores a new offer as HOLDING, before the ledger is asked for its hold; opening and entry are locked.

    Gives how often the person was tried for this opening, this time counted.
    """
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
    }
    return int((await tx.run(_OFFER, params)).scalar_one())


async def get_offer(tx: Tx, offer_id: str, *, lock: bool = False) -> Offer:
    """One offer, locked where asked. Raises NotFound naming `offer_id`."""
    statement = _LOCK_OFFER if lock else _GET_OFFER
    row = (await tx.run(statement, {"tenant": tx.tenant, "offer": offer_id})).one_or_none()
    if row is None:
        raise errors.not_found("offer", "offer_id")
    return offer_of(row, row.state)


async def held(tx: Tx, opening_id: str) -> Offer | None:
    """The offer of an opening that the ledger may keep a hold for, standing or at its end; locked."""
    row = (await tx.run(_HELD, {"tenant": tx.tenant, "opening": opening_id})).one_or_none()
    return None if row is None else offer_of(row, row.state)


async def of_entry(tx: Tx, entry_id: str) -> Offer | None:
    """The offer of an entry that stands."""
    row = (await tx.run(_OF_ENTRY, {"tenant": tx.tenant, "entry": entry_id})).one_or_none()
    return None if row is None else offer_of(row, row.state)


async def save(tx: Tx, offer: Offer) -> None:
    """Stores what became of a locked offer."""
    params = {
        "tenant": tx.tenant,
        "offer": offer.offer_id,
        "state": offer.state.value,
        "held": offer.held,
        "expires_at": offer.expires_at,
        "claim_key": offer.claim_key,
        "starts_at": offer.window.start,
        "ends_at": offer.window.end,
    }
    await tx.run(_SAVE, params)


async def freed(tx: Tx, offer_id: str) -> None:
    """The ledger does not keep the hold of this ended offer any more."""
    await tx.run(_FREED, {"tenant": tx.tenant, "offer": offer_id})


async def page(tx: WorkerTx, after: tuple[str, str], count: int) -> Sequence[tuple[str, str]]:
    """(tenant, opening) of those that are open, of all tenants, in order after one."""
    params = {"tenant": after[0], "opening": after[1], "rows": count}
    return [(row.tenant_id, row.opening_id) for row in await tx.run(OPEN_PAGE, params)]


async def closed(tx: WorkerTx, age: timedelta, count: int, *, sandbox: bool) -> Sequence[tuple[str, str]]:
    """(tenant, opening) of those closed whose time ended so long ago by each tenant's clock, the oldest
    first."""
    found = await tx.run(_CLOSED[sandbox], {"age": age, "rows": count})
    return [(row.tenant_id, row.opening_id) for row in found]


async def forget(tx: Tx, opening_id: str) -> None:
    """Deletes a closed opening and the offers made of it."""
    params = {"tenant": tx.tenant, "opening": opening_id}
    await tx.run(_FORGET_OFFERS, params)
    await tx.run(_FORGET, params)


def offer_of(row: Any, state: str) -> Offer:
    """An offer's row."""
    return Offer(
        offer_id=row.offer_id,
        opening_id=row.opening_id,
        entry_id=row.entry_id,
        agent_id=row.agent_id,
        window=Window(row.starts_at, row.ends_at),
        hold_id=row.hold_id,
        expires_at=row.expires_at,
        state=OfferState(state),
        tries=row.tries,
        held=row.held,
        claim_key=row.claim_key,
    )
