"""Lead time on its boundary, across both DST changes; the package; postponing (R-009 to R-011, R-136)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.appointment import Appointment, State
from booking.domain.package import Package
from booking.domain.policies import (
    Terms,
    earliest_start,
    refusals,
    require_postponable,
    require_reassignable,
)
from kit.errors import GiroError, Reason
from kit.values.latlng import LatLng
from kit.values.window import Window

ROME = ZoneInfo("Europe/Rome")
LEAD = timedelta(hours=36)
SECOND = timedelta(seconds=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = Terms(Package(10), LEAD)


def reasons(now: datetime, start: datetime, terms: Terms = OPEN) -> list[Reason]:
    return [refusal.reason for refusal in refusals(now, start, terms)]


# In Rome 2027-03-28 has 23 hours and 2027-10-31 has 25: 36 elapsed hours before noon are not 36 on the wall.
@pytest.mark.parametrize(
    ("start", "boundary"),
    [
        (datetime(2027, 3, 28, 12, tzinfo=ROME), datetime(2027, 3, 26, 23, tzinfo=ROME)),
        (datetime(2027, 3, 29, 1, tzinfo=ROME), datetime(2027, 3, 27, 12, tzinfo=ROME)),
        (datetime(2027, 3, 29, 12, tzinfo=ROME), datetime(2027, 3, 27, 23, tzinfo=ROME)),
        (datetime(2027, 10, 31, 12, tzinfo=ROME), datetime(2027, 10, 30, 1, tzinfo=ROME)),
        (datetime(2027, 11, 1, 1, tzinfo=ROME), datetime(2027, 10, 30, 14, tzinfo=ROME)),
        (datetime(2027, 11, 1, 12, tzinfo=ROME), datetime(2027, 10, 31, 1, tzinfo=ROME)),
        (datetime(2027, 6, 10, 12, tzinfo=ROME), datetime(2027, 6, 9, 0, tzinfo=ROME)),
    ],
)
def test_refused_from_36_elapsed_hours_on(start: datetime, boundary: datetime) -> None:
    start, boundary = start.astimezone(UTC), boundary.astimezone(UTC)
    assert reasons(boundary - SECOND, start) == []
    assert reasons(boundary, start) == [Reason.LEAD_TIME]
    assert reasons(boundary + SECOND, start) == [Reason.LEAD_TIME]


def test_the_worked_example_of_r_010() -> None:
    start = datetime(2026, 10, 2, 12, tzinfo=ROME)
    assert reasons(datetime(2026, 9, 30, 23, 59, 59, tzinfo=ROME), start) == []
    assert reasons(datetime(2026, 10, 1, 0, 0, 0, tzinfo=ROME), start) == [Reason.LEAD_TIME]


@given(
    now=st.integers(0, 10**14).map(lambda micros: START + timedelta(microseconds=micros)),
    lead=st.integers(0, 60 * 86_400).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_the_earliest_start_is_the_first_that_is_not_refused(now: datetime, lead: timedelta) -> None:
    earliest = earliest_start(now, lead)
    terms = Terms(Package(1), lead)
    assert earliest.microsecond == 0
    assert refusals(now, earliest, terms) == ()
    assert [r.reason for r in refusals(now, earliest - SECOND, terms)] == [Reason.LEAD_TIME]


def test_lead_time_says_how_much_and_from_when() -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    (refusal,) = refusals(now, now, OPEN)
    assert refusal.metadata == {
        "lead_seconds": "129600",
        "earliest_start": "2027-01-02T12:00:01+00:00",
        "short_seconds": "129601",
    }
    late = now + timedelta(microseconds=1)
    (refusal,) = refusals(late, late.replace(microsecond=0) + LEAD, OPEN)
    assert refusal.metadata["short_seconds"] == "1"


def test_a_full_package_refuses_net_and_cancelled_together() -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)
    start = now + timedelta(days=3)
    assert reasons(now, start, Terms(Package(3, taken=1, cancelled_in_step=1), LEAD)) == []
    (full,) = refusals(now, start, Terms(Package(3, taken=2, cancelled_in_step=1), LEAD))
    assert full.reason is Reason.PACKAGE_FULL
    assert full.metadata == {"purchased": "3", "taken": "2", "cancelled_in_step": "1"}
    assert reasons(now, start, Terms(Package(0), LEAD)) == [Reason.PACKAGE_FULL]


def appointment_at(start: datetime) -> Appointment:
    window = Window(start, start + timedelta(hours=1))
    place = LatLng(45.0, 9.0)
    return Appointment(
        "apt_1", "cmp_1", "cnt_1", "agt_1", window, place, State.CONFIRMED, 1, "", "", start, start
    )


@pytest.mark.parametrize(("offset", "reason"), [(-1, Reason.NOT_LATER), (0, Reason.NOT_LATER), (1, None)])
def test_postponing_means_a_later_start(offset: int, reason: Reason | None) -> None:
    start = datetime(2027, 1, 5, tzinfo=UTC)
    found = postponing(start - timedelta(hours=1), start, start + timedelta(seconds=offset), None)
    assert (found and found.reason) == reason
    if found is not None:
        assert [violation.field for violation in found.violations] == ["start"]


def test_postponing_obeys_the_lead_time_only_where_the_tenant_wants_it() -> None:
    start = datetime(2027, 1, 5, tzinfo=UTC)
    later = start + timedelta(hours=2)
    one_hour_before = start - timedelta(hours=1)
    assert postponing(one_hour_before, start, later, None) is None
    refused = postponing(one_hour_before, start, later, LEAD)
    assert refused is not None
    assert refused.reason is Reason.LEAD_TIME
    assert postponing(later - LEAD, start, later, LEAD) is not None
    assert postponing(later - LEAD - SECOND, start, later, LEAD) is None


def postponing(now: datetime, start: datetime, to: datetime, lead: timedelta | None) -> GiroError | None:
    try:
        require_postponable(now, appointment_at(start), to, lead)
    except GiroError as refused:
        return refused
    return None


def reassigning(now: datetime, to: datetime, postponed: timedelta | None = None) -> Reason | None:
    try:
        require_reassignable(now, appointment_at(START), to, (LEAD, postponed))
    except GiroError as refused:
        return refused.reason
    return None


def test_reassigning_at_the_present_start_is_free_at_any_moment() -> None:
    """R-011: nothing is postponed or made anew, so no lead time counts, not even a second before."""
    assert reassigning(START - SECOND, START) is None
    assert reassigning(START - SECOND, START, LEAD) is None


def test_reassigning_to_an_earlier_start_is_judged_as_a_new_appointment() -> None:
    """R-009: the boundary itself is refused."""
    earlier = START - timedelta(hours=2)
    assert reassigning(earlier - LEAD - SECOND, earlier) is None
    assert reassigning(earlier - LEAD, earlier) is Reason.LEAD_TIME


def test_reassigning_to_a_later_start_is_judged_as_a_postponement() -> None:
    """R-011: exempt unless the tenant wants otherwise; never into the past."""
    later = START + timedelta(hours=2)
    assert reassigning(later - SECOND, later) is None
    assert reassigning(later, later) is Reason.LEAD_TIME
    assert reassigning(later - LEAD - SECOND, later, LEAD) is None
    assert reassigning(later - LEAD, later, LEAD) is Reason.LEAD_TIME


def test_nothing_is_postponed_into_the_past() -> None:
    """The new start has to be ahead, lead time or not."""
    later = START + timedelta(hours=2)
    assert postponing(later - SECOND, START, later, None) is None
    refused = postponing(later, START, later, None)
    assert refused is not None
    assert refused.reason is Reason.LEAD_TIME
