"""Calendars as iCalendar (RFC 5545).

A visit keeps its UID for good and its SEQUENCE grows with each change, so that a calendar program replaces
what it has; what was cancelled is sent as CANCELLED, not left out.
"""

import re
from typing import Final

from icalendar import Calendar, Event, vGeo

from booking.domain.agent_calendar import CalendarVisit, Drive
from booking.domain.appointment import State
from booking.usecases.agent_calendar import AgentCalendar

CONTENT_TYPE: Final = "text/calendar"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_STATUS: Final = {
    State.TO_CONFIRM: "TENTATIVE",
    State.CONFIRMED: "CONFIRMED",
    State.HELD: "CONFIRMED",
    State.CANCELLED: "CANCELLED",
    State.SUPERSEDED: "CANCELLED",
}


def to_ics(found: AgentCalendar) -> bytes:
    """The file."""
    calendar = Calendar()
    calendar.add("prodid", "-//Giro//Agent calendar//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    for visit in found.visits:
        calendar.add_component(_visit(visit))
    for drive in found.drives:
        calendar.add_component(_drive(drive, found))
    made: bytes = calendar.to_ical()
    return made


def _visit(visit: CalendarVisit) -> Event:
    appointment = visit.appointment
    event = Event()
    event.add("uid", f"{appointment.appointment_id}@giro")
    event.add("sequence", appointment.version - 1)
    event.add("dtstamp", appointment.updated_at.replace(microsecond=0))
    event.add("created", appointment.created_at.replace(microsecond=0))
    event.add("last-modified", appointment.updated_at.replace(microsecond=0))
    event.add("dtstart", appointment.window.start)
    event.add("dtend", appointment.window.end)
    status = _STATUS[appointment.state]
    event.add("status", status)
    event.add("transp", "TRANSPARENT" if status == "CANCELLED" else "OPAQUE")
    event.add("summary", _text(f"{visit.contact_name} ({visit.campaign_name})"))
    if visit.address:
        event.add("location", _text(visit.address))
    event.add("geo", vGeo((appointment.point.lat, appointment.point.lng)))
    event.add("description", _description(visit))
    return event


def _description(visit: CalendarVisit) -> str:
    lines = (visit.phone, visit.appointment.note, visit.appointment.appointment_id)
    return "\n".join(_text(line) for line in lines if line)


def _text(given: str) -> str:
    """What the format can carry: it has no control characters but the line's end."""
    lines = given.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(each for each in lines if each == "\n" or not _CONTROL.match(each))


def _drive(drive: Drive, found: AgentCalendar) -> Event:
    event = Event()
    event.add("uid", f"{drive.appointment_id}-drive@giro")
    event.add("dtstamp", found.now.replace(microsecond=0))
    event.add("dtstart", drive.window.start)
    event.add("dtend", drive.window.end)
    event.add("transp", "OPAQUE")
    event.add("summary", "Drive")
    return event
