"""Packages in steps: renewal, recovery, level."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text

from booking.domain import errors
from booking.domain.package import Level, Package
from booking.storage import rows
from kit.db.uow import Tx
from kit.db.worker import WorkerTx

_LOCK = text(
    """
    SELECT purchased, taken, to_confirm, cancelled_in_step, to_recover, recovered, step, level,
           package_revision, recovered_on, time_zone
    FROM booking.campaigns WHERE tenant_id = :tenant AND campaign_id = :campaign FOR NO KEY UPDATE
    """
)

_UNDER_WAY = text(
    """
    SELECT count(*) FROM booking.appointments
    WHERE tenant_id = :tenant AND campaign_id = :campaign AND state = 'PENDING' AND supersedes IS NULL
    """
)

_SAVE = text(
    """
    UPDATE booking.campaigns
    SET purchased = :purchased, cancelled_in_step = :cancelled, to_recover = :to_recover,
        recovered = :recovered, step = :step
    WHERE tenant_id = :tenant AND campaign_id = :campaign
    """
)

_TELL = text(
    """
    UPDATE booking.campaigns SET level = :level, package_revision = package_revision + 1
    WHERE tenant_id = :tenant AND campaign_id = :campaign RETURNING package_revision
    """
)

_RECOVERED_ON = text(
    """
    UPDATE booking.campaigns SET recovered_on = :day
    WHERE tenant_id = :tenant AND campaign_id = :campaign
    """
)

_ADD_STEP = text(
    """
    INSERT INTO booking.package_steps (tenant_id, campaign_id, step, units, bought_by, bought_at)
    VALUES (:tenant, :campaign, :step, :units, :by, :at)
    """
)

_STEPS = text(
    """
    SELECT step, units, bought_by, bought_at FROM booking.package_steps
    WHERE tenant_id = :tenant AND campaign_id = :campaign ORDER BY step
    """
)

_TO_RECOVER = text(
    """
    SELECT tenant_id, campaign_id FROM booking.campaigns
    WHERE (to_recover > 0 OR (cancelled_in_step > 0 AND taken + cancelled_in_step + to_recover >= purchased))
      AND (tenant_id, campaign_id) > (:tenant, :campaign)
    ORDER BY tenant_id, campaign_id LIMIT :rows
    """
)


@dataclass(frozen=True, slots=True)
class Locked:
    """A campaign's package, locked until the end of the transaction, and what was told of it last."""

    campaign_id: str
    package: Package
    level: Level
    recovered_on: date | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Step:
    """One tranche; what came with the campaign names no buyer and no time."""

    step: int
    units: int
    bought_by: str
    bought_at: datetime | None


async def lock(tx: Tx, campaign_id: str) -> Locked:
    """The package. Raises NotFound naming `campaign_id`."""
    row = (await tx.run(_LOCK, {"tenant": tx.tenant, "campaign": campaign_id})).one_or_none()
    if row is None:
        raise errors.not_found("campaign", "campaign_id")
    return Locked(campaign_id, rows.package(row), Level(row.level), row.recovered_on, row.time_zone)


async def under_way(tx: Tx, campaign_id: str) -> int:
    """How many of the taken units are bookings that nobody has decided; none begins while it is locked."""
    found = await tx.run(_UNDER_WAY, {"tenant": tx.tenant, "campaign": campaign_id})
    return int(found.scalar_one())


async def save(tx: Tx, campaign_id: str, package: Package) -> None:
    """Stores what renewal and recovery change of a locked package."""
    params = {
        "tenant": tx.tenant,
        "campaign": campaign_id,
        "purchased": package.purchased,
        "cancelled": package.cancelled_in_step,
        "to_recover": package.to_recover,
        "recovered": package.recovered,
        "step": package.step,
    }
    await tx.run(_SAVE, params)


async def tell(tx: Tx, campaign_id: str, level: Level) -> int:
    """Stores the level that is told now; the revision of the event that tells it."""
    params = {"tenant": tx.tenant, "campaign": campaign_id, "level": level.value}
    return int((await tx.run(_TELL, params)).scalar_one())


async def note_recovery(tx: Tx, campaign_id: str, day: date) -> None:
    """Notes that this day's share was set free."""
    await tx.run(_RECOVERED_ON, {"tenant": tx.tenant, "campaign": campaign_id, "day": day})


async def add_step(tx: Tx, campaign_id: str, step: Step) -> None:
    """Stores a tranche."""
    params = {
        "tenant": tx.tenant,
        "campaign": campaign_id,
        "step": step.step,
        "units": step.units,
        "by": step.bought_by,
        "at": step.bought_at,
    }
    await tx.run(_ADD_STEP, params)


async def steps(tx: Tx, campaign_id: str) -> Sequence[Step]:
    """The tranches in order."""
    found = await tx.run(_STEPS, {"tenant": tx.tenant, "campaign": campaign_id})
    return [Step(row.step, row.units, row.bought_by, row.bought_at) for row in found]


async def to_recover(tx: WorkerTx, after: tuple[str, str], count: int) -> Sequence[tuple[str, str]]:
    """(tenant, campaign) of those that have cancelled ones to make up, of all tenants, in order after one."""
    params = {"tenant": after[0], "campaign": after[1], "rows": count}
    return [(row.tenant_id, row.campaign_id) for row in await tx.run(_TO_RECOVER, params)]
