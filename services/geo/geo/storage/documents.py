"""Domain values as JSON documents, for columns that only their own writer reads."""

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from geo.domain.calendar import Calendar, WeeklyBreak, WeeklyShift
from geo.domain.plan import Absence, Drive, Held, Plan, Reserved
from geo.domain.quotas import Quota, quota_of
from geo.domain.stop import Leg, TravelSource
from kit.values.window import Window

Document = dict[str, Any]


def calendar_document(calendar: Calendar) -> Document:
    """Shifts and breaks; the zone has its own column."""
    return {
        "shifts": [[s.weekday, s.start, s.end, s.start_base, s.end_base] for s in calendar.shifts],
        "breaks": [[b.weekday, b.start, b.end] for b in calendar.breaks],
    }


@lru_cache(maxsize=16384)
def calendar_of(time_zone: str, text: str) -> Calendar:
    """The calendar again, from the document's text; it was checked when it was written."""
    document = json.loads(text)
    return Calendar(
        time_zone,
        tuple(WeeklyShift(*shift) for shift in document["shifts"]),
        tuple(WeeklyBreak(*rest) for rest in document["breaks"]),
    )


@lru_cache(maxsize=4096)
def quota_of_texts(tenants: str | None, agents: str) -> Quota | None:
    """The quota by the JSON texts of what the tenant and the agent set."""
    return quota_of(json.loads(tenants) if tenants else {}, json.loads(agents))


def plan_document(plan: Plan) -> Document:
    """A plan. What came later is left out where it is not set, so that old documents stay equal."""
    document = {
        "agent_id": plan.agent_id,
        "window": _window_document(plan.window),
        "place": plan.place,
        "buffer": plan.buffer,
        "skills": list(plan.skills),
    }
    if plan.postcode:
        document["postcode"] = plan.postcode
    if plan.arrival is not None:
        document["arrival"] = _window_document(plan.arrival)
    return document


def plan_of(document: Document) -> Plan:
    """The plan again."""
    return Plan(
        document["agent_id"],
        _window(document["window"]),
        document["place"],
        document["buffer"],
        tuple(document["skills"]),
        document.get("postcode", ""),
        _window(document["arrival"]) if "arrival" in document else None,
    )


def reserved_document(reserved: Reserved) -> Document:
    """An appointment's stop."""
    return {
        "appointment_id": reserved.appointment_id,
        "plan": plan_document(reserved.plan),
        "before": _drive_document(reserved.before),
        "after": _drive_document(reserved.after),
    }


def reserved_of(document: Document) -> Reserved:
    """The appointment's stop again."""
    return Reserved(
        document["appointment_id"],
        plan_of(document["plan"]),
        _drive(document["before"]),
        _drive(document["after"]),
    )


def held_document(held: Held) -> Document:
    """A hold."""
    return {
        "hold_id": held.hold_id,
        "plan": plan_document(held.plan),
        "expires_at": _seconds(held.expires_at),
        "context": held.context,
        "before": _drive_document(held.before),
        "after": _drive_document(held.after),
    }


def held_of(document: Document) -> Held:
    """The hold again."""
    return Held(
        document["hold_id"],
        plan_of(document["plan"]),
        _instant(document["expires_at"]),
        document["context"],
        _drive(document["before"]),
        _drive(document["after"]),
    )


def absence_document(absence: Absence) -> Document:
    """An absence."""
    return {
        "absence_id": absence.absence_id,
        "agent_id": absence.agent_id,
        "window": _window_document(absence.window),
        "note": absence.note,
    }


def absence_of(document: Document) -> Absence:
    """The absence again."""
    return Absence(
        document["absence_id"], document["agent_id"], _window(document["window"]), document["note"]
    )


def _window_document(window: Window) -> list[int]:
    return [_seconds(window.start), _seconds(window.end)]


def _window(document: list[int]) -> Window:
    return Window(_instant(document[0]), _instant(document[1]))


def _drive_document(drive: Drive | None) -> list[Any] | None:
    if drive is None:
        return None
    leg = drive.leg
    return [
        leg.from_place, leg.to_place, leg.seconds, leg.metres, leg.source, leg.version, leg.via, drive.buffer
    ]  # fmt: skip


def _drive(document: list[Any] | None) -> Drive | None:
    if document is None:
        return None
    from_place, to_place, seconds, metres, source, version, via, buffer = document
    return Drive(Leg(from_place, to_place, seconds, metres, TravelSource(source), version, via), buffer)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
