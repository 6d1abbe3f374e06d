"""Rebuilds every card of a tenant from its events and holds it against its row, byte for byte (BK-47)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from booking.domain import replay as rules
from booking.domain.appointment import UNTOLD, Appointment
from booking.domain.replay import Broken, Rebuilt
from booking.events.kept import canonical, read
from booking.storage import appointment_events, appointments
from booking.storage.appointment_events import KeptEvent
from kit.db.engine import Database
from kit.db.uow import Tx

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Different:
    """A card that its events do not rebuild, and why."""

    appointment_id: str
    reason: str


@dataclass
class Replayed:
    """What a replay found. `unrecorded` are cards that have not changed since events are kept, `partly` those
    whose record begins with a later version than the first, `gapped` those with changes that no event tells:
    made by a replica of before the record, while it was rolled out."""

    cards: int = 0
    events: int = 0
    partly: int = 0
    unrecorded: int = 0
    gapped: int = 0
    different: list[Different] = field(default_factory=list)


async def replay_tenant(db: Database, tenant: str) -> Replayed:
    """All cards that were booked, whatever became of them.

    A card may change between the statements that read it and its events: whatever differs is looked at
    again with its row locked, and counts only then.
    """
    found, after = Replayed(), ""
    while True:
        async with db.uow(tenant) as tx:
            batch = await appointments.all_from(tx, after, _BATCH)
            kept = await _events(tx, batch)
        if not batch:
            return found
        for card in batch:
            if not _hold(found, card, kept.get(card.appointment_id, ())):
                await _again(db, tenant, found, card.appointment_id)
        after = batch[-1].appointment_id


async def _events(tx: Tx, batch: Sequence[Appointment]) -> Mapping[str, Sequence[KeptEvent]]:
    by_card: dict[str, list[KeptEvent]] = {}
    for event in await appointment_events.of(tx, [card.appointment_id for card in batch]):
        by_card.setdefault(event.appointment_id, []).append(event)
    return by_card


async def _again(db: Database, tenant: str, found: Replayed, appointment_id: str) -> None:
    async with db.uow(tenant) as tx:
        card = await appointments.lock(tx, appointment_id)
        kept = await appointment_events.of(tx, [appointment_id])
    try:
        _count(found, card, kept)
    except Broken as broken:
        found.cards += 1
        found.different.append(Different(appointment_id, str(broken)))


def _hold(found: Replayed, card: Appointment, kept: Sequence[KeptEvent]) -> bool:
    """Whether the card is as its events say; counted then."""
    try:
        _count(found, card, kept)
    except Broken:
        return False
    return True


def _count(found: Replayed, card: Appointment, kept: Sequence[KeptEvent]) -> None:
    if card.state in UNTOLD:
        return
    rebuilt = _rebuilt(card, kept) if kept else None
    found.cards += 1
    found.events += len(kept)
    if rebuilt is None:
        found.unrecorded += 1
    else:
        found.partly += rebuilt.partly
        found.gapped += rebuilt.gaps > 0


def _rebuilt(card: Appointment, kept: Sequence[KeptEvent]) -> Rebuilt:
    """The card by its events. Raises Broken where the row differs."""
    events = [read(each.event, each.payload, each.personal) for each in kept]
    rebuilt = rules.replay(events).held_against(card)
    if canonical(rebuilt.card) != canonical(card):
        fields = rules.differences(rebuilt.card, card) or ["colour"]
        raise Broken(f"the row differs in {', '.join(fields)}")
    return rebuilt
