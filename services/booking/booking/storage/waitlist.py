"""Who waits."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.waitlist import Entry, Opening, WaitlistState
from booking.storage.openings import offer_of
from kit.db.uow import Tx
from kit.db.worker import WorkerTx, by_tenants_clocks

START_OF_TIME = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
"""Before anybody joined; where the list begins."""

_JOIN = text(
    """
    INSERT INTO booking.waitlist_entries
        (tenant_id, entry_id, campaign_id, contact_id, seconds, not_before, not_after, joined_at)
    VALUES (:tenant, :entry, :campaign, :contact, :seconds, :not_before, :not_after, :joined_at)
    """
)

_ENTRY_TEXT = "SELECT * FROM booking.waitlist_entries WHERE tenant_id = :tenant AND entry_id = :entry"

_GET = text(_ENTRY_TEXT)

_LOCK = text(f"{_ENTRY_TEXT} FOR NO KEY UPDATE")

_LIST = text(
    """
    SELECT e.*, o.offer_id, o.opening_id, o.agent_id, o.starts_at, o.ends_at, o.hold_id, o.expires_at,
           o.state AS offer_state, o.tries, o.held, o.claim_key
    FROM booking.waitlist_entries e
    LEFT JOIN booking.offers o
      ON o.tenant_id = e.tenant_id AND o.entry_id = e.entry_id AND o.state = 'OFFERED'
    WHERE e.tenant_id = :tenant AND e.campaign_id = :campaign AND e.state IN ('WAITING', 'OFFERED')
      AND (e.joined_at, e.entry_id) > (:after, :after_id)
    ORDER BY e.joined_at, e.entry_id LIMIT :rows
    """
)

_NEXT = text(
    """
    SELECT e.* FROM booking.waitlist_entries e
    WHERE e.tenant_id = :tenant AND e.campaign_id = :campaign AND e.state = 'WAITING'
      AND greatest(CAST(:starts_at AS timestamptz), e.not_before) + make_interval(secs => e.seconds)
          <= least(CAST(:ends_at AS timestamptz), e.not_after)
      AND NOT EXISTS (SELECT FROM booking.offers o WHERE o.tenant_id = e.tenant_id
                      AND o.opening_id = :opening AND o.entry_id = e.entry_id
                      AND NOT (o.state IN ('UNFIT', 'REFUSED') AND o.expires_at <= :now))
      AND NOT EXISTS (SELECT FROM booking.offers o WHERE o.tenant_id = e.tenant_id
                      AND o.entry_id = e.entry_id AND o.state IN ('HOLDING', 'OFFERED'))
    ORDER BY e.joined_at, e.entry_id LIMIT 1
    """
)

_SET = text(
    """
    UPDATE booking.waitlist_entries SET state = :state
    WHERE tenant_id = :tenant AND entry_id = :entry AND state IN ('WAITING', 'OFFERED')
    """
)

_WAITS = text(
    """
    SELECT EXISTS (SELECT FROM booking.waitlist_entries
                   WHERE tenant_id = :tenant AND campaign_id = :campaign AND state IN ('WAITING', 'OFFERED')
                     AND contact_id = coalesce(CAST(:contact AS text), contact_id))
    """
)

_WAITED_FOR = text(
    """
    SELECT campaign_id FROM unnest(CAST(:campaigns AS text[])) AS c (campaign_id)
    WHERE EXISTS (SELECT FROM booking.waitlist_entries e
                  WHERE e.tenant_id = :tenant AND e.campaign_id = c.campaign_id
                    AND e.state IN ('WAITING', 'OFFERED'))
    """
)

# A visit takes a day at most: the first bound is the index's.
_PAST = by_tenants_clocks(
    """
    SELECT e.tenant_id, e.entry_id FROM booking.waitlist_entries e {ahead}
    WHERE e.state = 'WAITING' AND e.not_after <= {now} + interval '1 day'
      AND e.not_after < {now} + make_interval(secs => e.seconds)
    ORDER BY e.not_after LIMIT :rows
    """,
    "e.tenant_id",
)

SERVED = """
    UPDATE booking.waitlist_entries e SET state = 'BOOKED' FROM booked
    WHERE e.tenant_id = booked.tenant_id AND e.campaign_id = booked.campaign_id
      AND e.contact_id = booked.contact_id AND e.state IN ('WAITING', 'OFFERED')
"""
"""Takes off its campaign's list the person of `booked`, a common table of appointments (BK-43).

