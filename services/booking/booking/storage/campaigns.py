"""Campaigns, their agents and their counters."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.campaign import Campaign
from booking.domain.grounds import Grounds
from booking.storage import agenda_locks, parameters, rows
from kit.db.uow import NOW, Tx
from kit.values.latlng import LatLng
from kit.values.window import Window

_COLUMNS = """
    c.campaign_id, c.display_name, c.purchased, c.taken, c.to_confirm, c.cancelled_in_step, c.to_recover,
    c.recovered, c.step, c.level, c.skills, c.time_zone, c.buffer_seconds
"""

_AGENTS = """
    ARRAY(SELECT a.agent_id FROM booking.campaign_agents a
          WHERE a.tenant_id = c.tenant_id AND a.campaign_id = c.campaign_id ORDER BY a.agent_id) AS agent_ids
"""

_INSERT = text(
    """
    WITH campaign AS (
        INSERT INTO booking.campaigns
            (tenant_id, campaign_id, display_name, purchased, skills, time_zone, buffer_seconds)
        VALUES (:tenant, :campaign, :name, :purchased, CAST(:skills AS text[]), :zone, :buffer)
        RETURNING tenant_id, campaign_id, purchased
    ), first_step AS (
        INSERT INTO booking.package_steps (tenant_id, campaign_id, step, units)
        SELECT tenant_id, campaign_id, 1, purchased FROM campaign
    )
    INSERT INTO booking.campaign_agents (tenant_id, campaign_id, agent_id)
    SELECT campaign.tenant_id, campaign.campaign_id, agent
    FROM campaign, unnest(CAST(:agents AS text[])) AS agent
    """
)

_GET = text(
    f"""
    SELECT {_COLUMNS}, {_AGENTS} FROM booking.campaigns c
    WHERE c.tenant_id = :tenant AND c.campaign_id = :campaign
    """  # noqa: S608 - constants
)

_COUNTERS = text(
    f"SELECT {_COLUMNS} FROM booking.campaigns c"  # noqa: S608 - constants
    " WHERE c.tenant_id = :tenant AND c.campaign_id = :campaign"
)

_ZONES = text(
    """
    SELECT campaign_id, time_zone FROM booking.campaigns
    WHERE tenant_id = :tenant AND campaign_id = ANY (CAST(:campaigns AS text[]))
    """
)

_EXISTS = text("SELECT FROM booking.campaigns WHERE tenant_id = :tenant AND campaign_id = :campaign")

_LIST = text(
    f"""
    SELECT {_COLUMNS}, {_AGENTS} FROM booking.campaigns c
    WHERE c.tenant_id = :tenant AND c.campaign_id > :after
      AND (CAST(:only AS text[]) IS NULL OR c.campaign_id = ANY (CAST(:only AS text[])))
    ORDER BY c.campaign_id LIMIT :rows
    """  # noqa: S608 - constants
)

_AWAY = """
    (SELECT json_agg(json_build_array(u.agent_id, extract(epoch FROM u.starts_at)::bigint,
                                      extract(epoch FROM u.ends_at)::bigint, u.contact_id)
                     ORDER BY u.starts_at)
     FROM booking.unavailabilities u
     WHERE u.tenant_id = c.tenant_id AND u.withdrawn_at IS NULL AND {whose}
       AND u.ends_at > clock_timestamp() - interval '1 day')
