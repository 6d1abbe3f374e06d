"""Faults of texts: what is missing, what can't be filled in, what advertises in a service call."""

import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

VOICE: Final[Mapping[str, frozenset[str]]] = {
    "prompt": frozenset({"organisation", "date", "time"}),
    "menu": frozenset(),
    "thanks_1": frozenset(),
    "thanks_2": frozenset(),
    "menu_opt_out": frozenset(),
    "thanks_9": frozenset(),
}
MESSAGE: Final[Mapping[str, frozenset[str]]] = {
    "sms": frozenset({"organisation", "date", "time", "phone"}),
    "email_subject": frozenset({"date", "time"}),
    "email_body": frozenset({"organisation", "date", "time", "phone"}),
    "limit_subject": frozenset({"limit"}),
    "limit_body": frozenset({"organisation", "limit", "date"}),
    "wrong_number_subject": frozenset({"appointment"}),
    "wrong_number_body": frozenset({"appointment", "date"}),
}
"""The placeholders of each text: exactly these."""

_DATED: Final = frozenset({"weekday", "day", "month"})
_LENGTHS: Final = {"weekdays": 7, "days": 31, "months": 12, "hours": 24, "minutes": 60}
_SECTIONS: Final = ("voice", "message", "calendar", "lint")


def faults(language: str, data: Mapping[str, Any]) -> list[str]:
    """What is wrong with the parsed file of a language, one sentence each, none when it is fit for use."""
    missing = [name for name in _SECTIONS if not isinstance(data.get(name), Mapping)]
    if missing:
        return [f"{language}: there is no [{name}]" for name in missing]
    found = [
        *_language_faults(language, data.get("language")),
        *_text_faults("voice", data["voice"], VOICE),
        *_text_faults("message", data["message"], MESSAGE),
        *_figures("voice", data["voice"]),
        *_calendar_faults(data["calendar"]),
        *_advertising_faults(data),
    ]
    return [f"{language}: {fault}" for fault in found]


def advertising_words(text: str, stems: Sequence[str]) -> list[str]:
    """The stems that a text has at the start of one of its words: a service call must not advertise."""
    words = " " + "".join(letter if letter.isalnum() else " " for letter in text.casefold())
    words = " ".join(words.split())
    return [stem for stem in stems if f" {stem.casefold()}" in f" {words}"]


def placeholders(text: str) -> frozenset[str]:
    """The names in braces. Raises ValueError for braces that don't match."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def _language_faults(language: str, named: object) -> Iterator[str]:
    if named != language:
        yield f"the file calls its language {named!r}"


def _text_faults(
    section: str, texts: Mapping[str, Any], needed: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    yield from (
        f"[{section}] {name} is not a text that anything uses" for name in texts.keys() - needed.keys()
    )
    for name, names in needed.items():
        text = texts.get(name)
        if not isinstance(text, str) or not text.strip():
            yield f"[{section}] {name} is missing"
        else:
            yield from _placeholder_faults(f"[{section}] {name}", text, names)


def _placeholder_faults(where: str, text: str, needed: frozenset[str]) -> Iterator[str]:
    try:
        found = placeholders(text)
    except ValueError as broken:
        yield f"{where}: {broken}"
        return
    yield from (f"{where} lacks {{{name}}}" for name in sorted(needed - found))
    yield from (f"{where} has the unknown {{{name}}}" for name in sorted(found - needed))


def _figures(section: str, texts: Mapping[str, Any]) -> Iterator[str]:
    """A voice would read figures in the wrong case, so spoken texts have none."""
    for name, text in texts.items():
        if isinstance(text, str) and any(letter.isdigit() for letter in text):
            yield f"[{section}] {name} has figures, which a voice would not decline"


def _calendar_faults(calendar: Mapping[str, Any]) -> Iterator[str]:
    for name in ("date", "written_date"):
        yield from _placeholder_faults(f"[calendar] {name}", str(calendar.get(name, "")), _DATED)
    for name, length in _LENGTHS.items():
        entries = calendar.get(name, [])
        if len(entries) != length or len(set(entries)) != length:
            yield f"[calendar] {name} has not {length} different entries"
        yield from _figures("calendar", {f"{name}[{at}]": entry for at, entry in enumerate(entries)})
    for at, hour in enumerate(calendar.get("hours", [])):
        yield from _placeholder_faults(f"[calendar] hours[{at}]", hour, frozenset({"minute"}))
    yield from _figures("calendar.exact", calendar.get("exact", {}))


def _advertising_faults(data: Mapping[str, Any]) -> Iterator[str]:
    stems = data["lint"].get("advertising") or []
    if not stems:
        yield "[lint] advertising names no word"
    for section in ("voice", "message"):
        for name, text in data[section].items():
            for stem in advertising_words(str(text), stems):
                yield f"[{section}] {name} advertises: {stem}"
