"""Parameters that a tenant or a campaign has set."""

from sqlalchemy import text

from booking.domain.parameters import Parameters
from booking.storage import rows
from kit.db.uow import Tx

OF_CAMPAIGN = """
    (SELECT json_agg(json_build_array(p.name, p.campaign_id IS NOT NULL, p.value))
     FROM booking.parameters p
     WHERE p.tenant_id = :tenant AND (p.campaign_id IS NULL OR p.campaign_id = :campaign))
"""
"""Sub-select: what was set for the tenant and for :campaign."""

_EFFECTIVE = text(f"SELECT {OF_CAMPAIGN} AS parameters")

_SET = text(
    """
    INSERT INTO booking.parameters (tenant_id, campaign_id, name, value)
    VALUES (:tenant, nullif(:campaign, ''), :name, :value)
    ON CONFLICT ON CONSTRAINT parameters_one_a_scope DO UPDATE SET value = excluded.value
    """
)

_CLEAR = text(
    """
    DELETE FROM booking.parameters
    WHERE tenant_id = :tenant AND campaign_id IS NOT DISTINCT FROM nullif(:campaign, '') AND name = :name
    """
)


async def effective(tx: Tx, campaign_id: str) -> Parameters:
    """What counts in a campaign; empty: in the tenant."""
    found = await tx.run(_EFFECTIVE, {"tenant": tx.tenant, "campaign": campaign_id})
    return rows.parameters(found.scalar_one())


async def put(tx: Tx, campaign_id: str, name: str, value: str | None) -> None:
    """Sets JSON text for a campaign (empty: the tenant); None falls back to the wider scope.

    Raises NotFound naming `campaign_id`.
    """
    params = {"tenant": tx.tenant, "campaign": campaign_id, "name": name}
    if value is None:
        await tx.run(_CLEAR, params)
    else:
        await tx.run(_SET, {**params, "value": value})
