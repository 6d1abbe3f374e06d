"""An agent's day: the stops in order with the drives between them, a bar of the hours, a map."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from rich.text import Text

from cli import reading
from cli.show import output, words
from cli.show.canvas import Mark, draw
from kit.values.latlng import LatLng

Json = dict[str, Any]

KINDS = {
    "STOP_KIND_APPOINTMENT": ("visit", "bold green", "█"),
    "STOP_KIND_HOLD": ("hold", "bold yellow", "▓"),
    "STOP_KIND_BREAK": ("break", "blue", "▒"),
    "STOP_KIND_ABSENCE": ("absence", "red", "▒"),
    "STOP_KIND_DAY_START": ("leaves base", "dim", "|"),
    "STOP_KIND_DAY_END": ("back at base", "dim", "|"),
}
DRIVE, IDLE = ("─", "cyan"), ("·", "dim")
BAR_WIDTH = 96
VISITS = ("STOP_KIND_APPOINTMENT", "STOP_KIND_HOLD")
BASES = ("STOP_KIND_DAY_START", "STOP_KIND_DAY_END")


def show(itinerary: Json, *, with_map: bool) -> None:
    """Prints all of it; a word when the day is empty."""
    stops, zone = itinerary["stops"], itinerary["timeZone"]
    if not stops:
        output.say("nothing is booked on that day")
        return
    output.console().print(bar(stops, zone))
    output.table("", ("", "what", "time", "drive there", "waits", "owner", "place"), _rows(stops, zone))
    output.say(_totals(stops))
    if with_map:
        output.console().print(draw(marks(stops)))


def bar(stops: Sequence[Json], zone: str) -> Text:
    """The hours of the day as one line of blocks under a ruler."""
    first = words.local(stops[0]["end"], zone).replace(minute=0, second=0)
    last = words.local(stops[-1]["start"], zone) + timedelta(hours=1)
    last = last.replace(minute=0, second=0)
    width = max((last - first).total_seconds(), 3_600.0)
    cells = [(" ", "")] * BAR_WIDTH

    def paint(start: datetime, end: datetime, cell: tuple[str, str]) -> None:
        left = round((start - first).total_seconds() / width * BAR_WIDTH)
        right = round((end - first).total_seconds() / width * BAR_WIDTH)
        for column in range(max(left, 0), min(max(right, left + 1), BAR_WIDTH)):
            cells[column] = cell

    for before, stop in pairwise(stops):
        free, start = reading.instant(before["end"]), reading.instant(stop["start"])
        leave = start - timedelta(seconds=_needed(stop))
        if leave > free:
            paint(free, leave, IDLE)
        if start > leave:
            paint(max(leave, free), start, DRIVE)
    for stop in stops:
        _, style, block = KINDS.get(stop["kind"], ("", "", "?"))
        paint(reading.instant(stop["start"]), reading.instant(stop["end"]), (block, style))
    return Text("\n").join([_ruler(first, last), Text.assemble(*cells)])


def marks(stops: Sequence[Json]) -> list[Mark]:
    """Bases as o and visits by their number; a break is taken where the visit before it is."""
    made, number = [], 0
    for stop in stops:
        number += stop["kind"] in VISITS
        if stop.get("point") and stop["kind"] in (*VISITS, *BASES):
            _, style, _ = KINDS[stop["kind"]]
            label = "o" if stop["kind"] in BASES else str(number)
            made.append(Mark(LatLng(stop["point"]["latitude"], stop["point"]["longitude"]), label, style))
    return made


def _rows(stops: Sequence[Json], zone: str) -> list[list[str | Text]]:
    rows: list[list[str | Text]] = []
    number = 0
    for index, stop in enumerate(stops):
        name, style, _ = KINDS.get(stop["kind"], (stop["kind"], "", "?"))
        visit = stop["kind"] in VISITS
        number += visit
        rows.append(
            [
                str(number) if visit else "",
                Text(name, style=style),
                _when(stop, zone),
                words.drive(stop.get("leg")) if index else "-",
                _waits(stops[index - 1], stop) if index else "",
                stop.get("ownerId", ""),
                words.place(stop.get("point")),
            ]
        )
    return rows


def _when(stop: Json, zone: str) -> str:
    """A base is a moment, not a span: its stop lasts a second for the ledger's sake."""
    if stop["kind"] == "STOP_KIND_DAY_START":
        return f"{words.local(stop['end'], zone):%H:%M}"
    if stop["kind"] == "STOP_KIND_DAY_END":
        return f"{words.local(stop['start'], zone):%H:%M}"
    return words.span(stop["start"], stop["end"], zone)


def _needed(stop: Json) -> int:
    leg = stop.get("leg") or {}
    return reading.seconds(leg.get("travel")) + reading.seconds(leg.get("buffer"))


def _waits(before: Json, stop: Json) -> str:
    between = reading.instant(stop["start"]) - reading.instant(before["end"])
    idle = int(between.total_seconds()) - _needed(stop)
    return words.length(idle) if idle > 0 else ""


def _totals(stops: Sequence[Json]) -> str:
    legs = [stop.get("leg") or {} for stop in stops[1:]]
    driving = sum(reading.seconds(leg.get("travel")) for leg in legs)
    metres = sum(int(leg.get("metres", 0)) for leg in legs)
    visits = [stop for stop in stops if stop["kind"] == "STOP_KIND_APPOINTMENT"]
    spent = sum((reading.instant(v["end"]) - reading.instant(v["start"])).total_seconds() for v in visits)
    said = f"{len(visits)} visits, {words.length(int(spent))} with people, {words.length(driving)} driving"
    flag = "  (~ estimated)" if any(leg.get("source") == "TRAVEL_SOURCE_ESTIMATE" for leg in legs) else ""
    return f"{said}, {metres / 1000:.1f} km{flag}"


def _ruler(first: datetime, last: datetime) -> Text:
    hours = max(1, round((last - first).total_seconds() / 3600))
    cells = [" "] * (BAR_WIDTH + 2)
    for hour in range(hours + 1):
        column = round(hour / hours * BAR_WIDTH)
        for offset, letter in enumerate(f"{(first + timedelta(hours=hour)):%H}"):
            if column + offset < len(cells):
                cells[column + offset] = letter
    return Text("".join(cells).rstrip(), style="dim")
