"""Ten failures in a quarter of an hour, and the address waits."""

from datetime import UTC, datetime, timedelta

import pytest

from identity.domain.throttle import Failures, Throttle
from kit.errors import Exhausted

THROTTLE = Throttle(10, timedelta(minutes=15))
BEGAN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def test_the_ninth_failure_still_lets_one_try() -> None:
    THROTTLE.check(None, BEGAN)
    THROTTLE.check(Failures(9, BEGAN), BEGAN)


def test_after_the_tenth_the_address_waits_until_the_window_ends() -> None:
    last_second = BEGAN + timedelta(minutes=14, seconds=59, microseconds=1)
    with pytest.raises(Exhausted) as refused:
        THROTTLE.check(Failures(10, BEGAN), last_second)
    assert refused.value.metadata == {"retry_after_seconds": "1"}
    THROTTLE.check(Failures(10, BEGAN), BEGAN + timedelta(minutes=15))
