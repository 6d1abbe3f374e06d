"""What every change leaves behind in its own transaction: its event, kept, and how it came to be (BK-47)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from booking.domain.appointment import Appointment
from booking.domain.campaign import Campaign
from booking.domain.decision import (
    Channel,
    Chooser,
    Decision,
    Rule,
    applied,
    chooser,
    policy_version,
)
from booking.domain.itinerary import Reservation
from booking.domain.parameters import Parameters
from booking.domain.refix_modes import Policy
from booking.events.kept import ToldChange, personal
from booking.storage import appointment_events
from kit.db.uow import Tx
from kit.parameters import Parameter
from kit.rpc.context import caller

ANSWER: Final = "answer to a reminder"
ANNULMENT: Final = "annulment"


@dataclass(frozen=True, slots=True)
class Begun:
    """A change whose decision was noted under this id when it began; with the stop that the ledger made."""

    change_id: str
    stop: Reservation | None = None


async def note(tx: Tx, change_id: str, decision: Decision) -> None:
    """Keeps what a change that takes several transactions is decided upon."""
    await appointment_events.note(tx, change_id, decision)


async def note_all(tx: Tx, change_ids: Sequence[str], decision: Decision) -> None:
    """The same for many changes."""
    await appointment_events.note_all(tx, change_ids, decision)


async def keep(tx: Tx, told: ToldChange, how: Decision | Begun) -> None:
    """Keeps an event with how it came to be. The appointment's row is locked by the change itself."""
    await appointment_events.add(tx, _event(told, how))


async def keep_all(tx: Tx, told: Sequence[tuple[ToldChange, Begun]]) -> None:
    """The same for events of different appointments."""
    await appointment_events.add_all(tx, [_event(*one) for one in told])


def _event(told: ToldChange, how: Decision | Begun) -> appointment_events.Event:
    stop = how.stop if isinstance(how, Begun) else None
    return appointment_events.Event(
        appointment_id=told.after.appointment_id,
        event_id=told.event_id,
        event=told.happened.value,
        made_version=told.made_version,
        payload=told.payload,
        personal=personal(told.after),
        change_id=how.change_id if isinstance(how, Begun) else "",
        decision=how if isinstance(how, Decision) else None,
        left=None if told.left is None else (told.left.agent_id, told.left.window),
        legs=(None, None) if stop is None else (stop.leg_before, stop.leg_after),
    )


def who(by: str = "") -> Chooser:
    """The caller."""
    found = caller()
    made = chooser(found.subject, {grant.role for grant in found.grants}, found.service)
    return Chooser(made.subject, made.channel, made.roles, by)


def by_caller(by: str = "", *rules: Rule) -> Decision:
    """A decision that no parameter counts for."""
    return Decision(who(by), rules=rules)


def customer(appointment: Appointment, by: str) -> Chooser:
    """The person to visit, who answered."""
    return Chooser(appointment.contact_id, Channel.CUSTOMER, (), by)


def procedure(procedure_id: str) -> Chooser:
    """A scheduled procedure."""
    return Chooser(procedure_id, Channel.PROCEDURE)


def by_policy(
    made_by: Chooser,
    parameters: Parameters,
    asked: Sequence[Parameter[Any]],
    campaign: Campaign | None = None,
    **more: Any,
) -> Decision:
    """A decision by these parameters of a campaign; `more` are further fields of it."""
    version = policy_version(parameters, campaign)
    return Decision(made_by, version, applied(parameters, asked), **more)


def refix_rules(policy: Policy, outcome_state_id: str) -> tuple[Rule, ...]:
    """The outcome state that a re-fix follows, and the mode it is done in."""
    state = policy.states.get(outcome_state_id)
    mode = policy.mode_of(state)
    rules = () if state is None else (rule("outcome_state", state.state_id, state),)
    return rules if mode is None else (*rules, rule("refix_mode", mode.mode_id, mode))


def rule(kind: str, ident: str, row: Any) -> Rule:
    """A row of policy, a dataclass, as it is now."""
    return Rule(kind, ident, json.dumps(asdict(row), sort_keys=True, default=_text))


def _text(value: object) -> object:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
