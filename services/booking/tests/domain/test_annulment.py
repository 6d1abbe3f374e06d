"""The signed deadline of annulment claims: the end of a calendar day, both clock changes included."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.annulment import AnnulmentReason, closes_at, require_claimable
from kit.errors import GiroError, Reason

ROME = ZoneInfo("Europe/Rome")
SECOND = timedelta(seconds=1)


def rome(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ROME).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "days", "last"),
    [
        ("2026-11-24 15:00", 2, "2026-11-26 23:59:59"),
        ("2026-11-24 15:00", -2, "2026-11-22 23:59:59"),
        ("2026-11-24 15:00", 0, "2026-11-24 23:59:59"),
        ("2026-11-24 00:00", 2, "2026-11-26 23:59:59"),
        ("2026-11-24 23:59", 2, "2026-11-26 23:59:59"),
        ("2027-03-27 15:00", 2, "2027-03-29 23:59:59"),  # over the change forward
        ("2027-03-29 15:00", -2, "2027-03-27 23:59:59"),
        ("2027-03-26 15:00", 2, "2027-03-28 23:59:59"),  # ends on the day of 23 hours
        ("2027-10-30 15:00", 2, "2027-11-01 23:59:59"),  # over the change back
        ("2027-11-01 15:00", -2, "2027-10-30 23:59:59"),
        ("2027-10-29 15:00", 2, "2027-10-31 23:59:59"),  # ends on the day of 25 hours
    ],
)
def test_the_last_second_is_taken_and_the_next_is_late(start: str, days: int, last: str) -> None:
    closed_from = closes_at(rome(start), days, ROME)
    last_second = rome(last)
    require_claimable(last_second, closed_from, AnnulmentReason.NOT_HELD, contacted=False)
    require_claimable(
        last_second + SECOND - timedelta(microseconds=1),
        closed_from,
        AnnulmentReason.NOT_HELD,
        contacted=False,
    )
    with pytest.raises(GiroError) as refused:
        require_claimable(last_second + SECOND, closed_from, AnnulmentReason.NOT_HELD, contacted=False)
    assert (refused.value.reason, refused.value.metadata) == (
        Reason.TOO_LATE,
        {"closed_from": (last_second + SECOND).isoformat()},
    )


@given(st.integers(0, 63_000_000), st.integers(-60, 60))
def test_the_deadline_is_a_midnight_so_many_days_away(seconds: int, days: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    closed_from = closes_at(start, days, ROME).astimezone(ROME)
    assert (closed_from.hour, closed_from.minute, closed_from.second) == (0, 0, 0)
    assert closed_from.date() - start.astimezone(ROME).date() == timedelta(days=days + 1)


def test_disowning_alone_is_refused_after_a_contact() -> None:
    closed_from = closes_at(rome("2026-11-24 15:00"), 2, ROME)
    for reason in AnnulmentReason:
        if reason is AnnulmentReason.DISOWNED:
            with pytest.raises(GiroError) as refused:
                require_claimable(rome("2026-11-24 15:00"), closed_from, reason, contacted=True)
            assert refused.value.reason is Reason.AGENT_CONTACTED
        else:
            require_claimable(rome("2026-11-24 15:00"), closed_from, reason, contacted=True)


def test_not_having_seen_it_is_no_reason() -> None:
    assert "NOT_SEEN" not in list(AnnulmentReason)


def test_a_deadline_on_a_day_that_the_zone_left_out_is_the_end_of_the_day_before() -> None:
    start = datetime(2011, 12, 29, 12, tzinfo=UTC)  # the 29th in Apia, at 02:00
    assert closes_at(start, 1, ZoneInfo("Pacific/Apia")) == datetime(2011, 12, 30, 10, tzinfo=UTC)