In the statement that decides the booking, so that nobody who has a visit by it waits at any commit.
"""

_SERVE = text(
    f"""
    WITH booked AS (
        SELECT CAST(:tenant AS text) AS tenant_id, CAST(:campaign AS text) AS campaign_id,
               CAST(:contact AS text) AS contact_id
    ) {SERVED}
    """
)

_SERVE_ALL = text(
    f"""
    WITH booked AS (
        SELECT w.tenant_id, w.campaign_id, w.contact_id
        FROM booking.waitlist_entries w
        JOIN unnest(CAST(:campaigns AS text[]), CAST(:contacts AS text[])) AS person (campaign_id, contact_id)
            USING (campaign_id, contact_id)
        WHERE w.tenant_id = :tenant AND w.state IN ('WAITING', 'OFFERED')
        ORDER BY w.entry_id FOR NO KEY UPDATE OF w
    ) {SERVED}
    """  # noqa: S608 - constants
)

_END = text(
    """
    UPDATE booking.waitlist_entries SET state = 'LEFT'
    WHERE tenant_id = :tenant AND entry_id = :entry AND state = 'WAITING'
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


async def get_entry(tx: Tx, entry_id: str, *, lock: bool = False) -> Entry:
    """One entry, locked where asked. Raises NotFound naming `entry_id`."""
    found = await tx.run(_LOCK if lock else _GET, {"tenant": tx.tenant, "entry": entry_id})
    row = found.one_or_none()
    if row is None:
        raise errors.not_found("waitlist entry", "entry_id")
    return _entry(row)


async def waiting(tx: Tx, campaign_id: str, after: tuple[datetime, str], count: int) -> Sequence[Entry]:
    """Who waits or has an offer, by (joined, id) after one, with the offer."""
    params = {
        "tenant": tx.tenant,
        "campaign": campaign_id,
        "after": after[0],
        "after_id": after[1],
        "rows": count,
    }
    return [_entry(row) for row in await tx.run(_LIST, params)]


async def anybody_waits(tx: Tx, campaign_id: str, contact_id: str | None = None) -> bool:
    """Whether anybody is on the list at all, or that contact is."""
    params = {"tenant": tx.tenant, "campaign": campaign_id, "contact": contact_id}
    return bool((await tx.run(_WAITS, params)).scalar_one())


async def waited_for(tx: Tx, campaign_ids: Collection[str]) -> frozenset[str]:
    """Those of the campaigns on whose list anybody is."""
    found = await tx.run(_WAITED_FOR, {"tenant": tx.tenant, "campaigns": list(campaign_ids)})
    return frozenset(row.campaign_id for row in found)


async def lock_next(tx: Tx, opening: Opening) -> Entry | None:
    """Who waits longest of those who have room in it, have no offer, and were not tried for it or may be
    again; locked.

    Looked for again in a later statement than the lock: another opening may have got the same one meanwhile.
    """
    found = await _next(tx, opening)
    while found is not None:
        await get_entry(tx, found.entry_id, lock=True)
        again = await _next(tx, opening)
        if again is None or again.entry_id == found.entry_id:
            return again
        found = again
    return None


async def _next(tx: Tx, opening: Opening) -> Entry | None:
    params = {
        "tenant": tx.tenant,
        "campaign": opening.campaign_id,
        "opening": opening.opening_id,
        "starts_at": opening.window.start,
        "ends_at": opening.window.end,
        "now": await tx.now(),
    }
    row = (await tx.run(_NEXT, params)).one_or_none()
    return None if row is None else _entry(row)


async def set_entry(tx: Tx, entry_id: str, state: WaitlistState) -> None:
    """Stores how an entry stands that is not at its end."""
    await tx.run(_SET, {"tenant": tx.tenant, "entry": entry_id, "state": state.value})


async def past(tx: WorkerTx, count: int, *, sandbox: bool) -> Sequence[tuple[str, str]]:
    """(tenant, entry) of those waiting whose last start has passed by each tenant's clock."""
    return [(row.tenant_id, row.entry_id) for row in await tx.run(_PAST[sandbox], {"rows": count})]


async def serve(tx: Tx, campaign_id: str, contact_id: str) -> None:
    """BOOKED, where that person waits in that campaign: another visit was agreed. Before the campaign's row
    is locked (ADR 0030)."""
    await tx.run(_SERVE, {"tenant": tx.tenant, "campaign": campaign_id, "contact": contact_id})


async def serve_all(tx: Tx, people: Collection[tuple[str, str]]) -> None:
    """The same for many, by campaign and contact."""
    params = {
        "tenant": tx.tenant,
        "campaigns": [campaign for campaign, _ in people],
        "contacts": [contact for _, contact in people],
    }
    await tx.run(_SERVE_ALL, params)


async def end(tx: Tx, entry_id: str) -> None:
    """LEFT, unless it is no longer waiting: who has an offer keeps it."""
    await tx.run(_END, {"tenant": tx.tenant, "entry": entry_id})


def _entry(row: Any) -> Entry:
    has_offer = getattr(row, "offer_id", None) is not None
    return Entry(
        entry_id=row.entry_id,
        campaign_id=row.campaign_id,
        contact_id=row.contact_id,
        duration=timedelta(seconds=row.seconds),
        not_before=row.not_before,
        not_after=row.not_after,
        joined_at=row.joined_at,
        state=WaitlistState(row.state),
        offer=offer_of(row, row.offer_state) if has_offer else None,
    )
