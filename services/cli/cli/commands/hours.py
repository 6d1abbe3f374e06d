"""How fast one drives at each hour of the week: the tenant's travel profile."""

import re
from typing import Annotated

import typer

from cli.commands.calling import Output, calling
from cli.errors import BadArgument
from cli.gateway import Json, request_id
from cli.show import output
from cli.show.output import Format

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_SPEED = re.compile(r"([1-7](?:[-,][1-7])*) +([0-9]{1,2})-([0-9]{1,2}) +([0-9]{1,3})%?")

Slow = Annotated[list[str] | None, typer.Option("--speed", help='"DAYS FROM-UNTIL PERCENT", as "1-5 7-9 60"')]
Zone = Annotated[str, typer.Option("--zone", help="IANA zone of the hours; needed with --speed")]
Clear = Annotated[bool, typer.Option("--clear", help="every hour as the engine tells it")]


def hours(speed: Slow = None, zone: Zone = "", clear: Clear = False, form: Output = Format.TABLE) -> None:
    """How fast one drives at each hour of the week. Options replace all of it; nothing that is booked moves.

    \b
    giro roads hours
    giro roads hours --zone Europe/Rome --speed "1-5 7-9 60" --speed "1-5 17-19 70"
    giro roads hours --clear
    """
    with calling(form) as gateway:
        if speed and clear:
            raise BadArgument("--speed and --clear exclude each other")
        if speed or clear:
            body: Json = {"requestId": request_id()}
            if speed:
                body["profile"] = {"timeZone": zone, "hours": [_hours(each) for each in speed]}
            answer = gateway.post("/v1/travelProfile", body)
        else:
            answer = gateway.get("/v1/travelProfile")
        if form is Format.JSON:
            output.as_json(answer)
        else:
            _shown(answer)


def _hours(text: str) -> Json:
    found = _SPEED.fullmatch(text.strip())
    if found is None:
        raise BadArgument(f'{text!r} is not like "1-5 7-9 60": days 1 to 7, hours, per cent of free flow')
    days, first, last, percent = found.groups()
    return {
        "isoWeekdays": _days(days),
        "fromHour": int(first),
        "untilHour": int(last),
        "speedPercent": int(percent),
    }


def _days(text: str) -> list[int]:
    days: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        days += range(int(first), int(last or first) + 1)
    return days


def _shown(answer: Json) -> None:
    profile = answer.get("profile")
    if not profile:
        output.say(f"every hour as the engine tells it  ({answer['version']})")
        return
    output.say(f"hours of {profile['timeZone']}, all others at 100 %  ({answer['version']})")
    rows = [
        (
            " ".join(DAYS[day - 1] for day in each["isoWeekdays"]),
            f"{each['fromHour']:02d}:00-{each['untilHour']:02d}:00",
            f"{each['speedPercent']} %",
        )
        for each in profile["hours"]
    ]
    output.table("", ("days", "hours", ">speed"), rows)
    if answer["nowInfeasible"]:
        output.say(f"{answer['nowInfeasible']} pairs of stops no longer fit; nothing has moved", "yellow")
