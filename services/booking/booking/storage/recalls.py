"""Recalls: calls that operators owe customers; at most one is open for an appointment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.reach import Reach
from booking.domain.refix import OperatorRecall
from kit.db.uow import Tx
from kit.db.worker import WorkerTx, by_tenants_clocks

_COLUMNS = """
    recall_id, appointment_id, campaign_id, contact_id, operator_id, private, due_at, release_at, version,
    open
"""

_ADD = text(
    f"""
    INSERT INTO booking.recalls (tenant_id, {_COLUMNS})
    SELECT :tenant, item.*, true
    FROM unnest(CAST(:id AS text[]), CAST(:appointment AS text[]), CAST(:campaign AS text[]),
                CAST(:contact AS text[]), CAST(:operator AS text[]), CAST(:private AS boolean[]),
                CAST(:due_at AS timestamptz[]), CAST(:release_at AS timestamptz[]),
                CAST(:version AS bigint[])) AS item
    """  # noqa: S608 - constants
)

_OPEN_OF = text(
    f"""
    SELECT {_COLUMNS} FROM booking.recalls
    WHERE tenant_id = :tenant AND appointment_id = :appointment AND open
    """  # noqa: S608 - constants
)

_CLOSE_OF = text(
    f"""
    UPDATE booking.recalls SET open = false
    WHERE tenant_id = :tenant AND appointment_id = ANY (CAST(:appointments AS text[])) AND open
    RETURNING {_COLUMNS}
    """  # noqa: S608 - constants
)

_GET = text(
    f"SELECT {_COLUMNS} FROM booking.recalls WHERE tenant_id = :tenant AND recall_id = :id"  # noqa: S608
)

_RELEASE = text(
    f"""
    UPDATE booking.recalls SET private = false, release_at = NULL
    WHERE tenant_id = :tenant AND recall_id = :id AND open AND private AND release_at <= :now
    RETURNING {_COLUMNS}
    """  # noqa: S608 - constants
)

_MINE = """
    (NOT private OR operator_id = :user OR release_at <= :now
     OR :all OR campaign_id = ANY (CAST(:all_of AS text[])))
"""

_PAGE = text(
    f"""
    SELECT {_COLUMNS} FROM booking.recalls
    WHERE tenant_id = :tenant AND open AND (due_at, recall_id) > (:after, :after_id)
      AND (:campaign = '' OR campaign_id = :campaign)
      AND (:whole OR campaign_id = ANY (CAST(:campaigns AS text[]))) AND {_MINE}
    ORDER BY due_at, recall_id LIMIT :rows
    """  # noqa: S608 - constants
)

_OVERDUE = by_tenants_clocks(
    """
    SELECT r.tenant_id, r.recall_id FROM booking.recalls r {ahead}
    WHERE r.open AND r.private AND r.release_at <= {now} ORDER BY r.release_at LIMIT :rows
    """,
    "r.tenant_id",
)

START_OF_TIME = datetime.fromisoformat("0001-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Eyes:
    """Who looks: in what is within `private`, others' private recalls too."""

    reach: Reach
    user_id: str
    private: Reach
    campaign_id: str = ""


async def add(tx: Tx, opened: Sequence[OperatorRecall]) -> None:
    """Stores open recalls; their appointments have no others, or the database refuses them."""
    params = {
        "tenant": tx.tenant,
        "id": [recall.recall_id for recall in opened],
        "appointment": [recall.appointment_id for recall in opened],
        "campaign": [recall.campaign_id for recall in opened],
        "contact": [recall.contact_id for recall in opened],
        "operator": [recall.operator_id for recall in opened],
        "private": [recall.private for recall in opened],
        "due_at": [recall.due_at for recall in opened],
        "release_at": [recall.release_at for recall in opened],
        "version": [recall.version for recall in opened],
    }
    await tx.run(_ADD, params)


async def open_of(tx: Tx, appointment_id: str) -> OperatorRecall | None:
    """The open recall of an appointment."""
    params = {"tenant": tx.tenant, "appointment": appointment_id}
    row = (await tx.run(_OPEN_OF, params)).one_or_none()
    return None if row is None else _recall(row)


async def close_of(tx: Tx, appointment_ids: Sequence[str]) -> Sequence[OperatorRecall]:
    """Closes the open recalls of these appointments, of those that have one; gives them by appointment."""
    params = {"tenant": tx.tenant, "appointments": list(appointment_ids)}
    closed = map(_recall, await tx.run(_CLOSE_OF, params))
    return sorted(closed, key=lambda recall: recall.appointment_id)


async def get(tx: Tx, recall_id: str) -> OperatorRecall:
    """One recall. Raises NotFound naming `recall_id`."""
    row = (await tx.run(_GET, {"tenant": tx.tenant, "id": recall_id})).one_or_none()
    if row is None:
        raise errors.not_found("recall", "recall_id")
    return _recall(row)


async def release(tx: Tx, recall_id: str) -> OperatorRecall | None:
    """Makes an overdue private recall everybody's; None when it is not private, open and overdue."""
    params = {"tenant": tx.tenant, "id": recall_id, "now": await tx.now()}
    row = (await tx.run(_RELEASE, params)).one_or_none()
    return None if row is None else _recall(row)


async def page(tx: Tx, eyes: Eyes, after: tuple[datetime, str], count: int) -> Sequence[OperatorRecall]:
    """Open recalls that somebody may see, by (due, id) after one."""
    params: Mapping[str, Any] = {
        "tenant": tx.tenant,
        "after": after[0],
        "after_id": after[1],
        "campaign": eyes.campaign_id,
        "whole": eyes.reach.whole,
        "campaigns": list(eyes.reach.campaigns),
        "all": eyes.private.whole,
        "all_of": list(eyes.private.campaigns),
        "user": eyes.user_id,
        "now": await tx.now(),
        "rows": count,
    }
    return [_recall(row) for row in await tx.run(_PAGE, params)]


async def overdue(tx: WorkerTx, count: int, *, sandbox: bool) -> Sequence[tuple[str, str]]:
    """(tenant, recall) to be released, each tenant by its own clock."""
    return [(row.tenant_id, row.recall_id) for row in await tx.run(_OVERDUE[sandbox], {"rows": count})]


def _recall(row: Any) -> OperatorRecall:
    return OperatorRecall(
        recall_id=row.recall_id,
        appointment_id=row.appointment_id,
        campaign_id=row.campaign_id,
        contact_id=row.contact_id,
        operator_id=row.operator_id,
        private=row.private,
        due_at=row.due_at,
        release_at=row.release_at,
        version=row.version,
        open=row.open,
    )
