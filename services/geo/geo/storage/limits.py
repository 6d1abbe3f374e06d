"""What limits agents besides their time: zones, and parameters of their own; and word of every change."""

from collections.abc import Sequence
from typing import Final

from geo.storage.rewrite import CHANNEL
from geo.storage.sql import fetch
from kit.db.uow import Tx

_ZONES: Final = """
    UPDATE geo.agents SET zone_ids = %(zones)s WHERE tenant_id = %(tenant)s AND agent_id = %(agent)s
    RETURNING agent_id, pg_notify(%(channel)s, tenant_id || ':' || agent_id || ':' || agenda_version)
    """
_LIMIT: Final = """
    UPDATE geo.agents SET limits = CASE WHEN %(text)s::text IS NULL THEN limits - %(name)s::text
        ELSE limits || jsonb_build_object(%(name)s::text, %(text)s::text) END
    WHERE tenant_id = %(tenant)s AND agent_id = %(agent)s
    RETURNING limits ->> %(name)s AS text,
        pg_notify(%(channel)s, tenant_id || ':' || agent_id || ':' || agenda_version)
    """
_TOUCH: Final = """
    WITH locked AS (
        SELECT agent_id FROM geo.agents
        WHERE tenant_id = %(tenant)s AND (%(zone)s::text IS NULL OR zone_ids @> ARRAY[%(zone)s::text])
        ORDER BY agent_id FOR NO KEY UPDATE),
    touched AS (
        UPDATE geo.agents a SET agenda_version = agenda_version + 1 FROM locked l
        WHERE a.tenant_id = %(tenant)s AND a.agent_id = l.agent_id RETURNING a.agent_id, a.agenda_version)
    SELECT agent_id, pg_notify(%(channel)s, %(tenant)s || ':' || agent_id || ':' || agenda_version)
    FROM touched
    """
_OF_ZONE: Final = """
    SELECT agent_id FROM geo.agents WHERE tenant_id = %(tenant)s AND zone_ids @> ARRAY[%(zone)s]
    ORDER BY agent_id LIMIT %(rows)s
    """
_OWN: Final = """
    SELECT limits ->> %(name)s AS text FROM geo.agents WHERE tenant_id = %(tenant)s AND agent_id = %(agent)s
    """


async def set_zones(tx: Tx, agent_id: str, zone_ids: Sequence[str]) -> None:
    """The zones of an agent, who is locked; the zones are too."""
    params = {"tenant": tx.tenant, "agent": agent_id, "zones": list(zone_ids), "channel": CHANNEL}
    await fetch(tx, _ZONES, params)


async def set_own(tx: Tx, agent_id: str, name: str, text: str | None) -> None:
    """A parameter of one agent, who is locked; None goes back to the tenant's."""
    params = {"tenant": tx.tenant, "agent": agent_id, "name": name, "text": text, "channel": CHANNEL}
    await fetch(tx, _LIMIT, params)


async def own(tx: Tx, agent_id: str, name: str) -> tuple[bool, str | None]:
    """Whether there is such an agent, and what is set for it."""
    rows = await fetch(tx, _OWN, {"tenant": tx.tenant, "agent": agent_id, "name": name})
    return bool(rows), rows[0].text if rows else None


async def touch(tx: Tx, zone_id: str | None = None) -> list[str]:
    """Counts up the agendas of the agents in a zone, or of all, once their writers are done; gives their ids.

    Whoever keeps them in memory reads them again.
    """
    params = {"tenant": tx.tenant, "zone": zone_id, "channel": CHANNEL}
    return [row.agent_id for row in await fetch(tx, _TOUCH, params)]


async def in_zone(tx: Tx, zone_id: str, rows: int) -> list[str]:
    """At most so many ids of the agents that work in a zone."""
    params = {"tenant": tx.tenant, "zone": zone_id, "rows": rows}
    return [row.agent_id for row in await fetch(tx, _OF_ZONE, params)]
