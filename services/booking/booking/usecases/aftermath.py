"""What follows a change of an appointment in the same transaction: recalls, exceptions, requests, history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from booking import events
from booking.domain.appointment import Appointment, Change, Move
from booking.domain.history import Entry, HistoryKind
from booking.domain.refix import OperatorRecall
from booking.domain.refix_parameters import PRIVATE_RELEASE_MINUTES
from booking.domain.refix_writes import Refix
from booking.events.kept import ToldChange
from booking.storage import history, parameters, recalls, refix_exceptions, refix_requests
from kit.db.uow import Tx
from kit.values.ids import new_id


async def keep(tx: Tx, change: Change) -> None:
    """The change says nothing of the date: a call that is owed still is, and the agent's date waits on.

    A confirmation, or another agent at the same start, undoes no outcome (R-035, R-060, R-069).
    """
    before, after = change.before, change.after
    await refix_requests.follow(tx, after.appointment_id, before.version, after.version)


async def close(tx: Tx, *appointment_ids: str) -> None:
    """Somebody decided anew: nobody has to call, what is open is settled, the agents' dates are no more."""
    await close_calls(tx, *appointment_ids)
    await refix_requests.drop(tx, appointment_ids)


async def close_calls(tx: Tx, *appointment_ids: str) -> None:
    """The same, but whether the agent's date still counts is for people to say: the next run asks them."""
    for closed in await recalls.close_of(tx, appointment_ids):
        events.recall_closed(tx, closed)
    await refix_exceptions.resolve(tx, appointment_ids)


@dataclass(frozen=True, slots=True)
class Owed:
    """A call that the owner of the card, or anyone of the campaign, owes the customer (R-078)."""

    appointment: Appointment
    due_at: datetime
    private: bool


async def open_recalls(tx: Tx, owed: Sequence[Owed]) -> None:
    """Makes the recalls and tells them; none of the appointments has an open one."""
    if not owed:
        return
    campaigns = {each.appointment.campaign_id for each in owed if each.private}
    released = {each: await _released_after(tx, each) for each in sorted(campaigns)}
    opened = [_recall(each, released.get(each.appointment.campaign_id)) for each in owed]
    await recalls.add(tx, opened)
    for recall in opened:
        events.recall_created(tx, recall)


async def _released_after(tx: Tx, campaign_id: str) -> timedelta | None:
    """How long an overdue private recall stays its operator's; None: always."""
    minutes = (await parameters.effective(tx, campaign_id))[PRIVATE_RELEASE_MINUTES]
    return timedelta(minutes=minutes) if minutes else None


def _recall(owed: Owed, released_after: timedelta | None) -> OperatorRecall:
    appointment, is_released = owed.appointment, owed.private and released_after is not None
    return OperatorRecall(
        recall_id=new_id("rcl"),
        appointment_id=appointment.appointment_id,
        campaign_id=appointment.campaign_id,
        contact_id=appointment.contact_id,
        operator_id=appointment.operator_id,
        private=owed.private,
        due_at=owed.due_at,
        release_at=owed.due_at + (released_after or timedelta()) if is_released else None,
        version=appointment.version,
    )


async def moved(tx: Tx, change: Change) -> None:
    """The visit has another agent, another start, or both; only a new start is a decision about the date."""
    if change.after.window.start == change.before.window.start:
        await keep(tx, change)
    else:
        await close(tx, change.after.appointment_id)


async def refixed(tx: Tx, done: Sequence[tuple[Change, Move]]) -> Sequence[ToldChange]:
    """Each of these cards has a new start: who did it, where it was, whose it was (R-041, R-050)."""
    await close(tx, *(change.after.appointment_id for change, _ in done))
    refixes = [(change, move.refix) for change, move in done if move.refix is not None]
    await history.add_all(tx, [entry for change, refix in refixes for entry in _refixed(change, refix)])
    await refix_requests.end_of_changes(tx, [move.move_id for _, move in done])
    return [events.refixed(tx, change, refix.mode_id) for change, refix in refixes]


def _refixed(change: Change, refix: Refix) -> list[Entry]:
    before, after = change.before, change.after
    facts = {"previous_start": before.window.start.isoformat(), "previous_agent": before.agent_id}
    entries = [_entry(after, HistoryKind.REFIXED, refix, facts)]
    if before.operator_id != after.operator_id:
        entries.append(_entry(after, HistoryKind.OWNER, refix, _owners(before, after)))
    return entries


@dataclass(frozen=True, slots=True)
class Replaced:
    """An old card whose place a new one has taken, and what the re-fix wrote."""

    old: Appointment
    new: Appointment
    refix: Refix


async def superseded(tx: Tx, replaced: Sequence[Replaced]) -> Sequence[ToldChange]:
    """New cards have taken the place of old ones; both remember it, shown or not (R-052)."""
    await close(tx, *(each.old.appointment_id for each in replaced))
    await history.add_all(tx, [entry for each in replaced for entry in _superseded(each)])
    await refix_requests.end_of_changes(tx, [each.new.appointment_id for each in replaced])
    return [
        told for each in replaced for told in (events.superseded(tx, each.old), events.booked(tx, each.new))
    ]


def _superseded(replaced: Replaced) -> list[Entry]:
    old, new, refix = replaced.old, replaced.new, replaced.refix
    entries = [
        _entry(old, HistoryKind.SUPERSEDED, refix, {"superseded_by": new.appointment_id}),
        _entry(new, HistoryKind.SUPERSEDES, refix, {"supersedes": old.appointment_id}),
    ]
    if old.operator_id != new.operator_id:
        entries.append(_entry(new, HistoryKind.OWNER, refix, _owners(old, new)))
    return entries


def _owners(before: Appointment, after: Appointment) -> dict[str, str]:
    return {"previous_owner": before.operator_id, "owner": after.operator_id}


def _entry(appointment: Appointment, kind: HistoryKind, refix: Refix, facts: dict[str, str]) -> Entry:
    where = {"mode": refix.mode_id, "screen": refix.screen}
    return Entry(
        appointment_id=appointment.appointment_id,
        kind=kind,
        at=appointment.updated_at,
        actor_id=refix.actor_id,
        version=appointment.version,
        state_id=appointment.outcome_state_id,
        note=refix.note if kind is not HistoryKind.OWNER else "",
        facts={**facts, **{name: value for name, value in where.items() if value}},
    )
