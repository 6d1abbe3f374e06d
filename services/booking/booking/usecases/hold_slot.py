"""Keeps a suggested slot while the customer is on the line (BK-37)."""

from dataclasses import dataclass
from datetime import timedelta

from booking.domain import errors, veil
from booking.domain.decision import Decision, SlotSource
from booking.domain.grounds import Grounds
from booking.domain.itinerary import Hold
from booking.domain.parameters import LEAD_TIME, SLOT_TOKEN_TTL
from booking.domain.policies import require_allowed
from booking.domain.refusal import Refusal
from booking.domain.slot_token import SuggestedSlot
from booking.storage import answers, campaigns
from booking.usecases import record
from booking.usecases.desk import Desk
from booking.usecases.ports import REFUSALS, NewHold
from booking.usecases.reach import reach
from booking.usecases.telling import told
from kit.db.claims import Claim
from kit.errors import GiroError
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.ids import new_id


@dataclass(frozen=True, slots=True)
class HoldSlot:
    """The slot's token; `ttl` None: as the parameter `hold_ttl` says."""

    slot_token: str
    ttl: timedelta | None
    claim: Claim


async def hold_slot(desk: Desk, command: HoldSlot) -> Hold:
    """The hold; the same again for the same claim, also when its time is up or the slot was refused.

    Raises SLOT_TOKEN_INVALID, SLOT_TOKEN_EXPIRED, SLOT_TOKEN_STALE, LEAD_TIME, PACKAGE_FULL,
    AGENT_NOT_IN_CAMPAIGN, and the ledger's refusals (SLOT_TAKEN, TRAVEL_IN, …). A hold whose outcome is not
    known ends by itself.
    """
    slot = desk.suggested(command.slot_token)
    if isinstance(slot, SuggestedSlot):
        reach().require_campaign(slot.campaign_id)
    known = slot if isinstance(slot, SuggestedSlot) else None
    campaign_id, hidden = ("", False) if known is None else (known.campaign_id, known.hidden)
    try:
        begun = await _begin(desk, command, slot)
        return begun if isinstance(begun, Hold) else await _hold(desk, command, begun)
    except GiroError as refusal:
        raise told(refusal, campaign_id, hidden=hidden) from None


async def _hold(desk: Desk, command: HoldSlot, begun: NewHold) -> Hold:
    await failpoint("booking.hold.after_pending")
    try:
        held = await desk.ledger.hold(caller().tenant, begun)
    except REFUSALS as refusal:
        await _answer(desk, command, Refusal.of(told(refusal, begun.campaign_id, hidden=begun.hidden)))
        raise
    await failpoint("booking.hold.after_reserve")
    shown = veil.hold(held) if begun.hidden else held
    await _answer(desk, command, shown)
    await failpoint("booking.hold.after_commit")
    return shown


async def _answer(desk: Desk, command: HoldSlot, answer: Hold | Refusal) -> None:
    async with desk.db.uow(caller().tenant) as tx:
        await tx.answer_claim(command.claim.key, answers.from_hold(answer))
        await failpoint("booking.hold.before_commit")


async def _begin(desk: Desk, command: HoldSlot, slot: SuggestedSlot | GiroError) -> NewHold | Hold:
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.first_answer is not None:
            return answers.hold(tx.first_answer)
        if isinstance(slot, GiroError):
            raise slot
        grounds = await campaigns.grounds_to_book(
            tx, slot.campaign_id, slot.agent_id, "", sandbox=desk.db.sandbox
        )
        if grounds is None:
            raise errors.not_found("campaign", "slot_token")
        await failpoint("booking.hold.before_decide")
        hold_id = tx.claim_ref or new_id("hld")
        new = _decide(command, slot, grounds, hold_id)
        if not tx.duplicate:
            tx.refer(hold_id)
            await record.note(tx, hold_id, _decision(slot, grounds))
    return new


def _decision(slot: SuggestedSlot, grounds: Grounds) -> Decision:
    """What the hold is decided upon: a booking with it is explained by what was offered here."""
    counts, source = grounds.parameters, SlotSource.SUGGESTION
    asked = (LEAD_TIME, SLOT_TOKEN_TTL)
    return record.by_policy(
        record.who(), counts, asked, grounds.campaign, slot_source=source, shown=slot.shown
    )


def _decide(command: HoldSlot, slot: SuggestedSlot, grounds: Grounds, hold_id: str) -> NewHold:
    now = grounds.now
    slot.require_fresh(now, grounds.parameters.slot_token_ttl)
    require_allowed(now, slot.window.start, grounds.terms)
    return NewHold(
        hold_id=hold_id,
        campaign_id=slot.campaign_id,
        caller_id=caller().subject,
        plan=grounds.plan(slot.agent_id, slot.window, slot.point, slot.postcode),
        ttl=command.ttl or grounds.parameters.hold_ttl,
        hidden=slot.hidden,
        certificate=slot.certified(grounds.parameters.slot_token_ttl),
    )
