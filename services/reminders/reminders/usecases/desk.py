"""What every use case works with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from kit.db.engine import Database
from reminders.domain.reminder import Channel
from reminders.usecases.outside import Speech, Visits
from reminders.usecases.ports import MessageProvider, VoiceProvider


@dataclass(frozen=True, slots=True)
class Timers:
    """How long what is technical may take; the rules of the business are parameters.

    `lease`: from a claim to its attempt's row. `give_up`: from that row to the provider's beginning to ring.
    `look_up`: from then on to asking what became of a call, twice as long each time, up to `look_up_most`.
    `look_up_for`: from that row to asking no more, whether nobody can tell or the call is said to go on.
    """

    lease: timedelta = timedelta(seconds=30)
    give_up: timedelta = timedelta(seconds=20)
    look_up: timedelta = timedelta(seconds=10)
    look_up_most: timedelta = timedelta(minutes=5)
    look_up_for: timedelta = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Desk:
    """The database and all that is remote; made by the composition root."""

    db: Database
    visits: Visits
    speech: Speech
    voice: VoiceProvider
    messages: Mapping[Channel, MessageProvider]
    tz_version: str
    timers: Timers = field(default_factory=Timers)
