"""Where answers go: tables for people, JSON for programs; what is said about them goes to standard error."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.errors import CommandFailed, Refused
from cli.show import words

NARROWEST_PIPE = 160
"""Columns of a table that goes into a file or a pipe, where there is no terminal to ask."""


class Format(StrEnum):
    """How the answer is printed."""

    TABLE = "table"
    JSON = "json"


def console(*, to_stderr: bool = False) -> Console:
    """Colours only on a terminal, and never with NO_COLOR."""
    stream = sys.stderr if to_stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else NARROWEST_PIPE
    return Console(file=stream, highlight=False, width=width, soft_wrap=False)


def as_json(answer: Any) -> None:
    """The gateway's answer as it came."""
    sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """A table; "nothing" in words when it has no rows."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title or None, title_justify="left")
    for head in heads:
        name = head.removeprefix(">")
        made.add_column(name, justify="right" if head != name else "left", no_wrap=True, overflow="ellipsis")
    for row in rows:
        made.add_row(*row)
    if made.row_count:
        console().print(made)
    else:
        say(f"{title}: nothing to show" if title else "nothing to show")


def card(rows: Iterable[tuple[str, str | Text]]) -> None:
    """Names and values, one a line."""
    made = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
    made.add_column(no_wrap=True, style="dim")
    made.add_column(overflow="fold")
    for row in rows:
        made.add_row(*row)
    console().print(made)


def say(words_: str, style: str = "") -> None:
    """A line for people beside the answer."""
    console().print(Text(words_, style=style))


def note(words_: str) -> None:
    """A remark that is no part of the answer."""
    if words_:
        console(to_stderr=True).print(Text(words_, style="dim"))


def failure(failed: CommandFailed, form: Format) -> None:
    """Why there is no answer: what was refused, the field, what to do next."""
    if form is Format.JSON and isinstance(failed, Refused):
        sys.stderr.write(json.dumps(failed.body, indent=2, ensure_ascii=False) + "\n")
        return
    out = console(to_stderr=True)
    if isinstance(failed, Refused):
        _refusal(out, failed)
    else:
        out.print(Text.assemble(("error: ", "bold red"), str(failed)))
    if failed.advice:
        out.print(Text.assemble(("what to do: ", "bold"), failed.advice))


def _refusal(out: Console, refused: Refused) -> None:
    reason = refused.reason or f"HTTP {refused.status}"
    out.print(Text.assemble(("refused: ", "bold red"), refused.message, "  ", (reason, "bold")))
    for name, description in refused.violations:
        said = "" if description in refused.message else f": {description}"
        out.print(Text.assemble(("  field ", "bold"), name, said))
    for key, value in sorted(refused.metadata.items()):
        seconds = key.endswith("_seconds") and value.lstrip("-").isdecimal()
        out.print(Text(f"  {key} {value}" + (f" ({words.length(int(value))})" if seconds else "")))
