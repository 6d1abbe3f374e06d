"""Why a start cannot be had, and what would open it."""

from collections.abc import Callable
from typing import Any

from rich.text import Text

from cli import reading
from cli.show import output, words
from cli.show.slots import warn_of_left_out

Json = dict[str, Any]
Name = Callable[[str], str]


def show(answer: Json, zone: str, name: Name) -> None:
    """The reasons with what is missing, then the changes, each of which would do."""
    if not answer.get("grounds"):
        output.say("it can be booked: giro appointments create", "green")
        return
    output.table("why not", ("reason", ">short by"), [_ground(ground) for ground in answer["grounds"]])
    warn_of_left_out(answer)
    changes = answer.get("changes") or []
    if changes:
        heads = ("change", "agent", "day", "starts at", "appointment")
        rows = [_change(change, zone, name) for change in changes]
        output.table("each of these would open it", heads, rows)
    else:
        output.say("no single change would open it", "yellow")


def _ground(ground: Json) -> list[str | Text]:
    short = ground.get("shortSeconds")
    return [Text(ground["reason"], style="bold"), "-" if short is None else words.length(int(short))]


def _change(change: Json, zone: str, name: Name) -> list[str | Text]:
    start = words.local(change["start"], zone)
    return [
        _said(change),
        name(change["agentId"]),
        words.day_of(start),
        f"{start:%H:%M}",
        change.get("appointmentId", ""),
    ]


def _said(change: Json) -> Text:
    kind = change["kind"].removeprefix("START_CHANGE_KIND_")
    by = words.length(reading.seconds(change.get("by")))
    said = {
        "LATER": f"start {by} later",
        "EARLIER": f"start {by} earlier",
        "AGENT": "another agent",
        "POSTPONE": f"postpone the neighbour by {by}",
    }
    return Text(said[kind], style="bold green")
