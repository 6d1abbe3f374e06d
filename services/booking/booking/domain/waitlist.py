"""The waiting list: who waits, what has become free, what is offered to whom (BK-43)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kit.values.window import Window


class WaitlistState(StrEnum):
    """How an entry stands; equal to giro.booking.v1.WaitlistState."""

    WAITING = "WAITING"
    OFFERED = "OFFERED"
    BOOKED = "BOOKED"
    LEFT = "LEFT"


class OfferState(StrEnum):
    """What became of an offer; PASSED: declined, expired, or it did not fit."""

    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    PASSED = "PASSED"


@dataclass(frozen=True, slots=True)
class Opening:
    """Time of an agent that has become free."""

    opening_id: str
    campaign_id: str
    agent_id: str
    window: Window


@dataclass(frozen=True, slots=True)
class Offer:
    """A part of an opening that is kept for one entry until it expires; `claim_key` is of who accepts it."""

    offer_id: str
    opening_id: str
    entry_id: str
    agent_id: str
    window: Window
    hold_id: str
    expires_at: datetime
    state: OfferState = OfferState.OFFERED
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
