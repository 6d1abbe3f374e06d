"""Writes a change of the ledger in one statement: legs, stops, owners, moves, and word to the snapshots."""

# ruff: noqa: S608 - statements put together from constants

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from psycopg.types.json import Jsonb

from geo.domain.agent import Agent
from geo.domain.calendar import Calendar
from geo.domain.chain import Link, Splice
from geo.domain.errors import StaleLegs, StartAgain
from geo.domain.legs import LegBook
from geo.domain.matrix import matrix_of
from geo.domain.modes import TravelMode
from geo.domain.owner import Ending, Move, Owner
from geo.domain.plan import Plan
from geo.domain.stop import Leg, Stop, TravelSource
from geo.storage import agents, at_risk
from geo.storage.documents import plan_document
from geo.storage.sql import fetch
from kit.db.uow import Tx
from kit.errors import Conflict, Reason

CHANNEL: Final = "giro_geo_agenda"
"""NOTIFY channel; the payload is `tenant:agent:agenda_version`."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A hold's stop that becomes an appointment's, in place."""

    agent_id: str
    stop_id: str
    hold_id: str
    appointment_id: str


@dataclass(frozen=True, slots=True)
class Changes:
    """All that one use case writes: nothing of it, or everything.

    `contexts` are the holds' contexts by stop id; `replanned` are owners whose agent and plan change;
    `calendars` and `modes` are the new ones by agent.
    """

    splices: Mapping[str, Splice] = field(default_factory=dict)
    booked: Booked | None = None
    taken: Sequence[Owner] = ()
    ended: Mapping[str, Ending] = field(default_factory=dict)
    replanned: Mapping[str, Plan] = field(default_factory=dict)
    moved: Sequence[Move] = ()
    contexts: Mapping[str, str] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    modes: Mapping[str, TravelMode] = field(default_factory=dict)
    tell: Sequence[Callable[[Tx], object]] = ()
    """Events, emitted with the same commit."""


_LINK: Final = (
    "place bigint, prev_id text, prev_ends_at timestamptz, prev_place bigint, leg_seconds integer,"
    " leg_free_seconds integer, leg_version text, leg_via boolean"
)

# The parts see one snapshot and run in no order that matters: what could meet itself in passing is deferred.
_PARTS: Final = {
    "legs": """
        INSERT INTO geo.legs (tenant_id, from_place, to_place, version, via, seconds, free_seconds, metres,
            source)
        SELECT %(tenant)s, r.* FROM jsonb_to_recordset(%(legs)s) AS r(from_place bigint, to_place bigint,
            version text, via boolean, seconds integer, free_seconds integer, metres integer, source text)
        ON CONFLICT DO NOTHING RETURNING 1""",
    "removed": """
        DELETE FROM geo.stops s USING jsonb_to_recordset(%(removed)s) AS r(agent_id text, stop_id text)
        WHERE s.tenant_id = %(tenant)s AND s.agent_id = r.agent_id AND s.stop_id = r.stop_id
        RETURNING 1""",
    "relinked": f"""
        UPDATE geo.stops s SET place = r.place, prev_id = r.prev_id, prev_ends_at = r.prev_ends_at,
            prev_place = r.prev_place, leg_seconds = r.leg_seconds,
            leg_free_seconds = r.leg_free_seconds, leg_version = r.leg_version, leg_via = r.leg_via
        FROM jsonb_to_recordset(%(relinked)s) AS r(agent_id text, stop_id text, {_LINK})
        WHERE s.tenant_id = %(tenant)s AND s.agent_id = r.agent_id AND s.stop_id = r.stop_id
        RETURNING 1""",
    "added": f"""
        INSERT INTO geo.stops (tenant_id, agent_id, stop_id, kind, starts_at, ends_at, buffer_seconds,
            owner_id, expires_at, context, arrives_from, arrives_until, place, prev_id, prev_ends_at,
            prev_place, leg_seconds, leg_free_seconds, leg_version, leg_via)
        SELECT %(tenant)s, r.* FROM jsonb_to_recordset(%(added)s) AS r(agent_id text, stop_id text, kind text,
            starts_at timestamptz, ends_at timestamptz, buffer_seconds integer, owner_id text,
            expires_at timestamptz, context text, arrives_from timestamptz, arrives_until timestamptz,
            {_LINK})
        RETURNING 1""",
    "booked": """
        UPDATE geo.stops s SET kind = 'APPOINTMENT', owner_id = r.appointment_id, expires_at = NULL,
            context = ''
        FROM jsonb_to_recordset(%(booked)s) AS r(agent_id text, stop_id text, hold_id text,
            appointment_id text)
        WHERE s.tenant_id = %(tenant)s AND s.agent_id = r.agent_id AND s.stop_id = r.stop_id
          AND s.kind = 'HOLD' AND s.owner_id = r.hold_id
        RETURNING 1""",
    "taken": """
        INSERT INTO geo.owners (tenant_id, owner_id, kind, state, outcome, agent_id, request, plan, answer)
        SELECT %(tenant)s, r.* FROM jsonb_to_recordset(%(taken)s) AS r(owner_id text, kind text, state text,
            outcome text, agent_id text, request jsonb, plan jsonb, answer jsonb)
        ON CONFLICT DO NOTHING RETURNING 1""",
    "ended": """
        UPDATE geo.owners o SET state = 'SETTLED', outcome = r.outcome
        FROM jsonb_to_recordset(%(ended)s) AS r(owner_id text, outcome text)
        WHERE o.tenant_id = %(tenant)s AND o.owner_id = r.owner_id AND o.state = 'ACTIVE'
        RETURNING 1""",
    "replanned": """
        UPDATE geo.owners o SET agent_id = r.plan ->> 'agent_id', plan = r.plan
        FROM jsonb_to_recordset(%(replanned)s) AS r(owner_id text, plan jsonb)
        WHERE o.tenant_id = %(tenant)s AND o.owner_id = r.owner_id AND o.state = 'ACTIVE'
        RETURNING 1""",
    "moved": """
        INSERT INTO geo.moves (tenant_id, move_id, appointment_id, outcome, request, answer)
        SELECT %(tenant)s, r.* FROM jsonb_to_recordset(%(moved)s) AS r(move_id text, appointment_id text,
            outcome text, request jsonb, answer jsonb)
        ON CONFLICT DO NOTHING RETURNING 1""",
    "notes": f"""
        SELECT pg_notify('{CHANNEL}', note) FROM jsonb_array_elements_text(%(notes)s) AS note""",
}


