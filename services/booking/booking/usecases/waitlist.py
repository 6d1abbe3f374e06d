"""The waiting list: joined, left and read (BK-43). What they are offered is in `openings` and `offers`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from booking.domain import errors
from booking.domain.pages import DEFAULT_SIZE, Position, instant_and_id
from booking.domain.waitlist import Entry, WaitlistState
from booking.storage import campaigns, openings, waitlist
from booking.usecases.desk import Desk
from booking.usecases.openings import carry_on
from booking.usecases.reach import reach
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id

_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class JoinWaitlist:
    """Bounds are None where any time suits."""

    campaign_id: str
    contact_id: str
    duration: timedelta
    not_before: datetime | None
    not_after: datetime | None
    claim: Claim


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Who waits, in the order of joining; the token is empty on the last page."""

    entries: Sequence[Entry]
    next_page_token: str


async def join_waitlist(desk: Desk, command: JoinWaitlist) -> Entry:
    """The entry; the same again for the same claim.

    Raises NotFound, InvalidInput naming `not_after`, ALREADY_EXISTS while the contact waits in this campaign.
    """
    reach().require_campaign(command.campaign_id)
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.claim_ref is not None:
            return await waitlist.get_entry(tx, tx.claim_ref)
        entry = await _new_entry(desk, tx, command)
        if await waitlist.anybody_waits(tx, command.campaign_id, command.contact_id):
            raise errors.waits_already()
        await failpoint("booking.waitlist.before_join")
        await waitlist.join(tx, entry)
        tx.refer(entry.entry_id)
    return entry


async def _new_entry(desk: Desk, tx: Tx, command: JoinWaitlist) -> Entry:
    grounds = await campaigns.grounds_to_book(
        tx, command.campaign_id, "", command.contact_id, sandbox=desk.db.sandbox
    )
    if grounds is None:
        raise errors.not_found("campaign", "campaign_id")
    grounds.required_contact_point()
    entry = Entry(
        entry_id=new_id("wai"),
        campaign_id=command.campaign_id,
        contact_id=command.contact_id,
        duration=command.duration,
        not_before=command.not_before,
        not_after=command.not_after,
        joined_at=grounds.now,
    )
    _require_room(entry)
    return entry


def _require_room(entry: Entry) -> None:
    if entry.not_after is None:
        return
    earliest = max(entry.not_before or entry.joined_at, entry.joined_at)
    if earliest + entry.duration > entry.not_after:
        raise errors.invalid("not_after", "leaves no room for the visit")


async def leave_waitlist(desk: Desk, entry_id: str) -> Entry:
    """The entry, LEFT; as it is when it is at its end already. What it was offered goes on to the next.

    Raises NotFound, NotAllowed, CHANGE_IN_PROGRESS while its offer is being booked.
    """
    tenant = caller().tenant
    async with desk.db.uow(tenant) as tx:
        entry = await waitlist.get_entry(tx, entry_id, lock=True)
        reach().require_campaign(entry.campaign_id)
        offer = await openings.of_entry(tx, entry_id)  # whoever accepts it locks the entry first
        if offer is not None and offer.claim_key is not None:
            raise errors.being_accepted()
        await failpoint("booking.waitlist.before_leave")
        await waitlist.set_entry(tx, entry_id, WaitlistState.LEFT)
        entry = await waitlist.get_entry(tx, entry_id)
    if offer is not None:
        await carry_on(desk, tenant, offer.opening_id)
    return entry


async def end_past_entries(desk: Desk) -> int:
    """Takes off the lists of all tenants, a bounded number a round, who waits for a time in which the visit
    can no longer begin; how many were found."""
    async with desk.db.worker() as tx:
        found = await waitlist.past(tx, _BATCH, sandbox=desk.db.sandbox)
    for tenant, entry_id in found:
        async with desk.db.uow(tenant) as tx:
            await waitlist.end(tx, entry_id)
    return len(found)


async def list_waitlist(desk: Desk, campaign_id: str, page_size: int, page_token: str) -> EntryPage:
    """One page of who waits. Raises NotFound, NotAllowed, InvalidInput naming `page_token`."""
    tenant = caller().tenant
    reach().require_campaign(campaign_id)
    shape = ("waitlist", campaign_id)
    after = instant_and_id(desk.page_tokens.read(tenant, shape, page_token)) or (waitlist.START_OF_TIME, "")
    size = page_size or DEFAULT_SIZE
    async with desk.db.uow(tenant) as tx:
        await campaigns.require(tx, campaign_id)
        found = await waitlist.waiting(tx, campaign_id, after, size + 1)
    return EntryPage(*desk.page_tokens.cut(tenant, shape, found, size, _position))


def _position(entry: Entry) -> Position:
    return entry.joined_at.isoformat(), entry.entry_id
