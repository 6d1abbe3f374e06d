"""Pauses between two tries, and until when an offer may be accepted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from booking.domain.waitlist import (
    Entry,
    Offer,
    OfferState,
    WaitlistState,
    pause,
    require_acceptable,
)
from kit.errors import GiroError, Reason
from kit.values.window import Window

NOW = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)  # the clocks of Rome go forward a second later
HOUR = timedelta(hours=1)
OFFER = Offer(
    "off_1", "opn_1", "wai_1", "agt_1", Window(NOW + HOUR, NOW + 2 * HOUR), "hld_1", NOW, OfferState.OFFERED
)
ENTRY = Entry("wai_1", "cmp_1", "con_1", HOUR, None, None, NOW, WaitlistState.OFFERED)


@pytest.mark.parametrize(
    ("tries", "minutes"), [(-1, 0), (0, 0), (1, 1), (2, 2), (9, 256), (10, 360), (10_000, 360)]
)
def test_the_pause_doubles_up_to_six_hours(tries: int, minutes: int) -> None:
    assert pause(tries) == timedelta(minutes=minutes)


def test_an_offer_may_be_accepted_until_the_instant_of_its_expiry() -> None:
    require_acceptable(OFFER, ENTRY, NOW - timedelta(microseconds=1))
    assert refusal(OFFER, ENTRY, NOW) is Reason.HOLD_EXPIRED


@pytest.mark.parametrize("state", list(OfferState))
def test_only_one_that_stands_may_be_accepted(state: OfferState) -> None:
    before = NOW - timedelta(seconds=1)
    for claim_key in (None, "req:1"):
        offer = replace(OFFER, state=state, claim_key=claim_key)
        if state is OfferState.OFFERED and claim_key is None:
            require_acceptable(offer, ENTRY, before)
            continue
        taken = claim_key is not None and state in {OfferState.OFFERED, OfferState.ACCEPTED}
        expected = Reason.ALREADY_EXISTS if taken else Reason.HOLD_EXPIRED
        assert refusal(offer, ENTRY, before) is expected


@pytest.mark.parametrize("state", [WaitlistState.WAITING, WaitlistState.BOOKED, WaitlistState.LEFT])
def test_nobody_accepts_who_has_left(state: WaitlistState) -> None:
    assert refusal(OFFER, replace(ENTRY, state=state), NOW - HOUR) is Reason.HOLD_EXPIRED


def refusal(offer: Offer, entry: Entry, now: datetime) -> Reason:
    with pytest.raises(GiroError) as error:
        require_acceptable(offer, entry, now)
    return error.value.reason
