"""The day on which an appointment is confirmed: the one before, by the zone's calendar (R-007)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from booking.domain.confirmation_day import confirmed_on

ROME = ZoneInfo("Europe/Rome")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("day", "start", "hours"),
    [
        (date(2026, 11, 22), datetime(2026, 11, 22, 23, tzinfo=UTC), 24),
        (date(2027, 3, 27), datetime(2027, 3, 27, 23, tzinfo=UTC), 23),  # the clocks go forward
        (date(2027, 10, 30), datetime(2027, 10, 30, 22, tzinfo=UTC), 25),  # and back
    ],
)
def test_the_next_calendar_day(day: date, start: datetime, hours: int) -> None:
    window = confirmed_on(day, ROME, working_days=False)
    assert window is not None
    assert (window.start, window.duration) == (start, hours * HOUR)


@pytest.mark.parametrize(
    ("day", "days"),
    [
        (date(2026, 11, 19), ["2026-11-20"]),
        (date(2026, 11, 20), ["2026-11-21", "2026-11-22", "2026-11-23"]),  # Friday: to Monday
        (date(2026, 11, 21), []),
        (date(2026, 11, 22), []),
        (date(2026, 11, 23), ["2026-11-24"]),
    ],
)
def test_the_working_day_before(day: date, days: list[str]) -> None:
    window = confirmed_on(day, ROME, working_days=True)
    covered = []
    if window is not None:
        at = window.start
        while at < window.end:
            covered.append(at.astimezone(ROME).date().isoformat())
            at += 24 * HOUR
    assert covered == days


def test_every_visit_is_confirmed_on_exactly_one_working_day() -> None:
    first = date(2027, 3, 20)
    for n in range(21):
        start = datetime(2027, 3, 24, 12, tzinfo=UTC) + timedelta(days=n % 14)
        days = [first + timedelta(days=k) for k in range(25)]
        windows = [confirmed_on(day, ROME, working_days=True) for day in days]
        assert sum(window is not None and window.contains(start) for window in windows) == 1


def test_a_day_that_the_zone_left_out_has_nothing_to_confirm() -> None:
    apia = ZoneInfo("Pacific/Apia")
    assert confirmed_on(date(2011, 12, 29), apia, working_days=False) is None
    assert confirmed_on(date(2011, 12, 29), apia, working_days=True) is None
    after = confirmed_on(date(2011, 12, 30), apia, working_days=False)
    assert after is not None
    assert after.start == datetime(2011, 12, 30, 10, tzinfo=UTC)
