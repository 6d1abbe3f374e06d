"""What reminders asks of booking and of its own texts, beside the providers of `ports`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from reminders.domain.reminder import Visit
from reminders.usecases.ports import Script


class Visits(Protocol):
    """Booking's appointments, with who is visited."""

    async def get(self, tenant: str, appointment_id: str) -> Visit:
        """The appointment as it is now. Raises NotFound, Unavailable."""

    async def get_all(self, tenant: str, appointment_ids: Sequence[str]) -> Mapping[str, Visit]:
        """Those of at most 200 that there are, as they are now, by id. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a reminder speaks of: `start` in the zone whose wall time the customer lives by, `phone`, the
    business's own, to call back (R-110).

    `opt_out`: whether a call's menu offers the key that stops calls to this number (RE-18).
    """

    organisation: str
    start: datetime
    phone: str
    opt_out: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail; a text message has no subject."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The language that is used. `fallback` says that it is not the wanted one: record it, show it."""

    language: str
    wanted: str
    fallback: bool


class Speech(Protocol):
    """What is said and written, by language."""

    def choose(self, wanted: str, otherwise: str) -> Choice:
        """The contact's language, or `otherwise`, the tenant's, where that is unknown or has no texts."""

    def call(self, language: str, spoken: Spoken) -> Script:
        """The texts of a call."""

    def text_message(self, language: str, spoken: Spoken) -> Letter:
        """A reminder by SMS."""

    def email(self, language: str, spoken: Spoken) -> Letter:
        """A reminder by e-mail."""

    def limit_letter(self, language: str, organisation: str, limit: int, day: datetime) -> Letter:
        """To the organisation, once its limit of the day is reached (R-130)."""

    def wrong_number_letter(self, language: str, appointment_id: str, start: datetime) -> Letter:
        """To the branch, about a number that nobody can be reached at (R-122)."""
