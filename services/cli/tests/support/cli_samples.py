"""Answers of the gateway, as it writes them."""

from typing import Any

Json = dict[str, Any]

CAMPAIGN: Json = {
    "campaignId": "cmp_" + "1" * 32,
    "displayName": "Sole Mio: solar panels",
    "purchased": 2000,
    "taken": 700,
    "toConfirm": 600,
    "cancelledInStep": 3,
    "agentIds": ["agt_" + "1" * 32, "agt_" + "2" * 32],
    "skills": ["solar"],
    "timeZone": "Europe/Rome",
    "buffer": "300s",
}
OTHER_CAMPAIGN: Json = {**CAMPAIGN, "campaignId": "cmp_" + "2" * 32, "displayName": "Calore: heat pumps"}
SHIFT: Json = {
    "weekday": "WEEKDAY_MONDAY",
    "start": "09:00",
    "end": "18:00",
    "startBase": {"latitude": 45.07, "longitude": 7.68},
}
AGENTS: list[Json] = [
    {
        "agentId": f"agt_{digit * 32}",
        "displayName": name,
        "skills": ["solar"],
        "buffer": "300s",
        "calendar": {"timeZone": "Europe/Rome", "shifts": [SHIFT], "breaks": []},
    }
    for digit, name in (("1", "Giada Cravero"), ("2", "Marco Riva"))
]


def leg(seconds: int, metres: int, **more: Any) -> Json:
    """A drive."""
    return {
        "travel": f"{seconds}s",
        "metres": str(metres),
        "source": "TRAVEL_SOURCE_ESTIMATE",
        "version": "estimate-1",
        "via": False,
        "buffer": "300s",
        "fromPoint": {"latitude": 45.07, "longitude": 7.68},
        "toPoint": {"latitude": 45.08, "longitude": 7.70},
        **more,
    }


NO_DRIVE = leg(0, 0, source="TRAVEL_SOURCE_NONE")


def slot(start: str, end: str, *, agent: int = 1, grade: str = "IDEAL", slack: int = 1800) -> Json:
    """A suggested slot."""
    return {
        "anatomy": {
            "agentId": f"agt_{str(agent) * 32}",
            "start": start,
            "end": end,
            "legBefore": leg(720, 3400),
            "legAfter": leg(900, 5000, source="TRAVEL_SOURCE_ROAD", via=True),
            "leaveAt": start,
            "idle": "0s",
            "addedTravel": "480s",
            "slack": f"{slack}s",
            "grade": f"GRADE_{grade}",
        },
        "slotToken": f"token-{agent}-{start}",
    }


