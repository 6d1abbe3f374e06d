"""Flexible promises on the days that clocks change, and on the edges of weeks."""

from datetime import UTC, datetime, timedelta

import pytest

from booking.domain.promise import PromiseKind, of_visit, promised
from kit.errors import InvalidInput
from kit.values.window import Window

ROME = "Europe/Rome"
HALF = timedelta(minutes=30)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "start", "first", "after"),
    [
        (PromiseKind.DAY, "2027-03-28T10:00", "2027-03-27T23:00", "2027-03-28T22:00"),
        (PromiseKind.DAY, "2027-10-31T10:00", "2027-10-30T22:00", "2027-10-31T23:00"),
        (PromiseKind.DAY, "2027-03-27T22:59", "2027-03-26T23:00", "2027-03-27T23:00"),
        (PromiseKind.DAY, "2027-03-27T23:00", "2027-03-27T23:00", "2027-03-28T22:00"),
        # Sunday 28 March ends the week, Monday 29 begins the next
        (PromiseKind.WEEK, "2027-03-28T21:59", "2027-03-21T23:00", "2027-03-28T22:00"),
        (PromiseKind.WEEK, "2027-03-28T22:00", "2027-03-28T22:00", "2027-04-04T22:00"),
        (PromiseKind.WEEK, "2027-10-25T10:00", "2027-10-24T22:00", "2027-10-31T23:00"),
        (PromiseKind.WEEK, "2027-01-01T10:00", "2026-12-27T23:00", "2027-01-03T23:00"),
    ],
)
def test_the_day_or_week_of_a_start(kind: PromiseKind, start: str, first: str, after: str) -> None:
    found = promised(kind, utc(start), ROME)
    assert (found.window.start, found.window.end) == (utc(first), utc(after))
    last = found.window.end - HALF
    assert found.keeps(Window(found.window.start, found.window.start + HALF))
    assert found.keeps(Window(last, found.window.end))
    second = timedelta(seconds=1)
    assert not found.keeps(Window(found.window.start - second, last))
    assert not found.keeps(Window(last + second, found.window.end + second))


def test_somebody_who_moves_the_visit_out_of_it_promises_anew() -> None:
    day = promised(PromiseKind.DAY, utc("2027-03-28T10:00"), ROME)
    assert day.around(utc("2027-03-28T21:59")) is day
    assert day.around(utc("2027-03-28T22:00")) == promised(PromiseKind.DAY, utc("2027-03-29T10:00"), ROME)


def test_a_visit_over_midnight_lies_in_no_day_but_in_a_week() -> None:
    over = Window(utc("2027-03-24T22:45"), utc("2027-03-24T23:15"))
    with pytest.raises(InvalidInput) as refused:
        of_visit(PromiseKind.DAY, over, ROME)
    assert [one.field for one in refused.value.violations] == ["promise"]
    assert of_visit(PromiseKind.WEEK, over, ROME).keeps(over)
