"""All of a tenant that the model of its life speaks of, read in one statement."""

from typing import Any, Final

from booking_house import House
from life_model import CardModel, LifeModel
from sqlalchemy import text

_STORED: Final = text(
    """
    SELECT
        coalesce((SELECT json_object_agg(appointment_id, json_build_array(
                      state, version, coalesce(outcome_state_id, ''),
                      CAST(extract(epoch FROM starts_at) AS bigint), agent_id,
                      CASE WHEN coloured_start = starts_at THEN colour ELSE '' END))
                  FROM booking.appointments WHERE tenant_id = :t AND state <> 'FAILED'), '{}') AS cards,
        (SELECT json_build_array(purchased, taken, to_confirm, cancelled_in_step, to_recover, recovered, step)
         FROM booking.campaigns WHERE tenant_id = :t AND campaign_id = :c) AS counters,
        coalesce((SELECT json_object_agg(appointment_id, json_build_array(private, version))
                  FROM booking.recalls WHERE tenant_id = :t AND open), '{}') AS recalls,
        coalesce((SELECT json_object_agg(appointment_id, reason)
                  FROM booking.refix_exceptions WHERE tenant_id = :t AND open), '{}') AS exceptions,
        coalesce((SELECT json_object_agg(appointment_id, states) FROM (
                      SELECT appointment_id, array_agg(state ORDER BY claim_id) AS states
                      FROM booking.annulment_claims WHERE tenant_id = :t GROUP BY 1) AS c), '{}') AS claims,
        coalesce((SELECT json_object_agg(appointment_id, notes) FROM (
                      SELECT appointment_id, count(*) AS notes FROM booking.history
                      WHERE tenant_id = :t AND kind = 'NOTE' GROUP BY 1) AS n), '{}') AS notes,
        coalesce((SELECT json_object_agg(e.entry_id, json_build_array(
                      e.state, CAST(extract(epoch FROM o.starts_at) AS bigint)))
                  FROM booking.waitlist_entries e LEFT JOIN booking.offers o
                    ON o.tenant_id = e.tenant_id AND o.entry_id = e.entry_id AND o.state = 'OFFERED'
                  WHERE e.tenant_id = :t), '{}') AS waiting,
        (SELECT count(*) FROM booking.unavailabilities
         WHERE tenant_id = :t AND withdrawn_at IS NULL) AS absences
    """
)

_TIDY: Final = (
    "UPDATE booking.recalls SET open = false WHERE tenant_id = :t",
    "UPDATE booking.campaigns SET cancelled_in_step = 0, to_recover = 0 WHERE tenant_id = :t",
    "UPDATE booking.openings SET state = 'CLOSED' WHERE tenant_id = :t",
    "UPDATE booking.offers SET held = false, state = 'PASSED' WHERE tenant_id = :t AND state = 'OFFERED'",
)


async def stored(house: House, campaign_id: str) -> dict[str, Any]:
    """Cards, counters, open recalls and exceptions, claims, notes, who waits, absences."""
    async with house.desk.db.uow(house.tenant) as tx:
        found: dict[str, Any] = (await tx.run(_STORED, {"t": house.tenant, "c": campaign_id})).one()._asdict()
    return found


def wanted(
    model: LifeModel, waiting: dict[str, list[Any]], seconds: dict[int, int], agents: list[str]
) -> Any:
    """The same by the model; `seconds` are instants by hour."""
    package, cards = model.package, model.cards.items()

    def card(each: CardModel) -> list[Any]:
        start = seconds[each.start]
        return [each.state, each.version, each.outcome, start, agents[each.agent], each.colour]

    return {
        "cards": {key: card(each) for key, each in cards},
        "counters": [
            package.purchased,
            model.taken,
            model.to_confirm,
            package.cancelled_in_step,
            package.to_recover,
            package.recovered,
            package.step,
        ],
        "recalls": {key: [each.recall.private, each.recall.version] for key, each in cards if each.recall},
        "exceptions": {key: each.exception for key, each in cards if each.exception},
        "claims": {key: each.claims for key, each in cards if each.claims},
        "notes": {key: each.notes for key, each in cards if each.notes},
        "waiting": waiting,
        "absences": len(model.absences),
    }


async def tidy(house: House) -> None:
    """Leaves nothing to the workers, who look at all tenants, for the histories to come."""
    async with house.desk.db.uow(house.tenant) as tx:
        for statement in _TIDY:
            await tx.run(text(statement), {"t": house.tenant})
