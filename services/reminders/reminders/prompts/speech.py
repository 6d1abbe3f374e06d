"""The catalogue of texts as use cases ask for them."""

from datetime import datetime

from reminders.prompts.catalogue import Catalogue
from reminders.usecases.outside import Choice, Letter, Spoken
from reminders.usecases.ports import Script


class Prompts:
    """Implements `usecases.outside.Speech`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def choose(self, wanted: str, otherwise: str) -> Choice:
        """The wanted language wherever it has texts."""
        return self._catalogue.choose(wanted, (otherwise, *self._catalogue.languages))

    def call(self, language: str, spoken: Spoken) -> Script:
        """The texts of a call."""
        return self._catalogue.spoken(language, spoken)

    def text_message(self, language: str, spoken: Spoken) -> Letter:
        """A reminder by SMS."""
        return Letter("", self._catalogue.sms(language, spoken))

    def email(self, language: str, spoken: Spoken) -> Letter:
        """A reminder by e-mail."""
        return self._catalogue.email(language, spoken)

    def limit_letter(self, language: str, organisation: str, limit: int, day: datetime) -> Letter:
        """To the organisation, once its limit of the day is reached."""
        return self._catalogue.limit_letter(language, organisation, limit, day)

    def wrong_number_letter(self, language: str, appointment_id: str, start: datetime) -> Letter:
        """To the branch, about a number that nobody can be reached at."""
        return self._catalogue.wrong_number_letter(language, appointment_id, start)
