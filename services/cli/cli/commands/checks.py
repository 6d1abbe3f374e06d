"""The guarantee recomputed, and the tenant's clock, parameters and recent changes."""

from typing import Annotated

import typer

from cli import reading
from cli.commands.calling import Limit, Output, calling, noun
from cli.errors import NO
from cli.gateway import Json, request_id
from cli.lookup import Lookup
from cli.show import output, words
from cli.show.output import Format

geo = noun("The travel guarantee, the places of addresses, and public routing instances.")
clock = noun("The tenant's clock; in sandbox mode it can be moved forward.")
parameters = noun("Parameters of the tenant and its campaigns; the nearest scope wins.")
changes = noun("What happened lately.")

GREEN, RED = "green", "red"

Name = Annotated[str, typer.Argument(help="for example lead_time")]
Campaign = Annotated[str, typer.Option("--campaign", help="as this campaign sees it: id or name")]


@geo.command()
def verify(
    agent: Annotated[str, typer.Option("--agent", "-a", help="only this one: id or name")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Recompute the promise from the stored stops; hold appointments against stops. Exit 1 on a violation.

    \b
    giro geo verify
    """
    with calling(form) as gateway:
        query = {"agentId": Lookup(gateway).agent_id(agent)} if agent else {}
        promise = gateway.get("/v1/invariants:verify", **query)
        ownership = gateway.get("/v1/ownership:verify")
        if form is Format.JSON:
            output.as_json({"invariants": promise, "ownership": ownership})
        else:
            _promise(promise)
            _ownership(ownership)
        if promise["violations"] or _lost(ownership):
            raise typer.Exit(NO)


@clock.command("show")
def show_clock(form: Output = Format.TABLE) -> None:
    """The tenant's present instant."""
    with calling(form) as gateway:
        _clock(gateway.get("/v1/testClock"), form)


@clock.command()
def advance(
    by: Annotated[str, typer.Argument(help="how far forward: 36h, 2d, 90m")],
    form: Output = Format.TABLE,
) -> None:
    """Move the tenant's test clock forward: lead times, expiries and every later rule follow at once.

    \b
    giro clock advance 36h
    """
    with calling(form) as gateway:
        seconds = int(reading.duration(by, "BY").total_seconds())
        body = {"by": f"{seconds}s", "requestId": request_id()}
        _clock(gateway.post("/v1/testClock:advance", body), form)


@parameters.command()
def get(name: Name, campaign: Campaign = "", form: Output = Format.TABLE) -> None:
    """The value that holds, where it comes from, and what it means.

    \b
    giro parameters get lead_time --campaign solar
    """
    with calling(form) as gateway:
        query = {"campaignId": Lookup(gateway).campaign(campaign)["campaignId"]} if campaign else {}
        show_parameter(gateway.get(f"/v1/parameters/{name}", **query), form)


@parameters.command("set")
def set_(
    name: Name,
    value: Annotated[str, typer.Argument(help='"129600s", "true", "12"; "" falls back to the wider scope')],
    campaign: Campaign = "",
    form: Output = Format.TABLE,
) -> None:
    """Set a parameter for the tenant, or for one campaign.

    \b
    giro parameters set lead_time 86400s --campaign solar
    """
    with calling(form) as gateway:
        body = {"name": name, "value": value}
        if campaign:
            body["campaignId"] = Lookup(gateway).campaign(campaign)["campaignId"]
        show_parameter(gateway.post("/v1/parameters", body), form)


@changes.command("list")
def list_changes(campaign: Campaign = "", limit: Limit = 20, form: Output = Format.TABLE) -> None:
    """Recently changed appointments, newest first; fed by events.

    \b
    giro changes list -n 5
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        query = {"campaignId": lookup.campaign(campaign)["campaignId"]} if campaign else {}
        found = list(gateway.pages("/v1/recentChanges", "changes", limit, **query))
        if form is Format.JSON:
            output.as_json(found)
            return
        zones = {each["campaignId"]: each["timeZone"] for each in lookup.campaigns}
        rows = [
            (
                f"{words.local(each['happenedAt'], zones.get(each['campaignId'], 'UTC')):%d %b %H:%M:%S}",
                each["change"],
                f"{words.local(each['start'], zones.get(each['campaignId'], 'UTC')):%a %d %b %H:%M}",
                lookup.agent_name(each["agentId"]),
                each["appointmentId"],
                str(each["version"]),
            )
            for each in found
        ]
        output.table("", ("happened", "change", "start", "agent", "appointment", ">version"), rows)


def _clock(answer: dict[str, str], form: Format) -> None:
    if form is Format.JSON:
        output.as_json(answer)
        return
    offset = reading.seconds(answer.get("offset"))
    moved = f", {words.length(offset)} ahead of the database" if offset else ", the database's own"
    output.say(f"{answer['now']}{moved}")


def show_parameter(answer: dict[str, str], form: Format) -> None:
    """A parameter for people, or as it came."""
    if form is Format.JSON:
        output.as_json(answer)
        return
    rows = [("name", answer["name"]), ("value", answer["value"]), ("from", answer["source"].lower())]
    output.card([*rows, ("meaning", answer["description"])])


def _promise(answer: Json) -> None:
    broken = answer["violations"]
    seen = f"{answer['agents']} agents, {answer['stops']} stops, {answer['pairs']} consecutive pairs"
    output.say(
        f"{seen}: {len(broken)} violations of end + travel + buffer <= start", RED if broken else GREEN
    )
    if broken:
        keys = ("kind", "agentId", "earlierOwnerId", "laterOwnerId", "shortSeconds")
        rows = [[str(each[key]) for key in keys] for each in broken]
        output.table("", ("kind", "agent", "earlier", "later", ">short (s)"), rows)


def _ownership(answer: Json) -> None:
    lost = _lost(answer)
    seen = f"{answer['appointments']} appointments, {answer['stops']} visits in the ledger"
    output.say(f"{seen}: {len(lost)} without the other", RED if lost else GREEN)
    for each in lost:
        output.say(f"  {each}", RED)


def _lost(answer: Json) -> list[str]:
    return [*answer["appointmentsWithoutStop"], *answer["stopsWithoutAppointment"]]