SUGGESTION: Json = {
    "slots": [
        slot("2026-12-01T08:30:00Z", "2026-12-01T09:15:00Z"),
        slot("2026-12-01T10:00:00Z", "2026-12-01T10:45:00Z", agent=2, grade="POOR"),
    ],
    "refused": [
        {
            "agentId": "agt_" + "2" * 32,
            "gap": {"start": "2026-12-01T07:00:00Z", "end": "2026-12-01T08:00:00Z"},
            "reason": "TRAVEL_IN",
            "shortSeconds": "660",
        },
        {
            "agentId": "agt_" + "1" * 32,
            "gap": {"start": "2026-12-01T11:00:00Z", "end": "2026-12-01T12:00:00Z"},
            "reason": "LEAD_TIME",
        },
    ],
    "refusedTruncated": False,
    "travelVersion": "estimate-1",
    "estimatedTravel": True,
}
HOLD: Json = {
    "holdId": "hld_" + "5" * 32,
    "campaignId": CAMPAIGN["campaignId"],
    "agentId": "agt_" + "1" * 32,
    "start": "2026-12-01T08:30:00Z",
    "end": "2026-12-01T09:15:00Z",
    "expiresAt": "2026-11-22T10:05:00Z",
    "legBefore": leg(720, 3400),
}
APPOINTMENT: Json = {
    "appointmentId": "apt_" + "6" * 32,
    "campaignId": CAMPAIGN["campaignId"],
    "contactId": "cnt_" + "7" * 32,
    "agentId": "agt_" + "1" * 32,
    "start": "2026-12-01T08:30:00Z",
    "end": "2026-12-01T09:15:00Z",
    "point": {"latitude": 45.08, "longitude": 7.70},
    "state": "APPOINTMENT_STATE_TO_CONFIRM",
    "version": "1",
    "operatorId": "usr_" + "8" * 32,
    "note": "",
    "legBefore": leg(720, 3400),
}
_CHANGE: Json = {
    "version": "2",
    "happenedAt": "2026-11-20T10:00:00Z",
    "event": "appointment_booked",
    "agentId": APPOINTMENT["agentId"],
    "start": APPOINTMENT["start"],
    "end": APPOINTMENT["end"],
    "policyVersion": "pol_0123456789abcdef",
    "parameters": [{"name": "lead_time", "value": "129600s", "source": "TENANT"}],
    "rules": [],
    "slotSource": "SLOT_SOURCE_SUGGESTION",
    "chosenBy": {"subject": "usr_1", "roles": ["OPERATOR"], "channel": "CHANNEL_OPERATOR", "by": ""},
    "offered": {"count": 9, "chosen": 2, "slots": []},
    "legBefore": leg(720, 3400),
}
EXPLANATION: Json = {
    "appointmentId": APPOINTMENT["appointmentId"],
    "complete": False,
    "changes": [
        _CHANGE,
        {
            **_CHANGE,
            "version": "3",
            "event": "appointment_cancelled",
            "parameters": [],
            "slotSource": "SLOT_SOURCE_UNSPECIFIED",
            "chosenBy": {
                "subject": "cnt_1",
                "roles": [],
                "channel": "CHANNEL_CUSTOMER",
                "by": "answer to a reminder",
            },
            "offered": None,
            "legBefore": None,
        },
    ],
}
CONTACT: Json = {
    "contactId": APPOINTMENT["contactId"],
    "displayName": "Giulia Zanetti",
    "phone": "+390012345678",
    "address": "Via Roma 12, Parella",
    "point": {"latitude": 45.08, "longitude": 7.70},
}


def stop(
    kind: str, start: str, end: str, *, lat: float | None = None, lng: float = 7.68, **more: Any
) -> Json:
    """A stop of a day."""
    point = {"point": {"latitude": lat, "longitude": lng}} if lat is not None else {}
    return {"kind": f"STOP_KIND_{kind}", "ownerId": "", "start": start, "end": end, **point, **more}


ITINERARY: Json = {
    "agentId": "agt_" + "1" * 32,
    "timeZone": "Europe/Rome",
    "stops": [
        stop("DAY_START", "2026-12-01T07:59:59Z", "2026-12-01T08:00:00Z", lat=45.07),
        stop(
            "APPOINTMENT",
            "2026-12-01T08:30:00Z",
            "2026-12-01T09:15:00Z",
            lat=45.08,
            lng=7.70,
            leg=leg(720, 3400),
            ownerId=APPOINTMENT["appointmentId"],
        ),
        stop(
            "BREAK",
            "2026-12-01T12:00:00Z",
            "2026-12-01T13:00:00Z",
            leg=leg(0, 0, source="TRAVEL_SOURCE_NONE"),
        ),
        stop(
            "HOLD",
            "2026-12-01T14:00:00Z",
            "2026-12-01T14:30:00Z",
            lat=45.05,
            lng=7.66,
            leg=leg(1800, 9000),
            ownerId="hld_" + "5" * 32,
            expiresAt="2026-11-22T10:05:00Z",
        ),
        stop("DAY_END", "2026-12-01T17:00:00Z", "2026-12-01T17:00:01Z", lat=45.07, leg=leg(900, 4000)),
    ],
}


def error_info(reason: str, **metadata: str) -> Json:
    """The detail that names a reason."""
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": reason, "domain": "giro", "metadata": metadata}


def bad_request(field: str, description: str) -> Json:
    """The detail that names a field."""
    violation = {"field": field, "description": description}
    return {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
