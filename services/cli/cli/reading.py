"""What people type, read into values; each refusal names what was wrong and shows the right form."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from cli.errors import BadArgument
from kit.values.latlng import LatLng

Json = dict[str, Any]


class Mode(StrEnum):
    """How an agent travels."""

    CAR = "car"
    BICYCLE = "bicycle"
    FOOT = "foot"

    @property
    def wire(self) -> str:
        """As the API has it."""
        return f"TRAVEL_MODE_{self.name}"


class State(StrEnum):
    """The states of appointments that are listed."""

    TO_CONFIRM = "to-confirm"
    CONFIRMED = "confirmed"
    HELD = "held"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


def states(given: Sequence[State] | None) -> list[str]:
    """As the API has them."""
    return [f"APPOINTMENT_STATE_{each.name}" for each in dict.fromkeys(given or ())]


_PART = re.compile(r"(\d+)\s*(d|h|m|s)", re.ASCII)
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def duration(text: str, what: str = "--duration") -> timedelta:
    """ "45m", "1h30m", "2d", "90s"; a bare number is minutes. Raises BadArgument."""
    plain = text.strip().lower()
    if plain.isdecimal():
        return timedelta(minutes=int(plain))
    parts = _PART.findall(plain)
    if not parts or _PART.sub("", plain).strip():
        raise BadArgument(f"{what} {text!r} is no length of time", "write 45m, 1h30m, 2d or 90s")
    return timedelta(seconds=sum(int(count) * _UNITS[unit] for count, unit in parts))


def place(text: str, what: str = "--at") -> LatLng:
    """ "45.0703,7.6869": latitude, longitude. Raises BadArgument."""
    try:
        lat, lng = (float(part) for part in text.split(","))
        return LatLng(lat, lng)
    except ValueError as wrong:
        raise BadArgument(
            f"{what} {text!r} is no place ({wrong})", "write LAT,LNG as in 45.0703,7.6869"
        ) from wrong


def days(text: str, what: str = "--days") -> tuple[str, str]:
    """ "2026-12-01..2026-12-10" or one day; first and last as text. Raises BadArgument."""
    first, dots, last = text.partition("..")
    start = _day(first, what, text)
    end = _day(last, what, text) if dots else start
    if end < start:
        raise BadArgument(f"{what} {text!r} ends before it starts", "write the earlier day first")
    return start.isoformat(), end.isoformat()


def day(text: str, today: date, what: str = "day") -> date:
    """ "2026-12-01", "today", "tomorrow" or "+3". Raises BadArgument."""
    plain = text.strip().lower()
    named = {"today": 0, "tomorrow": 1}.get(plain)
    if named is not None:
        return today + timedelta(days=named)
    if re.fullmatch(r"\+\d{1,3}", plain):
        return today + timedelta(days=int(plain))
    return _day(plain, what, text)


def moment(text: str, zone: str, what: str = "--start") -> str:
    """ "2026-12-01T15:00" in `zone`, or with its own; answers RFC 3339 in UTC. Raises BadArgument."""
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError as wrong:
        raise BadArgument(f"{what} {text!r} is no moment", "write 2026-12-01T15:00") from wrong
    aware = read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))
    return rfc3339(aware)


def rfc3339(moment_: datetime) -> str:
    """UTC, whole seconds, "Z"."""
    return moment_.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str) -> datetime:
    """An instant of the gateway's JSON."""
    return datetime.fromisoformat(text)


def seconds(text: str | None) -> int:
    """A duration of the gateway's JSON ("720s"); 0 when it is absent."""
    return round(float(text.removesuffix("s"))) if text else 0


def one_of(
    found: list[dict[str, Any]], text: str, what: str, label: Callable[[dict[str, Any]], str]
) -> dict[str, Any]:
    """The only one found. Raises BadArgument for none or several."""
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadArgument(f"no {what} is called {text!r}", f"see giro {what}s list")
    names = ", ".join(label(each) for each in found[:5])
    raise BadArgument(
        f"{text!r} could be any of {len(found)} {what}s: {names}", "write more of the name, or the id"
    )


def _day(text: str, what: str, whole: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as wrong:
        advice = "write 2026-12-01 or 2026-12-01..2026-12-10"
        raise BadArgument(f"{what} {whole!r} is no day", advice) from wrong
