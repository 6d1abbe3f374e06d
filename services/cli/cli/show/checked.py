"""A day held against the travel guarantee, pair by pair."""

from typing import Any

from rich.text import Text

from cli import reading
from cli.show import output, words
from cli.show.day import KINDS

Json = dict[str, Any]
Row = tuple[str | Text, ...]


def show(found: Json) -> None:
    """Every pair with what is left of its time; what is broken in red."""
    pairs, zone, broken = found["pairs"], found["timeZone"], found["violations"]
    output.table(
        "",
        ("from", "ends", "drive", "buffer", "to", "starts", "slack", "travel data", "violations"),
        [_row(pair, zone) for pair in pairs],
    )
    says = f"{len(pairs)} consecutive pairs: {broken} violations of end + travel + buffer <= start"
    output.say(says, "red" if broken else "green")


def _row(pair: Json, zone: str) -> Row:
    earlier, later = pair["earlier"], pair["later"]
    way = "travel" in pair
    flag = words.SOURCES.get(pair.get("source", ""), "?")
    drive = f"{flag}{words.length(reading.seconds(pair['travel']))}" if way else Text("no way", style="red")
    slack = int(pair.get("slackSeconds", 0))
    return (
        _what(earlier),
        f"{words.local(earlier['end'], zone):%a %H:%M:%S}",
        drive,
        words.length(reading.seconds(pair.get("buffer"))),
        _what(later),
        f"{words.local(later['start'], zone):%a %H:%M:%S}",
        Text(f"{slack} s" if way else "-", style="red" if slack < 0 else ""),
        pair.get("version", "") + ("*" if pair.get("via") else ""),
        Text(", ".join(map(_violation, pair.get("violations", []))), style="red"),
    )


def _what(stop: Json) -> str:
    kind, _, _ = KINDS.get(stop["kind"], ("?", "", ""))
    return " ".join(filter(None, (kind, stop.get("ownerId", ""))))


def _violation(one: Json) -> str:
    short = int(one.get("shortSeconds", 0))
    return f"{one['kind']} {short} s short" if short else str(one["kind"])
