"""Modes and procedures of a tenant on top of the built-in ones, and the whole policy together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import text

from booking.domain.parameters import Parameters
from booking.domain.refix_modes import BUILT_IN, PROCEDURES, Mode, Policy, Procedure, Work
from booking.domain.refix_parameters import REFIXING
from booking.storage import outcomes, parameters
from kit.db.uow import Tx
from kit.db.worker import WorkerTx, by_tenants_clocks
from kit.parameters import Scope

Own = frozenset[tuple[str, str]]
"""Values of one scope: (name, JSON text)."""

_MODE: TypeAdapter[Mode] = TypeAdapter(Mode)

_MODES = text("SELECT mode FROM booking.refix_modes WHERE tenant_id = :tenant")

_PUT_MODE = text(
    """
    INSERT INTO booking.refix_modes (tenant_id, mode_id, mode)
    VALUES (:tenant, :id, CAST(:mode AS jsonb))
    ON CONFLICT (tenant_id, mode_id) DO UPDATE SET mode = excluded.mode
    """
)

_COLUMNS = """
    procedure_id, kind, display_name, description, interval_seconds, state_id, outcome_state_ids, active
"""

_PROCEDURES = text(f"SELECT {_COLUMNS} FROM booking.procedures WHERE tenant_id = :tenant")  # noqa: S608

_PUT_PROCEDURE = text(
    f"""
    INSERT INTO booking.procedures (tenant_id, {_COLUMNS}, next_run_at)
    VALUES (:tenant, :id, :kind, :name, :description, :interval, nullif(:state, ''),
            CAST(:outcomes AS text[]), :active, :now)
    ON CONFLICT (tenant_id, procedure_id) DO UPDATE
    SET kind = excluded.kind, display_name = excluded.display_name, description = excluded.description,
        interval_seconds = excluded.interval_seconds, state_id = excluded.state_id,
        outcome_state_ids = excluded.outcome_state_ids, active = excluded.active,
        next_run_at = excluded.next_run_at
    """  # noqa: S608 - constants
)

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:policy, 0))")

_OWN = text(
    f"""
    SELECT scope, own, min(place) AS place
    FROM (SELECT {parameters.SCOPE} AS scope, coalesce(p.user_id, p.campaign_id, '') AS place,
                 jsonb_object_agg(p.name, p.value) AS own
          FROM booking.parameters p
          WHERE p.tenant_id = :tenant AND p.name = ANY (CAST(:names AS text[]))
          GROUP BY 1, 2) AS each
    GROUP BY scope, own ORDER BY place
    """  # noqa: S608 - constants
)

_DUE = by_tenants_clocks(
    """
    SELECT p.tenant_id, p.procedure_id FROM booking.procedures p {ahead}
    WHERE p.active AND p.next_run_at <= {now} ORDER BY p.next_run_at LIMIT :rows
    """,
    "p.tenant_id",
)

_RAN = text(
    """
    UPDATE booking.procedures
    SET next_run_at = CAST(:now AS timestamptz) + make_interval(secs => interval_seconds)
    WHERE tenant_id = :tenant AND procedure_id = :id AND next_run_at <= :now
    """
)


async def modes(tx: Tx) -> Mapping[str, Mode]:
    """By id: the built-in ones, replaced and joined by the tenant's."""
    found = {mode.mode_id: mode for mode in BUILT_IN}
    for row in await tx.run(_MODES, {"tenant": tx.tenant}):
        mode = _MODE.validate_python(row.mode)
        found[mode.mode_id] = mode
    return dict(sorted(found.items()))


async def put_mode(tx: Tx, mode: Mode) -> None:
    """Makes or replaces one."""
    params = {"tenant": tx.tenant, "id": mode.mode_id, "mode": _MODE.dump_json(mode).decode()}
    await tx.run(_PUT_MODE, params)


