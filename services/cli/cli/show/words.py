"""Small texts: lengths of time, local times, drives."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cli import reading

Json = dict[str, Any]

SOURCES = {
    "TRAVEL_SOURCE_ESTIMATE": "~",
    "TRAVEL_SOURCE_ROAD": "",
    "TRAVEL_SOURCE_MATRIX": "m",
    "TRAVEL_SOURCE_NONE": "",
}
LEGEND = (
    "~ straight-line estimate, not roads   m the tenant's own matrix   * over a place that left the agenda"
)
GRADE_STYLES = {"IDEAL": "green", "OK": "yellow", "POOR": "red"}


def length(seconds: int) -> str:
    """ "45 min", "1 h 30", "50 s", "-1 min"."""
    sign, rest = ("-" if seconds < 0 else ""), abs(seconds)
    if rest < 60 and rest:
        return f"{sign}{rest} s"
    hours, minutes = divmod(round(rest / 60), 60)
    return f"{sign}{hours} h {minutes:02d}" if hours else f"{sign}{minutes} min"


def local(text: str, zone: str) -> datetime:
    """An instant of the gateway in a zone."""
    return reading.instant(text).astimezone(ZoneInfo(zone))


def day_of(moment: datetime) -> str:
    """ "Tue 01 Dec"."""
    return moment.strftime("%a %d %b")


def span(start: str, end: str, zone: str) -> str:
    """ "09:30-10:15", with "+1" where it ends on a later day."""
    first, last = local(start, zone), local(end, zone)
    later = (last.date() - first.date()).days
    return f"{first:%H:%M}-{last:%H:%M}" + (f" +{later}" if later else "")


def drive(leg: Json | None) -> str:
    """ "~12 min 3.4 km"; a dash when there is none."""
    if not leg:
        return "-"
    if leg.get("source") == "TRAVEL_SOURCE_NONE" or not reading.seconds(leg.get("travel")):
        return "none"
    flag = SOURCES.get(leg.get("source", ""), "?")
    star = "*" if leg.get("via") else ""
    return f"{flag}{length(reading.seconds(leg['travel']))} {int(leg['metres']) / 1000:.1f} km{star}"


def place(point: Json | None) -> str:
    """ "45.0703,7.6869"; empty when there is none."""
    return f"{point['latitude']:.4f},{point['longitude']:.4f}" if point else ""


def plain(enum: str, prefix: str) -> str:
    """The spoken form of an enum value: "to confirm"."""
    return enum.removeprefix(prefix).lower().replace("_", " ")
