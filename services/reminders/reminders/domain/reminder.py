"""Plans of appointments, their reminders, and the attempts to make them.

A reminder: WAITING -> CLAIMED -> CALLING -> WAITING (a repetition, the next channel) | DONE
            WAITING, CLAIMED -> CANCELLED (with its appointment) | DROPPED (by rule, with its reason)
An attempt: ASKED -> UNDER_WAY -> ENDED | NEVER_PLACED | UNSETTLED
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Where a reminder is."""

    WAITING = "WAITING"
    CLAIMED = "CLAIMED"
    CALLING = "CALLING"
    DONE = "DONE"
    DROPPED = "DROPPED"
    CANCELLED = "CANCELLED"


class Channel(StrEnum):
    """How the contact is reached."""

    VOICE = "VOICE"
    EMAIL = "EMAIL"
    SMS = "SMS"


class AttemptState(StrEnum):
    """How far an attempt has come."""

    ASKED = "ASKED"
    """Its row is there; the provider may or may not have been asked."""
    UNDER_WAY = "UNDER_WAY"
    ENDED = "ENDED"
    NEVER_PLACED = "NEVER_PLACED"
    """The provider does not know it and will not place it any more: nothing rang."""
    UNSETTLED = "UNSETTLED"
    """Nobody could tell before the visit began."""


class Outcome(StrEnum):
    """What a reminder came to."""

    COMING = "COMING"
    NOT_COMING = "NOT_COMING"
    NO_ANSWER = "NO_ANSWER"
    WRONG_NUMBER = "WRONG_NUMBER"
    SENT = "SENT"
    """A message went out last; it asks for no answer."""


class Answer(StrEnum):
    """What a key means: 1 and 2 (R-111, R-112)."""

    COMING = "1"
    NOT_COMING = "2"


OPT_OUT_KEY = "9"
"""Stops calls to the number that is being called, and says nothing of the visit (RE-18)."""


@dataclass(frozen=True, slots=True)
class Visit:
    """An appointment as booking tells it, and who is visited. Empty texts are not known.

    `takes_place`: it was neither cancelled nor is it over.
    """

    appointment_id: str
    version: int
    campaign_id: str
    contact_id: str
    start: datetime
    zone: str
    name: str = ""
    phone: str = ""
    email: str = ""
    language: str = ""
    takes_place: bool = True

    @property
    def reached_at(self) -> tuple[str, str, str, str]:
        """How the contact is addressed and reached, which is corrected without a new version of the visit."""
        return self.name, self.phone, self.email, self.language

    def address(self, channel: Channel) -> str:
        """Where a channel reaches the contact; empty for nowhere."""
        return self.email if channel is Channel.EMAIL else self.phone


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder of one appointment, `offset` before its `start`.

    `run_at` is the instant of its next step, `fence` grows with each claim. `attempt` counts the attempts
    made, `rings` the calls that may have rung. `by_plan`: `run_at` follows from `due_at` alone; else a call,
    the limit of a day or a change of channel set it.
    """

    reminder_id: str
    appointment_id: str
    start: datetime
    offset: timedelta
    zone: str
    due_at: datetime
    run_at: datetime
    state: State
    channel: Channel
    attempt: int
    rings: int
    fence: int
    by_plan: bool = True
    outcome: str = ""
    reason: str = ""


def answer_of(digit: str | None) -> Answer | None:
    """The answer that a key stands for; None for none and for any other key."""
    return next((each for each in Answer if each.value == digit), None)