@lru_cache(maxsize=1024)
def _statement(parts: tuple[str, ...]) -> str:
    """These parts as one statement, which gives the rows of each, the version of the matrix in force, and the
    versions that the promises of each mode were held against.

    Only what there is to write: PostgreSQL's work for a part without rows costs more than a row's.
    """
    written = ",".join(f"{part} AS ({_PARTS[part]})" for part in parts)
    counts = "".join(f"(SELECT count(*) FROM {part}) AS {part}, " for part in parts)
    matrix = "(SELECT max(version) FROM geo.matrix_versions WHERE tenant_id = %(tenant)s) AS matrix"
    held = (
        "SELECT travel_mode || ' ' || travel_version FROM geo.checked_versions WHERE tenant_id = %(tenant)s"
    )
    # kept under the 4,096 characters up to which the driver remembers what it made of a statement
    return " ".join(f"WITH {written} SELECT {counts}{matrix}, ARRAY({held}) AS held".split())


async def write(tx: Tx, changes: Changes, locked: Mapping[str, Agent], books: Collection[LegBook]) -> None:
    """Writes it all; `locked` are the agents as they were locked, `books` have the legs used.

    Raises StartAgain when another transaction took or settled one of the ids meanwhile, and StaleLegs when
    another matrix is in force than the legs are of (R-089): an import waits for the agents' locks.
    """
    rows = _rows(changes)
    rows["notes"] = [f"{tx.tenant}:{agent}:{known.agenda_version}" for agent, known in locked.items()]
    documents = {name: Jsonb(part) for name, part in rows.items() if part}
    (counts,) = await fetch(tx, _statement(tuple(documents)), {"tenant": tx.tenant, **documents})
    written = counts._asdict()
    if any(book.version and matrix_of(book.version) != (written["matrix"] or 0) for book in books):
        raise StaleLegs
    for name in ("taken", "ended", "replanned", "moved"):
        if written.get(name, 0) != len(rows[name]):
            raise StartAgain
    for name in ("removed", "relinked", "added", "booked"):
        if written.get(name, 0) != len(rows[name]):
            raise Conflict(Reason.LEDGER_REFUSED, "the ledger refused this change; nothing was written")
    for agent_id, calendar in changes.calendars.items():
        await agents.set_calendar(tx, agent_id, calendar)
    for agent_id, mode in changes.modes.items():
        await agents.set_mode(tx, agent_id, mode)
    unheld = _unheld(changes, locked, written["held"])
    if unheld:
        await at_risk.queue(tx, unheld)
    for tell in changes.tell:
        tell(tx)


