"""Modes and procedures, made and replaced; the lint of the whole policy (R-031, R-032)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from booking.domain import errors
from booking.domain.parameters import Parameters, definition, stored
from booking.domain.refix_modes import BUILT_IN, Contradiction, Mode, Policy, Procedure, lint
from booking.storage import campaigns, policies
from booking.storage.parameters import Place
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.db.uow import Tx
from kit.errors import InvalidInput, NotFound
from kit.parameters import Parameter, Scope
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy as it would be: values by name or code, and procedures, on top of what is stored."""

    values: Sequence[tuple[str, str]] = ()
    procedures: Sequence[Procedure] = ()


def require_no_new(before: Policy, after: Policy) -> None:
    """Raises POLICY_CONTRADICTION with what would be refused and was not there before."""
    found = [each for each in lint(after) if each.refused and each not in set(lint(before))]
    if found:
        codes = tuple(dict.fromkeys(each.code for each in found))
        messages = tuple(f"{each.subject}: {each.message} ({each.rule})" for each in found)
        raise errors.contradiction(codes, messages)


async def upsert_mode(desk: Desk, mode: Mode) -> Mode:
    """Makes or replaces a mode. Raises NotFound naming the first of `outcome_state_ids` that is none."""
    reach().require_whole()
    async with desk.db.uow(caller().tenant) as tx:
        policy = await policies.load(tx, "")
        _require_states(policy, mode.state_ids)
        await policies.put_mode(tx, mode)
    return mode


async def list_modes(desk: Desk) -> Sequence[tuple[Mode, bool]]:
    """All by id, each with whether it is a built-in one as it came."""
    async with desk.db.uow(caller().tenant) as tx:
        found = await policies.modes(tx)
    return [(mode, mode in BUILT_IN) for mode in found.values()]


async def upsert_procedure(desk: Desk, procedure: Procedure) -> Procedure:
    """Makes or replaces a procedure.

    Raises NotFound naming `state_id` or the first of `outcome_state_ids` that is none, POLICY_CONTRADICTION.
    """
    reach().require_whole()
    async with desk.db.uow(caller().tenant) as tx:
        policy = await policies.load(tx, "")
        if procedure.state_id and procedure.state_id not in policy.states:
            raise errors.not_found("outcome state", "state_id")
        _require_states(policy, procedure.outcome_state_ids)
        after = {**policy.procedures, procedure.procedure_id: procedure}
        require_no_new(policy, replace(policy, procedures=after))
        await policies.put_procedure(tx, procedure)
    return procedure


async def list_procedures(desk: Desk) -> Sequence[Procedure]:
    """All by id."""
    async with desk.db.uow(caller().tenant) as tx:
        return list((await policies.procedures(tx)).values())


async def validate_policy(desk: Desk, place: Place, draft: Draft) -> Sequence[Contradiction]:
    """Every contradiction of the policy as a campaign or a user has it, with the draft on top.

    Raises NotFound naming `campaign_id` or a parameter, InvalidInput naming a value.
    """
    if place.campaign_id:
        reach().require_campaign(place.campaign_id)
    async with desk.db.uow(caller().tenant) as tx:
        if place.campaign_id:
            await campaigns.require(tx, place.campaign_id)
        policy = await policies.load(tx, place.campaign_id, place.user_id)
    procedures = {**policy.procedures, **{each.procedure_id: each for each in draft.procedures}}
    return lint(replace(policy, procedures=procedures, parameters=_with(policy.parameters, draft, place)))


async def require_goes_together(tx: Tx, before: Policy, place: Place) -> None:
    """After parameters were set: raises POLICY_CONTRADICTION for what they contradict in their scope."""
    require_no_new(before, await policies.load(tx, place.campaign_id, place.user_id))


def _with(parameters: Parameters, draft: Draft, place: Place) -> Parameters:
    scope = Scope.USER if place.user_id else Scope.CAMPAIGN if place.campaign_id else Scope.TENANT
    values = {name: dict(texts) for name, texts in parameters.values.items()}
    for position, (name, text) in enumerate(draft.values):
        parameter = _named(name, position)
        of_name = values.setdefault(parameter.name, {})
        of_name.pop(scope, None)
        if text:
            of_name[scope] = _text(parameter.name, text, position)
    return Parameters(values)


def _named(name: str, position: int) -> Parameter[Any]:
    try:
        return definition(name)
    except NotFound:
        raise errors.not_found("parameter", f"parameters[{position}].name") from None


def _text(name: str, text: str, position: int) -> str:
    try:
        return stored(definition(name), text)
    except InvalidInput as refused:
        raise errors.invalid(f"parameters[{position}].value", refused.message) from None


def _require_states(policy: Policy, state_ids: Sequence[str]) -> None:
    for position, state_id in enumerate(state_ids):
        if state_id not in policy.states:
            raise errors.not_found("outcome state", f"outcome_state_ids[{position}]")