"""

_AWAY_OF_ALL = _AWAY.format(
    whose="u.agent_id <> '' AND u.agent_id = ANY (ARRAY(SELECT w.agent_id FROM booking.campaign_agents w"
    " WHERE w.tenant_id = c.tenant_id AND w.campaign_id = c.campaign_id))"
)
_AWAY_OF_CONTACTS = _AWAY.format(
    whose="u.contact_id <> '' AND u.contact_id = ANY (CAST(:contacts AS text[]))"
)
_AWAY_OF_AGENT = _AWAY.format(whose="u.agent_id <> '' AND u.agent_id = :agent")
_AWAY_OF_CONTACT = _AWAY.format(whose="u.contact_id <> '' AND u.contact_id = :contact")

_TO_SUGGEST = {
    sandbox: text(
        f"""
        SELECT {_COLUMNS}, {_AGENTS}, {parameters.OF_CAMPAIGN} AS parameters, {now} AS now,
               (SELECT json_object_agg(k.contact_id, json_build_array(k.place, k.postcode))
                FROM booking.contacts k
                WHERE k.tenant_id = c.tenant_id AND k.campaign_id = c.campaign_id
                  AND k.contact_id = ANY (CAST(:contacts AS text[]))) AS places,
               {_AWAY_OF_ALL} AS agents_away, {_AWAY_OF_CONTACTS} AS contacts_away
        FROM booking.campaigns c
        WHERE c.tenant_id = :tenant AND c.campaign_id = :campaign
        """  # noqa: S608 - constants
    )
    for sandbox, now in NOW.items()
}

_TO_BOOK = {
    sandbox: text(
        f"""
        SELECT {_COLUMNS}, {parameters.OF_CAMPAIGN} AS parameters, {now} AS now,
               EXISTS (SELECT FROM booking.campaign_agents a
                       WHERE a.tenant_id = c.tenant_id AND a.campaign_id = c.campaign_id
                         AND a.agent_id = :agent) AS agent_works,
               (SELECT json_build_array(k.place, k.postcode) FROM booking.contacts k
                WHERE k.tenant_id = c.tenant_id AND k.campaign_id = c.campaign_id
                  AND k.contact_id = :contact) AS place,
               {_AWAY_OF_AGENT} AS agents_away, {_AWAY_OF_CONTACT} AS contacts_away
        FROM booking.campaigns c
        WHERE c.tenant_id = :tenant AND c.campaign_id = :campaign
        """  # noqa: S608 - constants
    )
    for sandbox, now in NOW.items()
}


@dataclass(frozen=True, slots=True)
class Read:
    """Grounds for all who ask about one campaign, with places and absences by contact."""

    grounds: Grounds
    places: Mapping[str, tuple[LatLng | None, str]]
    contacts_away: Mapping[str, Sequence[Window]]

    def of(self, contact_id: str) -> Grounds:
        """The grounds of one who asks about this contact, or about none."""
        absences = replace(self.grounds.absences, of_contact=self.contacts_away.get(contact_id, ()))
        point, postcode = self.places.get(contact_id, (None, ""))
        return replace(
            self.grounds,
            contact_point=point,
            contact_postcode=postcode,
            contact_unpinned=point is None and contact_id in self.places,
            absences=absences,
        )


async def insert(tx: Tx, campaign: Campaign) -> None:
    """Stores a campaign with its agents."""
    params = {
        "tenant": tx.tenant,
        "campaign": campaign.campaign_id,
        "name": campaign.display_name,
        "purchased": campaign.package.purchased,
        "skills": list(campaign.skills),
        "zone": campaign.time_zone,
        "buffer": int(campaign.buffer.total_seconds()),
        "agents": list(campaign.agent_ids),
    }
    await tx.run(_INSERT, params)


async def get(tx: Tx, campaign_id: str) -> Campaign:
    """One campaign with its agents. Raises NotFound naming `campaign_id`."""
    row = (await tx.run(_GET, {"tenant": tx.tenant, "campaign": campaign_id})).one_or_none()
    if row is None:
        raise errors.not_found("campaign", "campaign_id")
    return rows.campaign(row)


async def zones(tx: Tx, campaign_ids: Collection[str]) -> Mapping[str, str]:
    """IANA zones of their calendar days, by campaign."""
    found = await tx.run(_ZONES, {"tenant": tx.tenant, "campaigns": list(campaign_ids)})
    return {row.campaign_id: row.time_zone for row in found}


async def get_counters(tx: Tx, campaign_id: str) -> Campaign:
    """The same without its agents."""
    row = (await tx.run(_COUNTERS, {"tenant": tx.tenant, "campaign": campaign_id})).one_or_none()
    if row is None:
        raise errors.not_found("campaign", "campaign_id")
    return rows.campaign(row)


async def require(tx: Tx, campaign_id: str) -> None:
    """Raises NotFound naming `campaign_id` unless there is such a campaign."""
    found = await tx.run(_EXISTS, {"tenant": tx.tenant, "campaign": campaign_id})
    if found.first() is None:
        raise errors.not_found("campaign", "campaign_id")


async def page(tx: Tx, only: Collection[str] | None, after: str, count: int) -> Sequence[Campaign]:
    """Campaigns by id after one; `only` limits them, None does not."""
    params: dict[str, Any] = {
        "tenant": tx.tenant,
        "only": None if only is None else list(only),
        "after": after,
        "rows": count,
    }
    return [rows.campaign(row) for row in await tx.run(_LIST, params)]


async def grounds_to_suggest(
    tx: Tx, campaign_id: str, contact_ids: Collection[str], *, sandbox: bool
) -> Read | None:
    """The campaign with all its agents, and where those of the contacts are that it has.

    None when there is no such campaign. One statement, the clock included.
    """
    params = {"tenant": tx.tenant, "campaign": campaign_id, "contacts": list(contact_ids)}
    row = (await tx.run(_TO_SUGGEST[sandbox], params)).one_or_none()
    if row is None:
        return None
    places = {contact: _place(*found) for contact, found in (row.places or {}).items()}
    absences = rows.absences(row.agents_away, ())
    grounds = Grounds(rows.campaign(row), rows.parameters(row.parameters), row.now, absences=absences)
    return Read(grounds, places, rows.contacts_away(row.contacts_away))


async def grounds_to_book(
    tx: Tx, campaign_id: str, agent_id: str, contact_id: str, *, sandbox: bool
) -> Grounds | None:
    """What a booking, a hold or a move is judged by; None when there is no such campaign.

    Whoever notes an absence of the agent or the contact waits from here to the end of the transaction.
    """
    await agenda_locks.share(tx, agent_id, contact_id)
    params = {"tenant": tx.tenant, "campaign": campaign_id, "agent": agent_id, "contact": contact_id}
    row = (await tx.run(_TO_BOOK[sandbox], params)).one_or_none()
    if row is None:
        return None
    point, postcode = (None, "") if row.place is None else _place(*row.place)
    return Grounds(
        campaign=rows.campaign(row),
        parameters=rows.parameters(row.parameters),
        now=row.now,
        contact_point=point,
        contact_postcode=postcode,
        contact_unpinned=point is None and row.place is not None,
        agent_works=row.agent_works,
        absences=rows.absences(row.agents_away, rows.contacts_away(row.contacts_away).get(contact_id, ())),
    )


async def grounds_to_book_all(
    tx: Tx, campaign_id: str, visited: Collection[tuple[str, str]], *, sandbox: bool
) -> Mapping[tuple[str, str], Grounds]:
    """The same for many agents and contacts of one campaign; by agent and contact. Raises NotFound."""
    agents, contacts = {agent for agent, _ in visited}, {contact for _, contact in visited}
    await agenda_locks.share(tx, *sorted(agents | contacts))
    read = await grounds_to_suggest(tx, campaign_id, contacts, sandbox=sandbox)
    if read is None:
        raise errors.not_found("campaign", "campaign_id")
    works = frozenset(read.grounds.campaign.agent_ids)
    return {
        (agent, contact): replace(read.of(contact), agent_works=agent in works) for agent, contact in visited
    }


def _place(key: int | None, postcode: str) -> tuple[LatLng | None, str]:
    return None if key is None else LatLng.from_key(key), postcode
