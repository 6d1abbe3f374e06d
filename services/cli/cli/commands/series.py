"""Series: the same visit again and again, all of them or none."""

from typing import Annotated

import typer

from cli import reading
from cli.commands.calling import Output, calling, noun
from cli.errors import NO
from cli.gateway import Gateway, Json, request_id
from cli.lookup import Lookup
from cli.show import appointments as shown_appointments
from cli.show import output, words
from cli.show.columns import Columns, count, field, listed, utc
from cli.show.output import Format

app = noun("Series of visits at a fixed distance: all of them or none.")

CONFLICT: Columns = {
    ">visit": count("number"),
    "start (UTC)": utc("start"),
    "reason": field("reason"),
    "why": field("message"),
}


@app.command()
def create(
    campaign: Annotated[str, typer.Argument(help="id, name or part of it")],
    *,
    contact: Annotated[str, typer.Option("--contact", "-c", help="whom to visit: id or name")],
    agent: Annotated[str, typer.Option("--agent", "-a", help="who comes: id or name")],
    start: Annotated[str, typer.Option("--start", help="the first one, local time: 2026-12-01T15:00")],
    times: Annotated[int, typer.Option("--times", help="how many visits", min=2)],
    every: Annotated[int, typer.Option("--every", help="days between two", min=1)] = 7,
    duration: Annotated[str, typer.Option("--duration", "-d", help="how long a visit takes")] = "45m",
    note: Annotated[str, typer.Option("--note", help="for the agent")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Book a series, all at the same local time; exit code 1 with each conflict when one does not fit.

    \b
    giro series create solar -c "Giulia Zanetti" -a Giada --start 2026-12-01T15:00 --times 4
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        found = lookup.campaign(campaign)
        campaign_id = found["campaignId"]
        body = {
            "contactId": lookup.contact_id(contact, campaign_id),
            "agentId": lookup.agent_id(agent),
            "start": reading.moment(start, found["timeZone"]),
            "duration": f"{int(reading.duration(duration).total_seconds())}s",
            "everyDays": every,
            "count": times,
            "note": note,
            "requestId": request_id(),
        }
        _told(gateway, gateway.post(f"/v1/campaigns/{campaign_id}/series", body), form)


@app.command()
def show(
    series: Annotated[str, typer.Argument(help="id, ser_...")],
    form: Output = Format.TABLE,
) -> None:
    """The visits of a series as they are now."""
    with calling(form) as gateway:
        _told(gateway, gateway.get(f"/v1/series/{series}"), form)


def _told(gateway: Gateway, found: Json, form: Format) -> None:
    if form is Format.JSON:
        output.as_json(found)
    elif found["conflicts"]:
        listed(form, found["conflicts"], CONFLICT, "nothing is booked: these do not fit")
    else:
        output.say(f"{found['seriesId']}: {words.plain(found['state'], 'SERIES_STATE_')}")
        shown_appointments.table(found["appointments"], Lookup(gateway))
    if found["conflicts"]:
        raise typer.Exit(NO)
