"""Which campaigns show their agents."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text

from kit.db.uow import Tx

_READ = text(
    """
    SELECT
        (SELECT json_agg(json_build_array(coalesce(p.campaign_id, ''), p.value = 'true'))
         FROM booking.parameters p
         WHERE p.tenant_id = :tenant AND p.user_id IS NULL AND p.name = :name) AS shown,
        (SELECT a.campaign_id FROM booking.appointments a
         WHERE a.tenant_id = :tenant AND a.appointment_id = :appointment) AS campaign_id
    """
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the tenant decided (None: nothing), what campaigns did, and the campaign of what was asked for."""

    of_tenant: bool | None
    of_campaigns: Mapping[str, bool]
    campaign_id: str


async def read(tx: Tx, name: str, appointment_id: str) -> Shown:
    """All that was set under this parameter's name."""
    row = (await tx.run(_READ, {"tenant": tx.tenant, "name": name, "appointment": appointment_id})).one()
    shown: dict[str, bool] = dict(row.shown or ())
    return Shown(shown.pop("", None), shown, row.campaign_id or "")
