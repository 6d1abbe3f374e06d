"""Recalls that an operator sees, closes, and that time makes everybody's (R-078)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from booking import events
from booking.domain import errors
from booking.domain.history import Entry, HistoryKind
from booking.domain.pages import DEFAULT_SIZE, Position, instant_and_id
from booking.domain.refix import OperatorRecall
from booking.storage import appointments, history, recalls
from booking.storage.recalls import START_OF_TIME, Eyes
from booking.usecases.desk import Desk
from booking.usecases.reach import reach, reach_as
from kit.db.uow import Tx
from kit.failpoints import failpoint
from kit.rpc.context import caller

_ALL = ("ADMINISTRATOR", "PROJECT_MANAGER", "AGENT_SUPERVISOR")
_BATCH = 200


@dataclass(frozen=True, slots=True)
class RecallPage:
    """Open recalls by the time they are due; the token is empty on the last page."""

    recalls: Sequence[OperatorRecall]
    next_page_token: str


def sees_private(campaign_id: str) -> bool:
    """Whether the caller sees and works other operators' private recalls of a campaign."""
    return reach_as(*_ALL).covers(campaign_id)


async def list_recalls(desk: Desk, campaign_id: str, page_size: int, page_token: str) -> RecallPage:
    """One page. Raises InvalidInput naming `page_token`, OUT_OF_SCOPE."""
    who = caller()
    shape = ("recalls", campaign_id)
    position = desk.page_tokens.read(who.tenant, shape, page_token)
    mine = reach()
    mine.require_sight(campaign_id, "")
    size = page_size or DEFAULT_SIZE
    after = instant_and_id(position) or (START_OF_TIME, "")
    eyes = Eyes(mine, who.subject, reach_as(*_ALL), campaign_id)
    async with desk.db.uow(who.tenant) as tx:
        found = await recalls.page(tx, eyes, after, size + 1)
    return RecallPage(*desk.page_tokens.cut(who.tenant, shape, found, size, _position))


def _position(recall: OperatorRecall) -> Position:
    return recall.due_at.isoformat(), recall.recall_id


async def close_recall(desk: Desk, recall_id: str, note: str) -> OperatorRecall:
    """The closed recall; as it is when it was closed already. Raises NotFound for an unseen one."""
    async with desk.db.uow(caller().tenant) as tx:
        recall = await recalls.get(tx, recall_id)
        reach().require_campaign(recall.campaign_id)
        _require_seen(recall, await tx.now())
        appointment = await appointments.lock(tx, recall.appointment_id)
        present = await recalls.open_of(tx, recall.appointment_id)
        if present is None or present.recall_id != recall_id:
            return replace(recall, open=False)
        await recalls.close_of(tx, [recall.appointment_id])
        closed = replace(present, open=False)
        await history.add(
            tx,
            Entry(
                appointment_id=appointment.appointment_id,
                kind=HistoryKind.NOTE,
                at=await tx.now(),
                actor_id=caller().subject,
                version=appointment.version,
                note=note,
                facts={"closed_recall": recall_id},
            ),
        )
        events.recall_closed(tx, closed)
        await failpoint("booking.recall.before_commit")
    return closed


def _require_seen(recall: OperatorRecall, now: datetime) -> None:
    released = recall.release_at is not None and recall.release_at <= now
    mine = not recall.private or released or recall.operator_id == caller().subject
    if not mine and not sees_private(recall.campaign_id):
        raise errors.not_found("recall", "recall_id")


async def release_recalls(desk: Desk) -> int:
    """One round over all tenants: overdue private recalls become everybody's, and are told so; how many."""
    async with desk.db.worker() as tx:
        found = await recalls.overdue(tx, _BATCH, sandbox=desk.db.sandbox)
    return sum([await _release(desk, tenant, recall_id) for tenant, recall_id in found])


async def _release(desk: Desk, tenant: str, recall_id: str) -> bool:
    async with desk.db.uow(tenant) as tx:
        return await _released(tx, recall_id)


async def _released(tx: Tx, recall_id: str) -> bool:
    released = await recalls.release(tx, recall_id)
    if released is not None:
        events.recall_released(tx, released)
    await failpoint("booking.release.before_commit")
    return released is not None
