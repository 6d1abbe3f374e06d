"""Suggested slots: best first, with what they cost; and why other gaps do not fit."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rich.text import Text

from cli import reading
from cli.show import output, words
from cli.show.canvas import Mark, draw
from cli.show.day import marks
from kit.values.latlng import LatLng

Json = dict[str, Any]
Name = Callable[[str], str]

MOST_REFUSED_SHOWN = 15
HEADS = (">#", "agent", "day", "time", "drive there", "drive on", ">added", ">waits", ">slack", "grade")


def show(answer: Json, zone: str, name: Name) -> None:
    """The table, its legend, and the refusals when they were asked for."""
    rows = [_row(number, slot["anatomy"], zone, name) for number, slot in enumerate(answer["slots"], 1)]
    warn_of_left_out(answer)
    if rows:
        output.table("", HEADS, rows)
        estimated = answer.get("estimatedTravel")
        output.note(f"{words.LEGEND}   travel data {answer.get('travelVersion', '')}" if estimated else "")
    elif answer.get("nextPageToken"):
        output.say("no ideal slot; --more shows wider ones", "yellow")
    else:
        output.say("no slot fits; --explain says why, --days looks further", "yellow")
    if answer.get("refused"):
        _refused(answer, zone, name)


def warn_of_left_out(answer: Json) -> None:
    """Says so where agents were left out."""
    if answer.get("incomplete"):
        output.say("some agents are left out: the roads of their travel mode do not answer", "yellow")


def show_month(answer: Json, name: Name) -> None:
    """One line an agent, one column a day, the minutes added in the colour of their grade."""
    warn_of_left_out(answer)
    days = answer.get("days", [])
    if not days:
        why = f": {answer['closedReason']}" if answer.get("closedReason") else ""
        output.say(f"nothing fits in this month{why}; --month looks at another", "yellow")
        return
    dates = sorted({day["day"] for day in days})
    cells = {(day["agentId"], day["day"]): day for day in days}
    rows: list[list[str | Text]] = [
        [name(agent) if agent else "hidden", *(_detour(cells.get((agent, date))) for date in dates)]
        for agent in dict.fromkeys(day["agentId"] for day in days)
    ]
    heads = ("agent", *(f">{int(date[-2:])}" for date in dates))
    output.table(f"{dates[0][:7]}: minutes that a visit adds", heads, rows)
    output.note("green ideal   yellow ok   red poor   blank: nothing fits that day")


def _detour(day: Json | None) -> Text:
    if day is None:
        return Text("")
    grade = day.get("grade", "").removeprefix("GRADE_")
    minutes = round(reading.seconds(day.get("addedTravel")) / 60)
    return Text(str(minutes), style=words.GRADE_STYLES.get(grade, ""))


def show_round(stops: Sequence[Json], point: Json) -> None:
    """A map of the day's round with the offered visit as *."""
    star = Mark(LatLng(point["latitude"], point["longitude"]), "*", "bold magenta")
    output.console().print(draw(marks(stops), [star]))
    output.say("o base   1 2 3 visits in order   * the offered slot", "dim")


def _row(number: int, anatomy: Json, zone: str, name: Name) -> list[str | Text]:
    grade = anatomy["grade"].removeprefix("GRADE_")
    return [
        str(number),
        _agent(anatomy, name),
        words.day_of(words.local(anatomy["start"], zone)),
        words.span(anatomy["start"], anatomy["end"], zone),
        words.drive(anatomy.get("legBefore")),
        words.drive(anatomy.get("legAfter")),
        words.length(reading.seconds(anatomy.get("addedTravel"))),
        words.length(reading.seconds(anatomy.get("idle"))),
        words.length(reading.seconds(anatomy.get("slack"))),
        Text(grade.lower(), style=words.GRADE_STYLES.get(grade, "")),
    ]


def _agent(of: Json, name: Name) -> str:
    return name(of["agentId"]) if of.get("agentId") else "hidden"


def _refused(answer: Json, zone: str, name: Name) -> None:
    refused = answer["refused"]
    counts = ", ".join(
        f"{count} {reason}" for reason, count in Counter(g["reason"] for g in refused).most_common()
    )
    more = " and more" if answer.get("refusedTruncated") else ""
    output.say(f"why other gaps do not fit: {counts}{more}", "bold")
    nearest = sorted(refused, key=lambda gap: int(gap.get("shortSeconds") or 10**9))[:MOST_REFUSED_SHOWN]
    rows = [
        [
            _agent(gap, name),
            words.day_of(words.local(gap["gap"]["start"], zone)),
            words.span(gap["gap"]["start"], gap["gap"]["end"], zone),
            gap["reason"],
            words.length(int(gap["shortSeconds"])) if gap.get("shortSeconds") is not None else "-",
        ]
        for gap in nearest
    ]
    output.table(
        f"nearest misses ({len(nearest)} of {len(refused)})",
        ("agent", "day", "gap", "reason", ">short by"),
        rows,
    )
