"""The waiting list: who waits, what has become free, what is offered to whom (BK-43)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from booking.domain import errors
from kit.values.window import Window

LEASE: Final = timedelta(seconds=30)
"""How long whoever prepares an offer has it to himself; after that he counts as dead."""

_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=6)


def pause(tries: int) -> timedelta:
    """How long a person is not tried again for an opening, after so many tries in which no visit fitted in.

    None after no try; then a minute, doubled with each, six hours at most: what was in the way may pass, as
    a hold does within minutes, and may not.
    """
    if tries < 1:
        return timedelta()
    return min(_FIRST_PAUSE * (1 << min(tries - 1, 10)), _LONGEST_PAUSE)


class WaitlistState(StrEnum):
    """How an entry stands; equal to giro.booking.v1.WaitlistState.

    BOOKED: took an offer, or got a visit in the campaign in another way. LEFT: taken off, or what was waited
    for can no longer come.
    """

    WAITING = "WAITING"
    OFFERED = "OFFERED"
    BOOKED = "BOOKED"
    LEFT = "LEFT"

    @property
    def ended(self) -> bool:
        """Whether nothing more is offered."""
        return self in {WaitlistState.BOOKED, WaitlistState.LEFT}


class OfferState(StrEnum):
    """What becomes of an offer.

    HOLDING: the ledger is being asked. OFFERED: the person may accept. ACCEPTED: an appointment. PASSED:
    declined, expired, left, or booked otherwise, for good. UNFIT: the visit did not fit in; REFUSED: the
    ledger or a policy refused whoever accepted. Both may pass, so the person is tried again after a pause.
    """

    HOLDING = "HOLDING"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    PASSED = "PASSED"
    UNFIT = "UNFIT"
    REFUSED = "REFUSED"

    @property
    def ended(self) -> bool:
        """Whether nothing more will become of it; its hold may still have to be freed."""
        return self not in {OfferState.HOLDING, OfferState.OFFERED}


@dataclass(frozen=True, slots=True)
class Opening:
    """Time of an agent that has become free."""

    opening_id: str
    campaign_id: str
    agent_id: str
    window: Window


@dataclass(frozen=True, slots=True)
class Offer:
    """A part of an opening that is kept for one entry.

    `hold_id` is chosen before the ledger is asked; while `held`, the ledger may still keep it, and the
    opening is not offered again. `expires_at`: of a HOLDING one the lease, of an OFFERED one the expiry, of
    one that is tried again the end of the pause. `tries` counts how often the person was tried for this
    opening. `claim_key` is of the booking that accepts it.
    """

    offer_id: str
    opening_id: str
    entry_id: str
    agent_id: str
    window: Window
    hold_id: str
    expires_at: datetime
    state: OfferState = OfferState.HOLDING
    tries: int = 1
    held: bool = True
    claim_key: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A person who waits for a visit of this length, within these bounds where there are any."""

    entry_id: str
    campaign_id: str
    contact_id: str
    duration: timedelta
    not_before: datetime | None
    not_after: datetime | None
    joined_at: datetime
    state: WaitlistState = WaitlistState.WAITING
    offer: Offer | None = None

    def within(self, window: Window) -> Window | None:
        """The part of a window that suits the person; None when the visit has no room in it."""
        start = max(window.start, self.not_before or window.start)
        end = min(window.end, self.not_after or window.end)
        return Window(start, end) if start + self.duration <= end else None


def require_acceptable(offer: Offer, entry: Entry, now: datetime) -> None:
    """Raises ALREADY_EXISTS once somebody accepts it, HOLD_EXPIRED from its expiry or end on."""
    if offer.claim_key is not None and offer.state in {OfferState.OFFERED, OfferState.ACCEPTED}:
        raise errors.offer_taken()
    stands = offer.state is OfferState.OFFERED and entry.state is WaitlistState.OFFERED
    if not stands or now >= offer.expires_at:
        raise errors.offer_expired()
