"""Rows and cards out of the gateway's JSON: a noun says its columns once, for its list and for its card."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.text import Text

from cli import reading
from cli.show import output, words
from cli.show.output import Format

Json = dict[str, Any]
Column = Callable[[Json], str | Text]
Columns = Mapping[str, Column]
"""What is shown under each heading; a heading that begins with ">" is aligned to the right."""


def field(name: str) -> Column:
    """A field as it is; empty when it is absent."""
    return lambda row: str(row.get(name) or "")


def count(name: str) -> Column:
    """A number; 0 when it is absent."""
    return lambda row: str(row.get(name) or 0)


def spoken(name: str, prefix: str) -> Column:
    """An enum's value in words; empty for the unspecified one."""
    return lambda row: words.plain(str(row.get(name) or ""), prefix).replace("unspecified", "")


def utc(name: str) -> Column:
    """An instant in UTC, to the minute; empty when it is absent."""
    return lambda row: str(row.get(name) or "")[:16].replace("T", " ")


def length(name: str) -> Column:
    """A length of time."""
    return lambda row: words.length(reading.seconds(row.get(name)))


def days(row: Json) -> str:
    """ "2026-12-01..2026-12-03", or the one day."""
    first, last = row["firstDay"], row["lastDay"]
    return str(first) if first == last else f"{first}..{last}"


def without(columns: Columns, *heads: str) -> Columns:
    """Fewer columns, where a list of all of them would cut the ids."""
    return {head: column for head, column in columns.items() if head not in heads}


def listed(form: Format, found: Iterable[Json], columns: Columns, title: str = "") -> None:
    """A row each; with JSON as they came."""
    rows = list(found)
    if form is Format.JSON:
        output.as_json(rows)
        return
    output.table(title, tuple(columns), [[column(row) for column in columns.values()] for row in rows])


def shown(form: Format, found: Json, columns: Columns) -> None:
    """One of them as a card, what is empty left out; with JSON as it came."""
    if form is Format.JSON:
        output.as_json(found)
        return
    lines = [(head.removeprefix(">"), column(found)) for head, column in columns.items()]
    output.card([(head, value) for head, value in lines if str(value)])
