"""Agents' calendars for calendar programs: as a file, and as an address to subscribe to."""

from pathlib import Path
from typing import Annotated

import typer

from cli import reading
from cli.commands.calling import Output, calling, noun
from cli.commands.writing import written
from cli.gateway import request_id
from cli.lookup import Lookup
from cli.show import output
from cli.show.columns import Columns, field, shown, utc
from cli.show.output import Format

app = noun("Agents' calendars: as an iCalendar file, or an address to subscribe to.")

Agent = Annotated[str, typer.Argument(help="id, name or part of it")]
FEED: Columns = {"address": field("url"), "made (UTC)": utc("createdAt")}


@app.command()
def download(
    agent: Agent,
    file: Annotated[Path, typer.Argument(help="where to write it", dir_okay=False)],
    days: Annotated[
        str, typer.Option("--days", help="FIRST..LAST; default: a month ago to half a year")
    ] = "",
    travel: Annotated[bool, typer.Option("--travel", help="drives as busy time too")] = False,
) -> None:
    """An agent's visits as an iCalendar file, what was cancelled shown as cancelled.

    \b
    giro calendar download Giada giada.ics
    giro calendar download Giada week.ics --days 2026-12-01..2026-12-07 --travel
    """
    with calling(Format.TABLE) as gateway:
        first, last = reading.days(days) if days else ("", "")
        path = f"/v1/agents/{Lookup(gateway).agent_id(agent)}/calendar"
        found = gateway.get(path, firstDay=first, lastDay=last, withTravel=travel)
        with written(file) as opened:
            opened.write(found["ics"].encode())
        output.say(f"{file}: {found['visits']} visits")
        if found["truncated"]:
            output.note("that is not all of them: ask for fewer days with --days")


@app.command()
def feed(agent: Agent, form: Output = Format.TABLE) -> None:
    """A new secret address to subscribe to; the one before ends at once.

    \b
    giro calendar feed Giada
    """
    with calling(form) as gateway:
        path = f"/v1/agents/{Lookup(gateway).agent_id(agent)}/calendarFeed:rotate"
        shown(form, gateway.post(path, {"requestId": request_id()}), FEED)
        output.note("whoever has the address reads the calendar; giro calendar revoke ends it")


@app.command()
def revoke(agent: Agent) -> None:
    """End the address; whoever is subscribed gets nothing any more.

    \b
    giro calendar revoke Giada
    """
    with calling(Format.TABLE) as gateway:
        gateway.delete(f"/v1/agents/{Lookup(gateway).agent_id(agent)}/calendarFeed")
        output.say("the address is gone")
