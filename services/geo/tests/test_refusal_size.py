"""A refusal that names stops reaches its caller however many they are: clients drop statuses over 8 KiB."""

from geo.domain import errors
from kit.rpc import status

_SOFT_LIMIT = 8192


def test_a_calendar_in_use_by_many_visits_is_told() -> None:
    ids = [f"apt_{number:032x}" for number in range(300)]
    error = errors.calendar_in_use(ids)
    assert len(error.message) + len(status.details_of(error)) * 4 / 3 < _SOFT_LIMIT / 2
    assert error.metadata["stop_ids"].split(",") == ids[:20]