def _unheld(changes: Changes, locked: Mapping[str, Agent], held: Collection[str]) -> list[str]:
    """Agents who get a drive of other data than all promises of their mode were held against (ADR 0040)."""
    modes = {agent_id: agent.mode for agent_id, agent in locked.items()} | {**changes.modes}
    marks = dict[str, str](mark.split(" ", 1) for mark in held)
    return [
        agent_id
        for agent_id, splice in changes.splices.items()
        if (mark := marks.get(modes[agent_id])) and _drives(splice) - {mark}
    ]


def _drives(splice: Splice) -> set[str]:
    """Versions of the drives that are written."""
    legs = (link.linked.leg for link in (*splice.added, *splice.relinked))
    return {leg.version for leg in legs if leg is not None and leg.source is not TravelSource.NONE}


def _rows(changes: Changes) -> dict[str, list[Any]]:
    splices = changes.splices.items()
    return {
        "legs": _legs(splice for _, splice in splices),
        "removed": [_removed(agent, stop) for agent, splice in splices for stop in splice.removed],
        "relinked": [_link(agent, link) for agent, splice in splices for link in splice.relinked],
        "added": [_stop(agent, link, changes.contexts) for agent, splice in splices for link in splice.added],
        "booked": [_booked(changes.booked)] if changes.booked else [],
        "taken": [_owner(owner) for owner in changes.taken],
        "ended": [{"owner_id": owner, "outcome": how} for owner, how in changes.ended.items()],
        "replanned": [
            {"owner_id": owner, "plan": plan_document(plan)} for owner, plan in changes.replanned.items()
        ],
        "moved": [_move(move) for move in changes.moved],
    }


def _removed(agent_id: str, stop: Stop) -> dict[str, Any]:
    return {"agent_id": agent_id, "stop_id": stop.stop_id}


def _legs(splices: Iterable[Splice]) -> list[dict[str, Any]]:
    used = {
        link.linked.leg
        for splice in splices
        for link in (*splice.added, *splice.relinked)
        if link.linked.leg is not None
    }
    # in one order for all, since two writers of the same new legs wait for each other
    return [_leg(leg) for leg in sorted(used, key=_leg_order)]


def _leg_order(leg: Leg) -> tuple[int, int, int, int]:
    return leg.from_place, leg.to_place, leg.seconds, leg.free


def _leg(leg: Leg) -> dict[str, Any]:
    return {
        "from_place": leg.from_place,
        "to_place": leg.to_place,
        "version": leg.version,
        "via": leg.via,
        "seconds": leg.seconds,
        "free_seconds": leg.free,
        "metres": leg.metres,
        "source": leg.source,
    }


def _link(agent_id: str, link: Link) -> dict[str, Any]:
    stop, leg, previous = link.linked.stop, link.linked.leg, link.previous
    return {
        "agent_id": agent_id,
        "stop_id": stop.stop_id,
        "place": stop.place,
        "prev_id": link.linked.previous_id,
        "prev_ends_at": None if previous is None else _time(previous.ends_at),
        "prev_place": None if leg is None else leg.from_place,
        "leg_seconds": None if leg is None else leg.seconds,
        "leg_free_seconds": None if leg is None else leg.free,
        "leg_version": None if leg is None else leg.version,
        "leg_via": None if leg is None else leg.via,
    }


def _stop(agent_id: str, link: Link, contexts: Mapping[str, str]) -> dict[str, Any]:
    stop = link.linked.stop
    return {
        **_link(agent_id, link),
        "kind": stop.kind,
        "starts_at": _time(stop.starts_at),
        "ends_at": _time(stop.ends_at),
        "buffer_seconds": stop.buffer,
        "owner_id": stop.owner_id,
        "expires_at": None if stop.expires_at is None else _time(stop.expires_at),
        "context": contexts.get(stop.stop_id, ""),
        "arrives_from": None if stop.arrival is None else _time(stop.arrival.start),
        "arrives_until": None if stop.arrival is None else _time(stop.arrival.end),
    }


def _booked(booked: Booked) -> dict[str, Any]:
    return {
        "agent_id": booked.agent_id,
        "stop_id": booked.stop_id,
        "hold_id": booked.hold_id,
        "appointment_id": booked.appointment_id,
    }


def _owner(owner: Owner) -> dict[str, Any]:
    return {
        "owner_id": owner.owner_id,
        "kind": owner.kind,
        "state": "ACTIVE" if owner.ending is None else "SETTLED",
        "outcome": owner.ending,
        "agent_id": owner.agent_id,
        "request": owner.request,
        "plan": None if owner.plan is None else plan_document(owner.plan),
        "answer": owner.answer,
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "move_id": move.move_id,
        "appointment_id": move.appointment_id,
        "outcome": "APPLIED" if move.applied else "ABANDONED",
        "request": move.request,
        "answer": move.answer,
    }


def _time(moment: datetime) -> str:
    return moment.isoformat()
