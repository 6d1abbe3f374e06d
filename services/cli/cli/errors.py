"""Why a command ended without its answer, and what a person can do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

NO, USAGE = 1, 2
"""Exit codes: the answer is no; the command was not understood. 0 is yes."""


class CommandFailed(Exception):
    """Ends the command with `exit_code`; `advice` says what to do next (may be empty)."""

    exit_code = NO

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class BadArgument(CommandFailed):
    """An argument that cannot be read; the message names it."""

    exit_code = USAGE


@dataclass
class Refused(CommandFailed):
    """The gateway's refusal: `reason` names a `giro.common.v1.ErrorReason` without its prefix."""

    status: int
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.message, ADVICE.get(self.reason, ""))


ADVICE: Mapping[str, str] = {
    "UNAUTHENTICATED": "sign in again: giro sign-in",
    "BAD_CREDENTIALS": "check e-mail and password; for the demo: giro sign-in --as operator",
    "ROLE_REQUIRED": "sign in as somebody whose role may do this: giro sign-in --as administrator",
    "OUT_OF_SCOPE": "your role is limited to other campaigns: giro whoami shows which",
    "NOT_FOUND": "check the id or the name; other tenants' things are not found either (giro whoami)",
    "REQUEST_IN_FLIGHT": "the same request is being worked on: look in a moment with giro appointments list",
    "STALE_VERSION": "somebody changed it since: look again with giro appointments show, then repeat",
    "CONTENTION": "others write the same agenda at this moment: repeat the command",
    "DATABASE_UNAVAILABLE": "see what is down: giro doctor",
    "SERVICE_UNAVAILABLE": "see what is down: giro doctor",
    "TRAVEL_UNAVAILABLE": "travel times cannot be had, so nothing is promised: giro doctor",
    "RATE_LIMITED": "wait a moment and repeat",
    "SANDBOX_OFF": "test clocks exist in sandbox mode only (GIRO_SANDBOX=true)",
    "LEAD_TIME": "choose a later start; giro parameters get lead_time shows the rule",
    "PACKAGE_FULL": "the campaign's package is used up: giro campaigns list shows it",
    "AGENT_NOT_IN_CAMPAIGN": "choose one of the campaign's agents: giro campaigns list",
    "NO_SKILL": "choose an agent with that skill: giro agents list",
    "WRONG_STATE": "giro appointments show tells the present state",
    "CHANGE_IN_PROGRESS": "another change of it is under way: repeat the command",
    "NOT_LATER": "postponing means a later start; for an earlier one use reassign --start",
    "SLOT_TOKEN_EXPIRED": "suggest again: giro slots suggest",
    "SLOT_TOKEN_STALE": "somebody was faster; suggest again: giro slots suggest",
    "SLOT_TOKEN_INVALID": "suggest again: giro slots suggest",
    "SLOT_TAKEN": "somebody was faster; suggest again: giro slots suggest",
    "HOLD_EXPIRED": "suggest and hold again: giro slots suggest",
    "TRAVEL_IN": "a later start would fit; giro slots suggest --explain shows by how much",
    "TRAVEL_OUT": "an earlier start would fit; giro slots suggest --explain shows by how much",
    "OUTSIDE_SHIFT": "giro agents list shows the shifts",
    "ON_BREAK": "giro agent day shows the breaks",
    "ABSENT": "giro agent day shows the absence",
    "UNREACHABLE": "no road leads there: check the place",
    "MANDATORY_MISSING": "give it with --value NAME=VALUE; giro outcomes list shows what is mandatory",
    "POLICY_CONTRADICTION": "giro modes check lists what contradicts itself",
    "SUPERSEDED": "a new card took its place: giro outcomes history tells which",
    "CONTACT_UNAVAILABLE": "giro unavailability list --contact shows the days that were told",
    "DOCUMENT_REFUSED": "keep a PDF, a JPEG, a PNG or a DOCX of an allowed size",
    "TOO_LATE": "the deadline has passed; days away that are told late take a supervisor and --override WHY",
    "AGENT_CONTACTED": "giro claims contacts shows how; another reason may hold",
    "OUTCOMES_DUE": "write what became of the earlier visits first: giro outcomes set",
    "OUTSIDE_ZONE": "giro zones list shows who works where",
    "QUOTA": "choose another day or agent; giro roads get max_visits_per_day --agent shows the rule",
    "ZONE_IN_USE": "take it from its agents first: giro zones assign",
    "SETTLED": "this id was given up before; start anew with giro slots suggest",
    "LEDGER_REFUSED": "nothing was written; tell your operators, and see giro geo verify",
}
