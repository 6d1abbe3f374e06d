"""What an agent's calendar shows, and the secret in the address that it is read under (R-080)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from booking.domain import errors
from booking.domain.appointment import Appointment
from kit.values.days import days_window
from kit.values.window import Window

MOST_VISITS = 2000
"""Visits of one calendar that is asked for."""
MOST_FED = 5000
"""Visits of one calendar that programs read under its address."""

_BACK = timedelta(days=30)
_AHEAD = timedelta(days=180)
_MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class CalendarVisit:
    """One visit with who is visited and where."""

    appointment: Appointment
    contact_name: str
    address: str
    phone: str
    campaign_name: str


@dataclass(frozen=True, slots=True)
class Drive:
    """The drive to a visit: from leaving until its start, buffer included."""

    appointment_id: str
    window: Window


@dataclass(frozen=True, slots=True)
class ToldDrive:
    """A drive as calendar programs were told it last: how often it changed, when, and whether it is off."""

    drive: Drive
    sequence: int
    changed_at: datetime
    is_off: bool = False


def retell(
    told: Mapping[str, ToldDrive], drives: Sequence[Drive], on: Mapping[str, datetime], now: datetime
) -> list[ToldDrive]:
    """What is to be told now, by start: the drives of the ledger, and what became of those told before.

    A drive that changed has the next number. One that the ledger no longer tells is off, but for one that is
    over while its visit is still on at the same start: it was driven. `told` is by appointment; `on` are the
    starts of the agent's visits that were not cancelled.
    """
    found = {drive.appointment_id: drive for drive in drives}
    kept = [_again(told.get(drive.appointment_id), drive, now) for drive in drives]
    gone = [_gone(each, on, now) for ident, each in told.items() if ident not in found]
    return sorted([*kept, *gone], key=lambda each: (each.drive.window.start, each.drive.appointment_id))


def _again(told: ToldDrive | None, drive: Drive, now: datetime) -> ToldDrive:
    if told is None:
        return ToldDrive(drive, 0, now)
    if told.drive == drive and not told.is_off:
        return told
    return ToldDrive(drive, told.sequence + 1, now)


def _gone(told: ToldDrive, on: Mapping[str, datetime], now: datetime) -> ToldDrive:
    ended = told.drive.window.end
    was_driven = ended <= now and on.get(told.drive.appointment_id) == ended
    if told.is_off or was_driven:
        return told
    return replace(told, sequence=told.sequence + 1, changed_at=now, is_off=True)


@dataclass(frozen=True, slots=True)
class Feed:
    """An address that an agent's calendar is read under; the secret itself is nowhere kept."""

    agent_id: str
    digest: bytes
    time_zone: str
    created_by: str
    created_at: datetime


def calendar_window(first: date | None, last: date | None, now: datetime, zone: ZoneInfo) -> Window:
    """Whole days of the zone: from 30 days ago for 180 days unless told. Raises InvalidInput naming a day."""
    from_day = first or (now - _BACK).astimezone(zone).date()
    to_day = last or from_day + _AHEAD
    if to_day < from_day:
        raise errors.invalid("last_day", "must not be before first_day")
    if (to_day - from_day).days > _MOST_DAYS:
        raise errors.invalid("last_day", f"must be at most {_MOST_DAYS} days after first_day")
    return days_window(from_day, to_day, zone, "first_day")


class FeedSecrets:
    """Makes the secrets of addresses: each from its id, and nobody's guess without the key."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"giro calendar feed", "sha256")

    def make(self, tenant: str, agent_id: str, feed_id: str) -> str:
        """43 letters, digits, - and _."""
        text = "\0".join((tenant, agent_id, feed_id)).encode()
        return base64.urlsafe_b64encode(hmac.digest(self._key, text, "sha256")).rstrip(b"=").decode()


def digest_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()
