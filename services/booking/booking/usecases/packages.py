"""Renews packages, sets cancelled units free at a throttled pace, and tells how full they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from booking import events
from booking.domain.campaign import zone
from booking.domain.package import Alert, Package, day_to_recover, recovering, renewed
from booking.domain.parameters import NEARLY_FULL_LEFT, NEARLY_FULL_PERCENT, RECOVERY_A_DAY
from booking.storage import campaigns, packages, parameters
from booking.storage.packages import Step
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit import telemetry
from kit.db.claims import Claim
from kit.db.engine import Database
from kit.db.uow import Tx
from kit.errors import GiroError, Unavailable
from kit.failpoints import failpoint
from kit.rpc.context import caller

_log = telemetry.logger(__name__)

_BATCH = 200


@dataclass(frozen=True, slots=True)
class RenewPackage:
    """Another tranche of `units`."""

    campaign_id: str
    units: int
    claim: Claim


async def renew_package(desk: Desk, command: RenewPackage) -> Package:
    """The package in its new step; as it is by now for a repeated claim. Raises NotFound, NotAllowed."""
    reach().require_campaign(command.campaign_id)
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        locked = await packages.lock(tx, command.campaign_id)
        if tx.duplicate:
            return locked.package
        package = renewed(locked.package, command.units)
        await packages.save(tx, command.campaign_id, package)
        step = Step(package.step, command.units, caller().subject, await tx.now())
        await packages.add_step(tx, command.campaign_id, step)
        revision = await packages.tell(tx, command.campaign_id, locked.level)
        events.package_renewed(
            tx, events.Told(command.campaign_id, package, locked.level, revision), command.units
        )
        await _tell_level(tx, command.campaign_id)
        await failpoint("booking.renew.before_commit")
    return package


async def list_package_steps(desk: Desk, campaign_id: str) -> Sequence[Step]:
    """The tranches in order. Raises NotFound, NotAllowed."""
    reach().require_campaign(campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        await campaigns.require(tx, campaign_id)
        return await packages.steps(tx, campaign_id)


async def tell_levels(db: Database, tenant: str, asked: Sequence[tuple[str, Claim]]) -> None:
    """Tells how full the packages of campaigns are where that is not what was told last; once for each event
    that asks, and one look for those that ask together."""
    async with db.uow(tenant) as tx:
        fresh = await tx.claim_all([claim for _, claim in asked])
        for campaign_id in sorted({campaign_id for campaign_id, claim in asked if claim.key in fresh}):
            await _tell_level(tx, campaign_id)


async def _tell_level(tx: Tx, campaign_id: str) -> None:
    locked = await packages.lock(tx, campaign_id)
    counts = await parameters.effective(tx, campaign_id)
    level = locked.package.level(Alert(counts[NEARLY_FULL_PERCENT], counts[NEARLY_FULL_LEFT]))
    if level is locked.level:
        return
    revision = await packages.tell(tx, campaign_id, level)
    events.package_level(tx, events.Told(campaign_id, locked.package, level, revision))


async def recover_units(desk: Desk) -> int:
    """Sets free the day's share of every campaign that has something to make up; of how many it did (R-138).

    A defect of one campaign is logged and keeps no other waiting.
    """
    recovered, after = 0, ("", "")
    while True:
        async with desk.db.worker() as tx:
            found = await packages.to_recover(tx, after, _BATCH)
        for tenant, campaign_id in found:
            recovered += await _recover_safely(desk, tenant, campaign_id)
        if len(found) < _BATCH:
            return recovered
        after = found[-1]


async def _recover_safely(desk: Desk, tenant: str, campaign_id: str) -> bool:
    try:
        return await _recover(desk, tenant, campaign_id)
    except Unavailable:
        raise
    except GiroError as error:
        _log.exception("recovery_failed", campaign_id=campaign_id, error=str(error))
        return False


async def _recover(desk: Desk, tenant: str, campaign_id: str) -> bool:
    async with desk.db.uow(tenant) as tx:
        locked = await packages.lock(tx, campaign_id)
        today = day_to_recover(locked.recovered_on, await tx.now(), zone(locked.time_zone))
        if today is None:
            return False
        a_day = (await parameters.effective(tx, campaign_id))[RECOVERY_A_DAY]
        package = recovering(locked.package, a_day, await packages.under_way(tx, campaign_id))
        if package == locked.package:
            return False
        await packages.save(tx, campaign_id, package)
        await packages.note_recovery(tx, campaign_id, today)
        revision = await packages.tell(tx, campaign_id, locked.level)
        units = package.recovered - locked.package.recovered
        events.package_recovered(tx, events.Told(campaign_id, package, locked.level, revision), units)
        await _tell_level(tx, campaign_id)
        await failpoint("booking.recover.before_commit")
    return True
