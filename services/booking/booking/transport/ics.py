"""Calendars as iCalendar (RFC 5545, with REFRESH-INTERVAL of RFC 7986).

A visit keeps its UID for good and its SEQUENCE grows with each change, so that a calendar program replaces
what it has; what was cancelled is sent as CANCELLED, not left out. It is a snapshot and no message of
scheduling: it has no METHOD (PUBLISH would ask for an ORGANIZER in each event, RFC 5546 3.2.1), so that a
DTSTAMP is when its event was last revised, and a calendar that did not change is the same bytes.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from icalendar import Timezone

from booking.domain.agent_calendar import CalendarVisit, ToldDrive
from booking.domain.appointment import State
from booking.usecases.agent_calendar import AgentCalendar

CONTENT_TYPE: Final = "text/calendar"

_OCTETS: Final = 75
"""Longest line, without its end."""
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_ESCAPED: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_NOT_ALL: Final = "Not all visits are here: there are too many, and the latest are left out."

_STATUS: Final = {
    State.TO_CONFIRM: "TENTATIVE",
    State.CONFIRMED: "CONFIRMED",
    State.HELD: "CONFIRMED",
    State.CANCELLED: "CANCELLED",
    State.SUPERSEDED: "CANCELLED",
}


def to_ics(found: AgentCalendar) -> bytes:
    """The file. Takes a tenth of a second for thousands of visits: not for an event loop."""
    return b"".join(_folded(line) for line in _lines(found))


def _lines(found: AgentCalendar) -> Iterator[str]:
    yield "BEGIN:VCALENDAR"
    yield "PRODID:-//Giro//Agent calendar//EN"
    yield "VERSION:2.0"
    yield "CALSCALE:GREGORIAN"
    yield "REFRESH-INTERVAL;VALUE=DURATION:PT15M"
    if found.truncated:
        yield f"DESCRIPTION:{_text(_NOT_ALL)}"
        yield f"X-WR-CALDESC:{_text(_NOT_ALL)}"
    if not (found.visits or found.drives):
        yield from _zone(found.zone)
    for visit in found.visits:
        yield from _visit(visit)
    for told in found.drives:
        yield from _drive(told)
    yield "END:VCALENDAR"


@lru_cache(maxsize=64)
def _zone(name: str) -> list[str]:
    """A calendar has at least one part (RFC 5545 3.4); where there is no event, it is the agent's zone."""
    zone = Timezone.from_tzid(name)
    zone.pop("comment", None)  # the library's own, which a VTIMEZONE may not have (RFC 5545 3.6.5)
    lines: str = zone.to_ical().decode()
    return lines.replace("\r\n ", "").splitlines()


def _visit(visit: CalendarVisit) -> Iterator[str]:
    appointment, status = visit.appointment, _STATUS[visit.appointment.state]
    yield "BEGIN:VEVENT"
    yield f"UID:{appointment.appointment_id}@giro"
    yield f"CREATED:{_instant(appointment.created_at)}"
    yield from _revision(appointment.version - 1, appointment.updated_at)
    yield f"DTSTART:{_instant(appointment.window.start)}"
    yield f"DTEND:{_instant(appointment.window.end)}"
    yield from _busy(status)
    yield f"SUMMARY:{_text(f'{visit.contact_name} ({visit.campaign_name})')}"
    if place := _text(visit.address).strip():
        yield f"LOCATION:{place}"
    yield f"GEO:{appointment.point.lat:.6f};{appointment.point.lng:.6f}"
    yield f"DESCRIPTION:{_description(visit)}"
    yield "END:VEVENT"


def _description(visit: CalendarVisit) -> str:
    lines = (visit.phone, visit.appointment.note, visit.appointment.appointment_id)
    return "\\n".join(_text(line) for line in lines if line)


def _drive(told: ToldDrive) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{told.drive.appointment_id}-drive@giro"
    yield from _revision(told.sequence, told.changed_at)
    yield f"DTSTART:{_instant(told.drive.window.start)}"
    yield f"DTEND:{_instant(told.drive.window.end)}"
    yield from _busy("CANCELLED" if told.is_off else "CONFIRMED")
    yield "SUMMARY:Drive"
    yield "END:VEVENT"


def _revision(sequence: int, at: datetime) -> Iterator[str]:
    yield f"SEQUENCE:{sequence}"
    yield f"DTSTAMP:{_instant(at)}"
    yield f"LAST-MODIFIED:{_instant(at)}"


def _busy(status: str) -> Iterator[str]:
    yield f"STATUS:{status}"
    yield f"TRANSP:{'TRANSPARENT' if status == 'CANCELLED' else 'OPAQUE'}"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(given: str) -> str:
    """What the format can carry: it has no control characters but the line's end."""
    lines = given.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", lines).translate(_ESCAPED)


def _folded(line: str) -> bytes:
    """The line in pieces of at most 75 octets, none of which ends inside a character."""
    rest, pieces, room = line.encode(), [], _OCTETS
    while len(rest) > room:
        end = room
        while rest[end] & 0xC0 == 0x80:  # not the first octet of a character
            end -= 1
        pieces.append(rest[:end])
        rest, room = rest[end:], _OCTETS - 1  # the space that begins what goes on is one of the 75
    return b"\r\n ".join([*pieces, rest]) + b"\r\n"
