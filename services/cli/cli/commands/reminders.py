"""Reminders: what is planned and was said, and why."""

from typing import Annotated

import typer
from rich.text import Text

from cli import reading
from cli.commands.calling import Output, calling, noun
from cli.gateway import Json
from cli.show import output, words
from cli.show.output import Format

app = noun("Reminder calls and messages before a visit: what is planned, what was answered, and why.")

STYLES = {"green": "green", "red": "red", "orange": "yellow", "grey": "dim"}
HEADS = ("before", "next or last step", "state", ">calls", "answer", "id")


@app.command("list")
def list_(
    appointment: Annotated[str, typer.Argument(help="id, apt_...")], form: Output = Format.TABLE
) -> None:
    """The reminders of an appointment, and its colour in the calendar.

    \b
    giro reminders list apt_...
    """
    with calling(form) as gateway:
        found = gateway.get(f"/v1/appointments/{appointment}/reminders")
        if form is Format.JSON:
            output.as_json(found)
            return
        colour = words.plain(found["colour"], "COLOUR_")
        output.table("", HEADS, [_row(each) for each in found["reminders"]])
        output.console().print(Text(f"in the calendar: {colour}", style=STYLES.get(colour, "")))


@app.command()
def explain(
    reminder: Annotated[str, typer.Argument(help="id, rem_...")], form: Output = Format.TABLE
) -> None:
    """Why a reminder is or was made when it is: each decision with its rules.

    \b
    giro reminders explain rem_...
    """
    with calling(form) as gateway:
        found = gateway.get(f"/v1/reminders/{reminder}:explain")
        if form is Format.JSON:
            output.as_json(found)
            return
        zone = found["reminder"]["timeZone"]
        for decision in found["decisions"]:
            output.say(f"{words.local(decision['at'], zone):%a %d %b %H:%M:%S}  {decision['what']}", "bold")
            for step in decision["path"]:
                output.say(f"    {step}")
        for call in found["reminder"]["attempts"]:
            output.say(f"{call['channel'].lower()} {call['number']}: {_ended(call)}")


@app.command()
def report(
    first_day: Annotated[str, typer.Argument(help="YYYY-MM-DD")],
    last_day: Annotated[str, typer.Argument(help="YYYY-MM-DD")],
    form: Output = Format.TABLE,
) -> None:
    """What became of the reminders that were due in these days.

    \b
    giro reminders report 2026-12-01 2026-12-07
    """
    with calling(form) as gateway:
        found = gateway.get("/v1/reminders:report", firstDay=first_day, lastDay=last_day)
        if form is Format.JSON:
            output.as_json(found)
            return
        rows = [(each["what"], str(each["count"])) for each in (*found["reminders"], *found["attempts"])]
        output.table("", ("what", ">count"), [*rows, ("charged", str(found["charged"]))])


def _row(reminder: Json) -> list[str]:
    moment = words.local(reminder["nextAt"], reminder["timeZone"])
    state = words.plain(reminder["state"], "REMINDER_STATE_")
    return [
        words.length(reading.seconds(reminder["offset"])),
        f"{moment:%a %d %b %H:%M} {reminder['timeZone']}",
        f"{state} {reminder['reason'].lower().replace('_', ' ')}".strip(),
        str(len(reminder["attempts"])),
        reminder["outcome"].lower().replace("_", " "),
        reminder["reminderId"],
    ]


def _ended(call: Json) -> str:
    ended = words.plain(call["ending"] or call["state"], "")
    key = f", key {call['digit']}" if call["digit"] else ""
    caller = f" from {call['caller']}" if call["caller"] else ""
    return f"{ended}{key}{caller}"
