"""When a day is full, and what is left of a span then."""

import pytest

from geo.domain.quotas import Quota, pieces


@pytest.mark.parametrize(
    ("most", "percent", "limit"), [(8, 100, 8), (8, 80, 7), (8, 75, 6), (8, 1, 1), (1, 50, 1), (3, 34, 2)]
)
def test_a_day_is_full_once_the_share_is_reached(most: int, percent: int, limit: int) -> None:
    assert Quota(most, percent).limit == limit
    assert (limit - 1) * 100 < most * percent <= limit * 100


def test_spans_are_cut_at_full_days() -> None:
    assert list(pieces((0, 10), [])) == [((0, 10), False)]
    assert list(pieces((0, 10), [(2, 4), (4, 5), (9, 20)])) == [
        ((0, 2), False),
        ((2, 4), True),
        ((4, 5), True),
        ((5, 9), False),
        ((9, 10), True),
    ]
    assert list(pieces((3, 4), [(2, 4), (4, 9)])) == [((3, 4), True)]
