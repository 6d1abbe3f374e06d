"""Why an appointment is where it is: a row a change, and what policy was asked."""

from typing import Any

from cli.lookup import Lookup
from cli.show import output, words

Json = dict[str, Any]


def table(found: Json, lookup: Lookup, zone: str) -> None:
    """The changes, the oldest first, in the campaign's local time; then what policy was asked."""
    changes = found["changes"]
    heads = (">no.", "made", "what", "day", "time", "agent", "who", "from")
    output.table("", heads, [_row(each, lookup, zone) for each in changes])
    asked = [row for each in changes for row in _asked(each)]
    if asked:
        output.table("what policy said", (">no.", "what", "value", "from"), asked)
    if not found["complete"]:
        output.note("the first changes were made before this record began")


def _row(change: Json, lookup: Lookup, zone: str) -> list[str]:
    start, made = words.local(change["start"], zone), words.local(change["happenedAt"], zone)
    agent = change["agentId"]
    return [
        change["version"],
        f"{made:%d %b %H:%M}",
        change["event"].removeprefix("appointment_").replace("_", " "),
        words.day_of(start),
        words.span(change["start"], change["end"], zone),
        lookup.agent_name(agent) if agent else "hidden",
        _who(change.get("chosenBy")),
        _found(change),
    ]


def _asked(change: Json) -> list[tuple[str, str, str, str]]:
    rules = [(change["version"], each["kind"].replace("_", " "), each["id"], "") for each in change["rules"]]
    counted = [
        (change["version"], each["name"], each["value"], each["source"].lower())
        for each in change["parameters"]
    ]
    return [*rules, *counted]


def _who(chooser: Json | None) -> str:
    if not chooser:
        return "not recorded"
    roles = ", ".join(role.lower().replace("_", " ") for role in chooser["roles"])
    who = roles or words.plain(chooser["channel"], "CHANNEL_")
    return f"{who} ({chooser['by']})" if chooser["by"] else who


def _found(change: Json) -> str:
    """From what it was chosen, and the drive to it that was promised then."""
    told = []
    if change["slotSource"] != "SLOT_SOURCE_UNSPECIFIED":
        told.append(words.plain(change["slotSource"], "SLOT_SOURCE_"))
    offered = change.get("offered")
    if offered:
        told.append(f"{offered['chosen']} of {offered['count']} offered")
    if change.get("legBefore"):
        told.append(f"drive {words.drive(change['legBefore'])}")
    return ", ".join(told)
