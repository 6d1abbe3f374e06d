"""Agents and their days."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli import reading
from cli.commands.calling import Limit, Output, calling, noun
from cli.errors import NO, Refused
from cli.gateway import Gateway, Json
from cli.lookup import Lookup
from cli.reading import Mode, rfc3339
from cli.show import checked, output, words
from cli.show import day as shown
from cli.show.output import Format

app = noun("The agents who travel.")
one = noun("One agent.")

WEEKDAYS = ("", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
NUMBERS = {
    f"WEEKDAY_{name}": number
    for number, name in enumerate(
        ("", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
    )
}


@app.command("list")
def list_(limit: Limit = 50, form: Output = Format.TABLE) -> None:
    """The tenant's agents with skills, shifts and bases.

    \b
    giro agents list
    """
    with calling(form) as gateway:
        found = list(gateway.pages("/v1/agents", "agents", limit))
        if form is Format.JSON:
            output.as_json(found)
            return
        rows = [
            (
                each["displayName"],
                ", ".join(each["skills"]),
                _shifts(each["calendar"]["shifts"]),
                words.length(reading.seconds(each.get("buffer"))),
                each.get("travelMode", "").removeprefix("TRAVEL_MODE_").lower(),
                _base(each["calendar"]["shifts"]),
                each["agentId"],
            )
            for each in found
        ]
        output.table("", ("agent", "skills", "shifts", ">buffer", "travels by", "base", "id"), rows)


@one.command()
def mode(
    agent: Annotated[str, typer.Argument(help="id, name or part of it")],
    by: Annotated[Mode, typer.Argument(metavar="MODE", help="car, bicycle or foot")],
    form: Output = Format.TABLE,
) -> None:
    """Changes how an agent travels. What is booked stays; refused while some of it would not fit.

    \b
    giro agent mode Giada bicycle
    """
    with calling(form) as gateway:
        agent_id = Lookup(gateway).agent_id(agent)
        changed = gateway.post(f"/v1/agents/{agent_id}:setTravelMode", {"travelMode": by.wire})
        if form is Format.JSON:
            output.as_json(changed)
        else:
            output.say(f"{changed['displayName']} travels {'on' if by is Mode.FOOT else 'by'} {by}.")


@one.command()
def day(
    agent: Annotated[str, typer.Argument(help="id, name or part of it")],
    when: Annotated[str, typer.Argument(metavar="DATE", help="2026-12-01, today, tomorrow, +3")] = "today",
    map_: Annotated[bool, typer.Option("--map/--no-map", help="draw the round")] = True,
    form: Output = Format.TABLE,
) -> None:
    """An agent's day: stops in order with the drives between them, and a map of the round.

    \b
    giro agent day Giada tomorrow
    giro agent day a01 2026-12-01 --no-map
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        agent_id = lookup.agent_id(agent)
        itinerary = _day(gateway, agent_id, when)
        if form is Format.JSON:
            output.as_json(itinerary)
            return
        shown.show(itinerary, with_map=map_)


@one.command()
def check(
    agent: Annotated[str, typer.Argument(help="id, name or part of it")],
    when: Annotated[str, typer.Argument(metavar="DATE", help="2026-12-01, today, tomorrow, +3")] = "today",
    form: Output = Format.TABLE,
) -> None:
    """Each pair of stops of a day: end + drive + buffer <= start, and what is left. Exit 1 on a violation.

    A pair over midnight is shown with both days.

    \b
    giro agent check Giada tomorrow
    """
    with calling(form) as gateway:
        agent_id = Lookup(gateway).agent_id(agent)
        _, asked = _asked_day(gateway, agent_id, when)
        found = gateway.get(f"/v1/agents/{agent_id}:checkDay", date=asked.isoformat())
        if form is Format.JSON:
            output.as_json(found)
        else:
            checked.show(found)
        if found["violations"]:
            raise typer.Exit(NO)


def _day(gateway: Gateway, agent_id: str, when: str) -> Json:
    zone, asked = _asked_day(gateway, agent_id, when)
    start = datetime.combine(asked, time(), zone)
    end = datetime.combine(asked + timedelta(days=1), time(), zone)
    query: dict[str, Any] = {"from": rfc3339(start), "to": rfc3339(end)}
    return gateway.get(f"/v1/agents/{agent_id}/itinerary", **query)


def _asked_day(gateway: Gateway, agent_id: str, when: str) -> tuple[ZoneInfo, date]:
    """The agent's zone and the day that is meant there; told to people."""
    known = gateway.get(f"/v1/agents/{agent_id}")
    zone = ZoneInfo(known["calendar"]["timeZone"])
    asked = reading.day(when, _today(gateway, zone))
    output.note(f"{known['displayName']}, {asked:%A %d %B %Y} ({zone.key})")
    return zone, asked


def _today(gateway: Gateway, zone: ZoneInfo) -> Any:
    """Of the tenant's clock, which may have been moved; of this machine's for roles that may not read it."""
    try:
        now = reading.instant(gateway.get("/v1/testClock")["now"])
    except Refused as refused:
        if refused.status != 403:
            raise
        now = datetime.now(UTC)
    return now.astimezone(zone).date()


def _shifts(shifts: list[Json]) -> str:
    """ "Mon Tue Wed Thu Fri 09:00-18:00; Sat 09:00-13:00"."""
    days: dict[str, list[int]] = {}
    for shift in shifts:
        days.setdefault(f"{shift['start']}-{shift['end']}", []).append(NUMBERS[shift["weekday"]])
    return "; ".join(f"{_span(numbers)} {hours}" for hours, numbers in days.items())


def _span(numbers: list[int]) -> str:
    """ "Mon-Fri" for days in a row, else each by name."""
    run = sorted(numbers)
    if len(run) > 2 and run[-1] - run[0] == len(run) - 1:
        return f"{WEEKDAYS[run[0]]}-{WEEKDAYS[run[-1]]}"
    return " ".join(WEEKDAYS[number] for number in run)


def _base(shifts: list[Json]) -> str:
    bases = [shift["startBase"] for shift in shifts if shift.get("startBase")]
    return words.place(bases[0]) if bases else "none"
