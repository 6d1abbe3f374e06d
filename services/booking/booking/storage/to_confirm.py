"""Which appointments are to be confirmed on a day."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from booking.domain.appointment import Appointment
from booking.domain.parameters import CONFIRM_ON_WORKING_DAYS, Parameters
from booking.storage import rows
from booking.storage.appointments import COLUMNS
from kit.db.uow import Tx
from kit.parameters import Scope
from kit.values.window import Window

_CAMPAIGNS = text(
    """
    SELECT c.campaign_id, c.time_zone,
           (SELECT p.value FROM booking.parameters p WHERE p.tenant_id = c.tenant_id
            AND p.campaign_id IS NULL AND p.name = :name) AS of_tenant,
           (SELECT p.value FROM booking.parameters p WHERE p.tenant_id = c.tenant_id
            AND p.campaign_id = c.campaign_id AND p.name = :name) AS of_campaign
    FROM booking.campaigns c
    WHERE c.tenant_id = :tenant
      AND (CAST(:only AS text[]) IS NULL OR c.campaign_id = ANY (CAST(:only AS text[])))
    """
)

_LIST = text(
    f"""
    SELECT {COLUMNS} FROM unnest(CAST(:campaigns AS text[]), CAST(:firsts AS timestamptz[]),
                                 CAST(:lasts AS timestamptz[])) AS due (campaign_id, first, last)
    JOIN booking.appointments a ON a.tenant_id = :tenant AND a.campaign_id = due.campaign_id
     AND a.starts_at >= due.first AND a.starts_at < due.last
    WHERE a.state = 'TO_CONFIRM' AND (a.starts_at, a.appointment_id) > (:after_start, :after_id)
    ORDER BY a.starts_at, a.appointment_id LIMIT :rows
    """  # noqa: S608 - constants
)


@dataclass(frozen=True, slots=True)
class ConfirmingCampaign:
    """A campaign's zone, and whether it counts working days."""

    campaign_id: str
    time_zone: str
    working_days: bool


async def campaigns(tx: Tx, only: Collection[str] | None) -> Sequence[ConfirmingCampaign]:
    """Those of the tenant, or these alone."""
    name = CONFIRM_ON_WORKING_DAYS.name
    params = {"tenant": tx.tenant, "only": None if only is None else list(only), "name": name}
    found = []
    for row in await tx.run(_CAMPAIGNS, params):
        texts = {Scope.TENANT: row.of_tenant, Scope.CAMPAIGN: row.of_campaign}
        values = Parameters({name: {scope: value for scope, value in texts.items() if value is not None}})
        found.append(ConfirmingCampaign(row.campaign_id, row.time_zone, values[CONFIRM_ON_WORKING_DAYS]))
    return found


async def page(
    tx: Tx, due: Sequence[tuple[str, Window]], after: tuple[datetime, str], count: int
) -> Sequence[Appointment]:
    """Those to confirm of these campaigns in their windows, by (start, id) after one."""
    if not due:
        return []
    # no earlier than any window, or the index would be read from the start of time up to the first
    after = max(after, (min(window.start for _, window in due), ""))
    params = {
        "tenant": tx.tenant,
        "campaigns": [campaign for campaign, _ in due],
        "firsts": [window.start for _, window in due],
        "lasts": [window.end for _, window in due],
        "after_start": after[0],
        "after_id": after[1],
        "rows": count,
    }
    return rows.appointments(await tx.run(_LIST, params))
