"""The events of appointments, kept as they were told: append only, one a version, in the changes' order."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter
from sqlalchemy import text

from booking.domain.decision import Decision
from booking.domain.itinerary import Leg
from kit.db.uow import Tx
from kit.subjects import evt
from kit.values.latlng import LatLng
from kit.values.window import Window

_DECISION: TypeAdapter[Decision] = TypeAdapter(Decision)

_NOTE = text(
    """
    INSERT INTO booking.decisions (tenant_id, change_id, decision) VALUES (:tenant, :change, :decision)
    """
)

_ADD = text(
    """
    INSERT INTO booking.appointment_events
        (tenant_id, appointment_id, event_id, event, made_version, payload, personal, change_id, decision,
         legs, left_agent_id, left_starts_at, left_ends_at)
    VALUES (:tenant, :appointment, :event_id, :event, :version, :payload, :personal, :change, :decision,
            :legs, :left_agent, :left_start, :left_end)
    """
)

_NOTE_ALL = text(
    """
    INSERT INTO booking.decisions (tenant_id, change_id, decision)
    SELECT :tenant, change, :decision FROM unnest(CAST(:changes AS text[])) AS change
    """
)

_ADD_ALL = text(
    """
    INSERT INTO booking.appointment_events
        (tenant_id, appointment_id, event_id, event, made_version, payload, personal, change_id, decision,
         legs, left_agent_id, left_starts_at, left_ends_at)
    SELECT :tenant, told.*
    FROM unnest(CAST(:appointment AS text[]), CAST(:event_id AS text[]), CAST(:event AS text[]),
                CAST(:version AS bigint[]), CAST(:payload AS bytea[]), CAST(:personal AS jsonb[]),
                CAST(:change AS text[]), CAST(:decision AS jsonb[]), CAST(:legs AS jsonb[]),
                CAST(:left_agent AS text[]), CAST(:left_start AS timestamptz[]),
                CAST(:left_end AS timestamptz[])) AS told
    """
)

_OF = text(
    """
    SELECT e.appointment_id, e.entry, e.event_id, e.event, e.payload, e.personal, e.legs,
           coalesce(e.decision, d.decision) AS decision, h.decision AS held
    FROM booking.appointment_events e
    LEFT JOIN booking.decisions d ON d.tenant_id = e.tenant_id AND d.change_id = e.change_id
    LEFT JOIN booking.decisions h
           ON h.tenant_id = e.tenant_id AND h.change_id = nullif(d.decision ->> 'hold_id', '')
    WHERE e.tenant_id = :tenant AND e.appointment_id = ANY (CAST(:appointments AS text[]))
    ORDER BY e.appointment_id, e.entry
    """
)

_SEND_AGAIN = text(
    """
    WITH chosen AS (
        SELECT event_id, event, appointment_id, payload, entry FROM booking.appointment_events
        WHERE tenant_id = :tenant AND event_id >= :first
    ), withdrawn AS (
        DELETE FROM booking.outbox o USING chosen c WHERE o.tenant_id = :tenant AND o.event_id = c.event_id
    )
    INSERT INTO booking.outbox (tenant_id, event_id, subject, entity_id, headers, payload)
    SELECT :tenant, event_id, :subjects || event, appointment_id, '{}'::jsonb, payload
    FROM chosen ORDER BY entry
    """
)


@dataclass(frozen=True, slots=True)
class Event:
    """An event to keep: the bytes that are sent, what is personal, and how it came to be.

    `made_version` is None where the version stays. The decision is either given, or was noted under
    `change_id` when the change began. `legs` are those that the ledger promised, before and after; `left` is
    whom the card was taken from, and when the visit was.
    """

    appointment_id: str
    event_id: str
    event: str
    made_version: int | None
    payload: bytes
    personal: dict[str, Any]
    change_id: str = ""
    decision: Decision | None = None
    legs: tuple[Leg | None, Leg | None] = (None, None)
    left: tuple[str, Window] | None = None


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """A kept event. `decision` is None where none was noted; `held` is the one noted with its hold."""

    appointment_id: str
    event_id: str
    event: str
    payload: bytes
    personal: dict[str, Any]
    decision: Decision | None
    held: Decision | None
    legs: tuple[Leg | None, Leg | None]


async def note(tx: Tx, change_id: str, decision: Decision) -> None:
    """Keeps what a change that begins was decided upon."""
    await tx.run(_NOTE, {"tenant": tx.tenant, "change": change_id, "decision": _packed(decision)})


async def note_all(tx: Tx, change_ids: Sequence[str], decision: Decision) -> None:
    """The same for many changes that were decided upon the same."""
    params = {"tenant": tx.tenant, "changes": list(change_ids), "decision": _packed(decision)}
    await tx.run(_NOTE_ALL, params)


async def add(tx: Tx, event: Event) -> None:
    """Keeps an event; its appointment's row is locked by the caller, so that the order is the changes'."""
    await tx.run(_ADD, {"tenant": tx.tenant, **_params(event)})


async def add_all(tx: Tx, events: Sequence[Event]) -> None:
    """The same for events of different appointments."""
    rows = list(map(_params, events))
    await tx.run(_ADD_ALL, {"tenant": tx.tenant, **{name: [row[name] for row in rows] for name in rows[0]}})


def _params(event: Event) -> dict[str, Any]:
    left_agent, left = event.left or (None, None)
    return {
        "left_agent": left_agent,
        "left_start": left and left.start,
        "left_end": left and left.end,
        "appointment": event.appointment_id,
        "event_id": event.event_id,
        "event": event.event,
        "version": event.made_version,
        "payload": event.payload,
        "personal": Jsonb(event.personal),
        "change": event.change_id or None,
        "decision": None if event.decision is None else _packed(event.decision),
        "legs": None if event.legs == (None, None) else Jsonb([_leg(leg) for leg in event.legs]),
    }


async def of(tx: Tx, appointment_ids: Sequence[str]) -> Sequence[KeptEvent]:
    """The kept events of these appointments, in the order in which they happened to each."""
    params = {"tenant": tx.tenant, "appointments": list(appointment_ids)}
    return [_kept(row) for row in await tx.run(_OF, params)]


def _packed(decision: Decision) -> Jsonb:
    return Jsonb(_DECISION.dump_python(decision, mode="json", exclude_defaults=True))


def _kept(row: Any) -> KeptEvent:
    legs = row.legs or (None, None)
    return KeptEvent(
        appointment_id=row.appointment_id,
        event_id=row.event_id,
        event=row.event,
        payload=bytes(row.payload),
        personal=row.personal,
        decision=None if row.decision is None else _DECISION.validate_python(row.decision),
        held=None if row.held is None else _DECISION.validate_python(row.held),
        legs=(_read_leg(legs[0]), _read_leg(legs[1])),
    )


def _leg(leg: Leg | None) -> dict[str, Any] | None:
    if leg is None:
        return None
    seconds = {"travel": int(leg.travel.total_seconds()), "buffer": int(leg.buffer.total_seconds())}
    return {**asdict(leg), **seconds, "from_point": _key(leg.from_point), "to_point": _key(leg.to_point)}


def _read_leg(stored: dict[str, Any] | None) -> Leg | None:
    if stored is None:
        return None
    seconds = {name: timedelta(seconds=stored[name]) for name in ("travel", "buffer")}
    points = {name: _point(stored[name]) for name in ("from_point", "to_point")}
    return Leg(**{**stored, **seconds, **points})


def _key(point: LatLng | None) -> int | None:
    return None if point is None else point.key


def _point(key: int | None) -> LatLng | None:
    return None if key is None else LatLng.from_key(key)


async def send_again(tx: Tx, since: datetime) -> int:
    """Puts the events made since then into the outbox once more, in their order; how many they are.

    They are the same bytes under the same ids. Those that wait there still take their place among them.
    """
    first = f"evt_{round(since.timestamp() * 1000):012x}"
    subjects = evt(tx.tenant, "booking", ">").removesuffix(">")
    params = {"tenant": tx.tenant, "first": first, "subjects": subjects}
    return int((await tx.run(_SEND_AGAIN, params)).rowcount)
