"""A customer's campaign."""

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from booking.domain import errors
from booking.domain.package import Level, Package


@dataclass(frozen=True, slots=True)
class Campaign:
    """Who works for it, what its visits need, and its package. `buffer` is kept before each visit.

    `level` is what was told last of how full the package is.
    """

    campaign_id: str
    display_name: str
    package: Package
    skills: tuple[str, ...]
    time_zone: str
    buffer: timedelta
    agent_ids: tuple[str, ...] = ()
    level: Level = Level.OPEN


def zone(name: str) -> ZoneInfo:
    """The IANA zone of this name. Raises InvalidInput naming `time_zone`."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown (ZoneInfoNotFoundError), a bad path, a folder
        raise errors.invalid("time_zone", "is no IANA time zone") from None
