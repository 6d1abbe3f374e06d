"""What is said and written in each language, filled in for one visit (R-107)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from reminders.domain.reminder import OPT_OUT_KEY
from reminders.prompts import lint
from reminders.prompts.texts import KEYS, Texts, read, shipped
from reminders.usecases.outside import Choice, Letter, Spoken
from reminders.usecases.ports import Script

_LONGEST_NAME: Final = 100


class PromptFaults(Exception):
    """Texts that can't be used; one line a fault."""


class NoLanguage(Exception):
    """None of a tenant's languages has texts."""


class Catalogue:
    """Texts of every language. Refuses to be made of texts with faults."""

    def __init__(self, files: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes parsed files by language. Raises PromptFaults."""
        found = [fault for language, data in files.items() for fault in lint.faults(language, data)]
        if found or not files:
            raise PromptFaults("\n".join(found) or "there are no texts at all")
        self._texts: dict[str, Texts] = {language: read(data) for language, data in files.items()}

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages with texts."""
        return tuple(self._texts)

    def choose(self, wanted: str, offered: Sequence[str]) -> Choice:
        """The language of a contact (BCP 47, or nothing where unknown) among those that the tenant offers.

        The first offered one where the wanted one is not offered. Raises NoLanguage when none has texts.
        """
        usable = [tag for tag in map(_primary, offered) if tag in self._texts]
        if not usable:
            raise NoLanguage(f"no texts in any of: {', '.join(offered) or 'nothing offered'}")
        if _primary(wanted) in usable:
            return Choice(_primary(wanted), wanted, fallback=False)
        return Choice(usable[0], wanted, fallback=bool(wanted))

    def spoken(self, language: str, visit: Spoken) -> Script:
        """A call's texts: the reminder with the keys explained after it (R-113), the menu, the thanks."""
        texts = self._of(language)
        more = f" {texts.voice['menu_opt_out']}" if visit.opt_out else ""
        menu = texts.voice["menu"] + more
        reminder = texts.voice["prompt"].format(
            organisation=_name(visit.organisation),
            date=texts.calendar.spoken_date(visit.start),
            time=texts.calendar.spoken_time(visit.start),
        )
        thanks = {
            key: texts.voice[f"thanks_{key}"] for key in (*KEYS, *(OPT_OUT_KEY if visit.opt_out else ""))
        }
        return Script(texts.language, f"{reminder} {menu}", menu, thanks)

    def sms(self, language: str, visit: Spoken) -> str:
        """A text message."""
        return self._filled(language, "sms", **self._visit(language, visit))

    def email(self, language: str, visit: Spoken) -> Letter:
        """A reminder by e-mail."""
        return self._letter(language, "email", **self._visit(language, visit))

    def limit_letter(self, language: str, organisation: str, limit: int, day: datetime) -> Letter:
        """To the organisation, once the daily limit of calls is reached (R-130)."""
        date = self._of(language).calendar.written(day)
        return self._letter(language, "limit", organisation=_name(organisation), limit=str(limit), date=date)

    def wrong_number_letter(self, language: str, appointment: str, start: datetime) -> Letter:
        """To the branch, about a number that no call can reach (R-122)."""
        date = self._of(language).calendar.written(start)
        return self._letter(language, "wrong_number", appointment=appointment, date=date)

    def advertising_words(self, language: str, text: str) -> list[str]:
        """Words of advertising in a text of the tenant's own, such as the name of the organisation."""
        return lint.advertising_words(text, self._of(language).advertising)

    def _of(self, language: str) -> Texts:
        try:
            return self._texts[_primary(language)]
        except KeyError:
            raise NoLanguage(f"no texts in {language!r}: choose one first") from None

    def _visit(self, language: str, visit: Spoken) -> dict[str, str]:
        return {
            "organisation": _name(visit.organisation),
            "date": self._of(language).calendar.written(visit.start),
            "time": f"{visit.start:%H:%M}",
            "phone": visit.phone,
        }

    def _letter(self, language: str, name: str, **values: str) -> Letter:
        return Letter(
            self._filled(language, f"{name}_subject", **values),
            self._filled(language, f"{name}_body", **values),
        )

    def _filled(self, language: str, name: str, **values: str) -> str:
        return self._of(language).message[name].format(**values)


@cache
def catalogue() -> Catalogue:
    """The texts of this package. Raises PromptFaults, so that a service with a missing text doesn't start."""
    return Catalogue(shipped())


def faults() -> list[str]:
    """What the lint finds in the texts of this package."""
    return [fault for language, data in shipped().items() for fault in lint.faults(language, data)]


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()


def _name(name: str) -> str:
    """A tenant's name on one line, without what a header, a page or a voice could take for a command."""
    clean = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(clean.replace("[", "(").replace("]", ")").split())[:_LONGEST_NAME]
