"""Modes and procedures, made and replaced; the lint of the whole policy (R-031, R-032)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
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
from kit.failpoints import failpoint
from kit.parameters import Parameter, Scope
from kit.rpc.context import caller


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy as it would be: values by name or code, and procedures, on top of what is stored."""

    values: Sequence[tuple[str, str]] = ()
    procedures: Sequence[Procedure] = ()


@asynccontextmanager
async def only_writer(tx: Tx) -> AsyncIterator[None]:
    """Until the commit nobody else writes the policy: two who do not see each other cannot contradict.

    Raises POLICY_CONTRADICTION when what was written meanwhile contradicts itself in the tenant, or in any
    campaign or for any user that has values of its own, and did not before (R-032).
    """
    await policies.lock(tx)
    before = await _refused_anywhere(tx)
    yield
    after = await _refused_anywhere(tx)
    found = sorted((key[-1], after[key]) for key in after.keys() - before.keys())
    if found:
        codes = tuple(dict.fromkeys(each.code for each, _ in found))
        messages = tuple(f"{where}{each.subject}: {each.message} ({each.rule})" for each, where in found)
        raise errors.contradiction(codes, messages)
    await failpoint("booking.policy.before_commit")


async def _refused_anywhere(tx: Tx) -> Mapping[tuple[policies.Own, policies.Own, Contradiction], str]:
    """What would be refused, with the place in words that it was found in."""
    policy = await policies.load(tx, "")
    return {
        (apart.of_campaign, apart.of_user, each): apart.place
        for apart in await policies.places_apart(tx)
        for each in lint(replace(policy, parameters=apart.parameters))
        if each.refused
    }


async def upsert_mode(desk: Desk, mode: Mode) -> Mode:
    """Makes or replaces a mode.

    Raises NotFound naming the first of `outcome_state_ids` that is none, POLICY_CONTRADICTION.
    """
    reach().require_whole()
    async with desk.db.uow(caller().tenant) as tx, only_writer(tx):
        _require_states(await policies.load(tx, ""), mode.state_ids)
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
    async with desk.db.uow(caller().tenant) as tx, only_writer(tx):
        policy = await policies.load(tx, "")
        if procedure.state_id and procedure.state_id not in policy.states:
            raise errors.not_found("outcome state", "state_id")
        _require_states(policy, procedure.outcome_state_ids)
        described = _described(policy, procedure)
        await policies.put_procedure(tx, described)
    return described


def _described(policy: Policy, procedure: Procedure) -> Procedure:
    """With the description that it has, the built-in one's to begin with, where no other is told (R-063)."""
    known = policy.procedures.get(procedure.procedure_id)
    if procedure.description or known is None:
        return procedure
    return replace(procedure, description=known.description)


async def list_procedures(desk: Desk) -> Sequence[Procedure]:
    """All by id."""
    async with desk.db.uow(caller().tenant) as tx:
        return list((await policies.procedures(tx)).values())


async def validate_policy(desk: Desk, place: Place, draft: Draft) -> Sequence[Contradiction]:
    """Every contradiction of the policy as a campaign or a user has it, with the draft on top.

    Raises NotFound naming `campaign_id` or a parameter, InvalidInput naming a value, or what is there twice.
    """
    if place.campaign_id:
        reach().require_campaign(place.campaign_id)
    ids = [each.procedure_id for each in draft.procedures]
    for position, procedure_id in enumerate(ids):
        if procedure_id in ids[:position]:
            raise errors.invalid(f"procedures[{position}].procedure_id", "is there twice")
    async with desk.db.uow(caller().tenant) as tx:
        if place.campaign_id:
            await campaigns.require(tx, place.campaign_id)
        policy = await policies.load(tx, place.campaign_id, place.user_id)
    procedures = {**policy.procedures, **{each.procedure_id: each for each in draft.procedures}}
    return lint(replace(policy, procedures=procedures, parameters=_with(policy.parameters, draft, place)))


def _with(parameters: Parameters, draft: Draft, place: Place) -> Parameters:
    scope = Scope.USER if place.user_id else Scope.CAMPAIGN if place.campaign_id else Scope.TENANT
    values = {name: dict(texts) for name, texts in parameters.values.items()}
    seen: set[str] = set()
    for position, (name, text) in enumerate(draft.values):
        parameter = _named(name, position)
        if parameter.name in seen:
            raise errors.invalid(f"parameters[{position}].name", f"{parameter.name} is there twice")
        seen.add(parameter.name)
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
