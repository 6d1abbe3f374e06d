"""The texts of one language, as they stand in `texts/<language>.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any, Final

KEYS: Final = ("1", "2")
"""Keys that have a text of thanks (R-111, R-112)."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """How a language says and writes dates and hours; every numeral is spelt out in the case it needs."""

    date: str
    written_date: str
    weekdays: tuple[str, ...]
    """From Monday."""
    days: tuple[str, ...]
    months: tuple[str, ...]
    hours: tuple[str, ...]
    """24 phrases, each with the place where `{minute}` is put."""
    minutes: tuple[str, ...]
    """60 phrases; nothing for the full hour."""
    exact: Mapping[str, str]
    """Hours that have a name of their own, as "12:00"."""

    def spoken_date(self, start: datetime) -> str:
        """The date of a local time, in words."""
        day = self.days[start.day - 1]
        return self._dated(self.date, start, day)

    def spoken_time(self, start: datetime) -> str:
        """The hour of a local time, in words."""
        named = self.exact.get(f"{start:%H:%M}")
        return named or self.hours[start.hour].format(minute=self.minutes[start.minute])

    def written(self, start: datetime) -> str:
        """The date of a local time as a letter has it, with figures."""
        return self._dated(self.written_date, start, str(start.day))

    def _dated(self, pattern: str, start: datetime, day: str) -> str:
        return pattern.format(
            weekday=self.weekdays[start.weekday()], day=day, month=self.months[start.month - 1]
        )


@dataclass(frozen=True, slots=True)
class Texts:
    """One language: `voice` and `message` by name, its calendar, and the stems that its lint looks for."""

    language: str
    voice: Mapping[str, str]
    message: Mapping[str, str]
    calendar: Calendar
    advertising: tuple[str, ...]


def read(data: Mapping[str, Any]) -> Texts:
    """Texts from a parsed file that `lint.faults` found nothing in."""
    calendar: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in data["calendar"].items()
    }
    return Texts(
        language=data["language"],
        voice=data["voice"],
        message={name: text.strip() for name, text in data["message"].items()},
        calendar=Calendar(**calendar),
        advertising=tuple(data["lint"]["advertising"]),
    )


def shipped() -> dict[str, dict[str, Any]]:
    """The parsed files of this package by language, unchecked."""
    folder = resources.files("reminders.prompts") / "texts"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name
    )
    return {file.name.removesuffix(".toml"): tomllib.loads(file.read_text("utf-8")) for file in files}
