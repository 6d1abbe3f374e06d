"""Parameters that a tenant or a campaign has set."""

from dataclasses import dataclass

from sqlalchemy import text

from booking.domain.parameters import Parameters
from booking.storage import rows
from kit.db.uow import Tx

SCOPE = (
    "CASE WHEN p.user_id IS NOT NULL THEN 'USER'"
    " WHEN p.campaign_id IS NOT NULL THEN 'CAMPAIGN' ELSE 'TENANT' END"
)
"""Name of the scope that a row `p` was set in."""

OF_CAMPAIGN = f"""
    (SELECT json_agg(json_build_array(p.name, {SCOPE}, p.value))
     FROM booking.parameters p
     WHERE p.tenant_id = :tenant AND p.user_id IS NULL
       AND (p.campaign_id IS NULL OR p.campaign_id = :campaign))
"""  # noqa: S608 - constants
"""Sub-select: what was set for the tenant and for :campaign."""

_EFFECTIVE = text(
    f"""
    SELECT json_agg(json_build_array(p.name, {SCOPE}, p.value)) AS parameters
    FROM booking.parameters p
    WHERE p.tenant_id = :tenant AND (p.user_id IS NULL OR p.user_id = :user)
      AND (p.campaign_id IS NULL OR p.campaign_id = :campaign)
    """  # noqa: S608 - constants
)

_SET = text(
    """
    INSERT INTO booking.parameters (tenant_id, campaign_id, user_id, name, value)
    VALUES (:tenant, nullif(:campaign, ''), nullif(:user, ''), :name, :value)
    ON CONFLICT ON CONSTRAINT parameters_one_a_scope DO UPDATE SET value = excluded.value
    """
)

_CLEAR = text(
    """
    DELETE FROM booking.parameters
    WHERE tenant_id = :tenant AND campaign_id IS NOT DISTINCT FROM nullif(:campaign, '')
      AND user_id IS NOT DISTINCT FROM nullif(:user, '') AND name = :name
    """
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is set: for a campaign, for a user, or, both empty, for the tenant."""

    campaign_id: str = ""
    user_id: str = ""


async def effective(tx: Tx, campaign_id: str, user_id: str = "") -> Parameters:
    """What counts in a campaign (empty: in the tenant), for a user (empty: for nobody in particular)."""
    found = await tx.run(_EFFECTIVE, {"tenant": tx.tenant, "campaign": campaign_id, "user": user_id})
    return rows.parameters(found.scalar_one())


async def put(tx: Tx, campaign_id: str, name: str, value: str | None, user_id: str = "") -> None:
    """Sets JSON text; None falls back to the wider scope.

    Raises NotFound naming `campaign_id`.
    """
    params = {"tenant": tx.tenant, "campaign": campaign_id, "user": user_id, "name": name}
    if value is None:
        await tx.run(_CLEAR, params)
    else:
        await tx.run(_SET, {**params, "value": value})
