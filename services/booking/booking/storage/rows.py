"""How rows become the domain's values."""

from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from booking.domain.absences import NO_ABSENCES, Absences
from booking.domain.appointment import Appointment, Colour, Move, MoveKind, State
from booking.domain.campaign import Campaign
from booking.domain.contact import Contact, PlacedBy
from booking.domain.package import Level, Package
from booking.domain.parameters import Parameters
from booking.domain.promise import Promise, PromiseKind
from booking.domain.refix_writes import Refix
from kit.db.execution import Rows
from kit.parameters import Scope
from kit.values.latlng import LatLng
from kit.values.window import Window

_REFIX: TypeAdapter[Refix] = TypeAdapter(Refix)


def campaign(row: Any) -> Campaign:
    """A row of campaigns, with `agent_ids` where it was asked for."""
    return Campaign(
        campaign_id=row.campaign_id,
        display_name=row.display_name,
        package=package(row),
        skills=tuple(row.skills),
        time_zone=row.time_zone,
        buffer=timedelta(seconds=row.buffer_seconds),
        agent_ids=tuple(getattr(row, "agent_ids", ())),
        level=Level(row.level),
    )


def package(row: Any) -> Package:
    """The counters of a row of campaigns."""
    return Package(
        purchased=row.purchased,
        taken=row.taken,
        to_confirm=row.to_confirm,
        cancelled_in_step=row.cancelled_in_step,
        to_recover=row.to_recover,
        recovered=row.recovered,
        step=row.step,
    )


def contact(row: Any) -> Contact:
    """A row of contacts."""
    return Contact(
        contact_id=row.contact_id,
        campaign_id=row.campaign_id,
        display_name=row.display_name,
        phone=row.phone,
        address=row.address,
        point=None if row.place is None else LatLng.from_key(row.place),
        email=row.email,
        language=row.language,
        zone=row.zone,
        postcode=row.postcode,
        placed_by=PlacedBy(row.placed_by),
        version=row.version,
    )


def appointment(row: Any) -> Appointment:
    """A row of appointments."""
    return Appointment(
        appointment_id=row.appointment_id,
        campaign_id=row.campaign_id,
        contact_id=row.contact_id,
        agent_id=row.agent_id,
        window=Window(row.starts_at, row.ends_at),
        point=LatLng.from_key(row.place),
        state=State(row.state),
        version=row.version,
        operator_id=row.operator_id,
        note=row.note,
        created_at=row.created_at,
        updated_at=row.updated_at,
        move_id=row.move_id,
        cancel_note=row.cancel_note,
        colour=None if row.colour is None else Colour(row.colour),
        outcome_state_id=row.outcome_state_id or "",
        characteristics=row.characteristics,
        refix_at=row.refix_at,
        supersedes=row.supersedes,
        superseded_by=row.superseded_by,
        linked=row.linked,
        zone=row.zone,
        postcode=row.postcode,
        arrival=None if row.arrives_from is None else Window(row.arrives_from, row.arrives_until),
        promise=_promise(row),
    )


def _promise(row: Any) -> Promise | None:
    if row.promise is None:
        return None
    window = Window(row.promise_from, row.promise_until)
    return Promise(PromiseKind(row.promise), window, row.promise_zone)


def appointments(found: Rows) -> list[Appointment]:
    """All rows of appointments."""
    return [appointment(row) for row in named(tuple(found.keys()), found)]


def named(names: tuple[str, ...], values: Iterable[Iterable[Any]]) -> Iterator[Any]:
    """Rows whose columns are looked up twenty times as fast as those of a result: for lists of them."""
    return map(_shape(names)._make, values)


@cache
def _shape(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names)


def move(row: Any) -> Move:
    """A row of moves."""
    window = Window(row.starts_at, row.ends_at)
    refix = None if row.refix is None else _REFIX.validate_python(row.refix)
    return Move(row.move_id, row.appointment_id, MoveKind(row.kind), row.agent_id, window, refix)


def parameters(triples: list[list[Any]] | None) -> Parameters:
    """`[name, scope, JSON text]` as `json_agg` gives them; None: nothing was set."""
    values: dict[str, dict[Scope, str]] = {}
    for name, scope, value in triples or ():
        values.setdefault(name, {})[Scope[scope]] = value
    return Parameters(values)


def absences(of_agents: list[list[Any]] | None, of_contact: Sequence[Window]) -> Absences:
    """`[agent, start, end, ...]` in Unix seconds as `json_agg` gives them; None: nobody is away."""
    return Absences(_by(of_agents, 0), of_contact) if of_agents or of_contact else NO_ABSENCES


def contacts_away(found: list[list[Any]] | None) -> Mapping[str, Sequence[Window]]:
    """The same of contacts, by id."""
    return _by(found, 3)


def _by(found: list[list[Any]] | None, position: int) -> dict[str, list[Window]]:
    windows: dict[str, list[Window]] = {}
    for row in found or ():
        away = Window(datetime.fromtimestamp(row[1], UTC), datetime.fromtimestamp(row[2], UTC))
        windows.setdefault(row[position], []).append(away)
    return windows
