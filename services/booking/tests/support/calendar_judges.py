"""What judges calendar files: the grammar, an independent strict reader, and libical where there is one."""

import ctypes
import ctypes.util
import re
from functools import cache
from typing import Any

from ical.calendar_stream import IcsCalendarStream
from icalendar import Calendar

NAME = re.compile(rb"^[A-Z-]+(;[A-Z-]+=(\"[^\"]*\"|[^\";:,]*))*:")
ONCE = ("UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "TRANSP", "SEQUENCE", "STATUS", "LAST-MODIFIED")


def require_valid(ics: bytes) -> None:
    """Every judge finds nothing."""
    _require_grammar(ics)
    calendar = IcsCalendarStream.calendar_from_ics(ics.decode())
    assert len(calendar.events) == ics.count(b"BEGIN:VEVENT")
    assert all(event.uid and event.end > event.start for event in calendar.events)
    found = doubts_of_libical(ics)
    assert not found, found


def events(ics: bytes) -> dict[str, Any]:
    """By UID, as the library icalendar reads them."""
    return {str(event["UID"]): event for event in Calendar.from_ical(ics).walk("VEVENT")}


def _require_grammar(ics: bytes) -> None:
    """The parts of the grammar that programs choke on: line ends, lengths, nesting, what is there once."""
    assert ics.endswith(b"\r\n")
    assert b"\n" not in ics.replace(b"\r\n", b"")
    assert b"\r" not in ics.replace(b"\r\n", b"")
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", ics.replace(b"\r\n", b""))
    pieces = ics.split(b"\r\n")
    assert all(len(piece) <= 75 for piece in pieces)
    assert all(piece.decode() is not None for piece in pieces), "a fold inside a character"
    lines = ics.replace(b"\r\n ", b"").split(b"\r\n")[:-1]
    open_parts: list[bytes] = []
    names: list[str] = []
    for line in lines:
        assert NAME.match(line), line
        name, _, value = line.partition(b":")
        if name == b"BEGIN":
            open_parts.append(value)
            names = []
        elif name == b"END":
            assert open_parts.pop() == value
            if value == b"VEVENT":
                assert all(names.count(each) == 1 for each in ONCE), names
        else:
            names.append(name.partition(b";")[0].decode())
    assert open_parts == []
    assert lines[0] == b"BEGIN:VCALENDAR"
    assert b"VERSION:2.0" in lines
    assert not [line for line in lines if line.startswith(b"METHOD")], "a snapshot is no message"
    assert sum(line.startswith(b"BEGIN:") for line in lines) > 1, "a calendar has at least one part"


@cache
def libical() -> ctypes.CDLL | None:
    """The reference library, as Debian has it; None where it is not installed."""
    name = ctypes.util.find_library("ical")
    if name is None:
        return None
    library = ctypes.CDLL(name)
    library.icalparser_parse_string.restype = ctypes.c_void_p
    library.icalparser_parse_string.argtypes = [ctypes.c_char_p]
    library.icalcomponent_as_ical_string.restype = ctypes.c_char_p
    library.icalcomponent_as_ical_string.argtypes = [ctypes.c_void_p]
    library.icalrestriction_check.argtypes = [ctypes.c_void_p]
    library.icalcomponent_free.argtypes = [ctypes.c_void_p]
    return library


def doubts_of_libical(ics: bytes) -> list[str]:
    """What libical says against it, by the tables of RFC 5545 and 5546; nothing where it is not installed."""
    library = libical()
    if library is None:
        return []
    parsed = library.icalparser_parse_string(ics)
    if not parsed:
        return ["not a calendar"]
    fits = library.icalrestriction_check(parsed)
    lines = library.icalcomponent_as_ical_string(parsed).decode().replace("\r\n ", "").split("\r\n")
    library.icalcomponent_free(parsed)
    return [line for line in lines if line.startswith("X-LIC-ERROR")] or ([] if fits else ["restrictions"])