async def procedures(tx: Tx) -> Mapping[str, Procedure]:
    """By id: the built-in ones, replaced and joined by the tenant's."""
    found = {procedure.procedure_id: procedure for procedure in PROCEDURES}
    for row in await tx.run(_PROCEDURES, {"tenant": tx.tenant}):
        found[row.procedure_id] = _procedure(row)
    return dict(sorted(found.items()))


async def put_procedure(tx: Tx, procedure: Procedure) -> None:
    """Makes or replaces one; it runs next as soon as the worker looks."""
    params = {
        "tenant": tx.tenant,
        "id": procedure.procedure_id,
        "kind": procedure.kind.value,
        "name": procedure.display_name,
        "description": procedure.description,
        "interval": int(procedure.interval.total_seconds()),
        "state": procedure.state_id,
        "outcomes": list(procedure.outcome_state_ids),
        "active": procedure.active,
        "now": await tx.now(),
    }
    await tx.run(_PUT_PROCEDURE, params)


async def load(tx: Tx, campaign_id: str, user_id: str = "") -> Policy:
    """All that decides how an outcome is re-fixed in a campaign, by a user; empty: tenant, anyone."""
    return Policy(
        states=await outcomes.states(tx),
        procedures=await procedures(tx),
        modes=await modes(tx),
        parameters=await parameters.effective(tx, campaign_id, user_id),
    )


async def lock(tx: Tx) -> None:
    """Waits for others who write the tenant's policy, and keeps them from it until the commit."""
    await tx.run(_LOCK, {"policy": f"booking policy {tx.tenant}"})


@dataclass(frozen=True, slots=True)
class Apart:
    """A place whose re-fixing values are its own: the campaign's and the user's, and what counts with them.

    `place` names it in words. Places with equal values are one: what matters is how values meet.
    """

    of_campaign: Own
    of_user: Own
    place: str = field(compare=False)
    parameters: Parameters = field(compare=False)


async def places_apart(tx: Tx) -> Sequence[Apart]:
    """The tenant, and every campaign, user, and user in a campaign with values of their own."""
    found = await tx.run(_OWN, {"tenant": tx.tenant, "names": [each.name for each in REFIXING]})
    own: dict[Scope, dict[Own, str]] = {
        scope: {frozenset(): ""} for scope in (Scope.TENANT, Scope.CAMPAIGN, Scope.USER)
    }
    for row in found:
        own[Scope[row.scope]][frozenset(row.own.items())] = f"{row.scope.lower()} {row.place}: "
    tenant = list(own[Scope.TENANT])[-1]
    return [
        Apart(of_campaign, of_user, campaign + user, _meeting(tenant, of_campaign, of_user))
        for of_campaign, campaign in own[Scope.CAMPAIGN].items()
        for of_user, user in own[Scope.USER].items()
    ]


def _meeting(tenant: Own, of_campaign: Own, of_user: Own) -> Parameters:
    values: dict[str, dict[Scope, str]] = {}
    for scope, own in ((Scope.TENANT, tenant), (Scope.CAMPAIGN, of_campaign), (Scope.USER, of_user)):
        for name, value in own:
            values.setdefault(name, {})[scope] = value
    return Parameters(values)


async def due(tx: WorkerTx, count: int, *, sandbox: bool) -> Sequence[tuple[str, str]]:
    """(tenant, procedure) whose time has come, the oldest first; each tenant by its own clock."""
    return [(row.tenant_id, row.procedure_id) for row in await tx.run(_DUE[sandbox], {"rows": count})]


async def ran(tx: Tx, procedure_id: str) -> None:
    """Nothing is left to do: the next run is one interval from now."""
    await tx.run(_RAN, {"tenant": tx.tenant, "id": procedure_id, "now": await tx.now()})


def _procedure(row: Any) -> Procedure:
    return Procedure(
        procedure_id=row.procedure_id,
        kind=Work(row.kind),
        display_name=row.display_name,
        description=row.description,
        interval=timedelta(seconds=row.interval_seconds),
        state_id=row.state_id or "",
        outcome_state_ids=tuple(row.outcome_state_ids),
        active=row.active,
    )
