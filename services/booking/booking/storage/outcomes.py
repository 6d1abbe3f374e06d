"""Outcome states, list states and characteristics of a tenant: small tables, read whole."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from booking.domain import errors
from booking.domain.outcomes import RECALLS, Characteristic, Kind, ListState, OutcomeState, Recall, Result
from kit.db.uow import Tx

_LIST_STATES = text(
    "SELECT code, display_name, default_delay_seconds FROM booking.list_states"
    " WHERE tenant_id = :tenant ORDER BY code"
)

_PUT_LIST_STATE = text(
    """
    INSERT INTO booking.list_states (tenant_id, code, display_name, default_delay_seconds)
    VALUES (:tenant, :code, :name, :delay)
    ON CONFLICT (tenant_id, code) DO UPDATE
    SET display_name = excluded.display_name, default_delay_seconds = excluded.default_delay_seconds
    """
)

_CHARACTERISTICS = text(
    "SELECT characteristic_id, display_name, kind, choices FROM booking.characteristics"
    " WHERE tenant_id = :tenant ORDER BY characteristic_id"
)

_PUT_CHARACTERISTIC = text(
    """
    INSERT INTO booking.characteristics (tenant_id, characteristic_id, display_name, kind, choices)
    VALUES (:tenant, :id, :name, :kind, CAST(:choices AS text[]))
    ON CONFLICT (tenant_id, characteristic_id) DO UPDATE
    SET display_name = excluded.display_name, kind = excluded.kind, choices = excluded.choices
    """
)

_STATE_COLUMNS = """
    state_id, display_name, result, list_state, recall, mandatory, visible, refix, note_required
"""

_STATES = text(
    f"SELECT {_STATE_COLUMNS} FROM booking.outcome_states"  # noqa: S608 - constants
    " WHERE tenant_id = :tenant ORDER BY state_id"
)

_STATE = text(
    f"SELECT {_STATE_COLUMNS} FROM booking.outcome_states"  # noqa: S608 - constants
    " WHERE tenant_id = :tenant AND state_id = :id"
)

_PUT_STATE = text(
    f"""
    INSERT INTO booking.outcome_states (tenant_id, {_STATE_COLUMNS})
    VALUES (:tenant, :id, :name, :result, :list_state, :recall, CAST(:mandatory AS text[]),
            CAST(:visible AS text[]), :refix, :note_required)
    ON CONFLICT (tenant_id, state_id) DO UPDATE
    SET display_name = excluded.display_name, result = excluded.result, list_state = excluded.list_state,
        recall = excluded.recall, mandatory = excluded.mandatory, visible = excluded.visible,
        refix = excluded.refix, note_required = excluded.note_required
    """  # noqa: S608 - constants
)


async def list_states(tx: Tx) -> Mapping[str, ListState]:
    """By code; W is there even when the tenant never spoke of it."""
    found = {RECALLS.code: RECALLS}
    for row in await tx.run(_LIST_STATES, {"tenant": tx.tenant}):
        delay = timedelta(seconds=row.default_delay_seconds)
        found[row.code] = ListState(row.code, row.display_name, delay)
    return dict(sorted(found.items()))


async def put_list_state(tx: Tx, state: ListState) -> None:
    """Makes or replaces one."""
    delay = int(state.default_delay.total_seconds())
    params = {"tenant": tx.tenant, "code": state.code, "name": state.display_name, "delay": delay}
    await tx.run(_PUT_LIST_STATE, params)


async def characteristics(tx: Tx) -> Mapping[str, Characteristic]:
    """By id."""
    found = await tx.run(_CHARACTERISTICS, {"tenant": tx.tenant})
    return {
        row.characteristic_id: Characteristic(
            row.characteristic_id, row.display_name, Kind(row.kind), tuple(row.choices)
        )
        for row in found
    }


async def put_characteristic(tx: Tx, characteristic: Characteristic) -> None:
    """Makes or replaces one."""
    params = {
        "tenant": tx.tenant,
        "id": characteristic.characteristic_id,
        "name": characteristic.display_name,
        "kind": characteristic.kind.value,
        "choices": list(characteristic.choices),
    }
    await tx.run(_PUT_CHARACTERISTIC, params)


async def states(tx: Tx) -> Mapping[str, OutcomeState]:
    """By id."""
    found = await tx.run(_STATES, {"tenant": tx.tenant})
    return {row.state_id: _state(row) for row in found}


async def state(tx: Tx, state_id: str) -> OutcomeState:
    """One outcome state. Raises NotFound naming `state_id`."""
    found = await state_or_none(tx, state_id)
    if found is None:
        raise errors.not_found("outcome state", "state_id")
    return found


async def state_or_none(tx: Tx, state_id: str) -> OutcomeState | None:
    """The same, or None for an id that is none."""
    row = (await tx.run(_STATE, {"tenant": tx.tenant, "id": state_id})).one_or_none()
    return None if row is None else _state(row)


async def put_state(tx: Tx, state: OutcomeState) -> None:
    """Makes or replaces one."""
    params = {
        "tenant": tx.tenant,
        "id": state.state_id,
        "name": state.display_name,
        "result": state.result.value,
        "list_state": state.list_state,
        "recall": state.recall.value,
        "mandatory": list(state.mandatory),
        "visible": list(state.visible),
        "refix": state.refix,
        "note_required": state.note_required,
    }
    await tx.run(_PUT_STATE, params)


def _state(row: Any) -> OutcomeState:
    return OutcomeState(
        state_id=row.state_id,
        display_name=row.display_name,
        result=Result(row.result),
        list_state=row.list_state,
        recall=Recall(row.recall),
        mandatory=tuple(row.mandatory),
        visible=tuple(row.visible),
        refix=row.refix,
        note_required=row.note_required,
    )
