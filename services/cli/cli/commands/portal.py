"""What a customer sees: the folder, the confirmation list, reports, who looked, whom to call."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli import reading
from cli.commands.calling import Limit, Output, States, calling, noun, streaming
from cli.commands.writing import Moved, moving, written
from cli.errors import CommandFailed
from cli.gateway import Json
from cli.lookup import Lookup
from cli.show import appointments as shown_appointments
from cli.show import output, words
from cli.show.columns import Columns, count, field, listed, shown, spoken, utc
from cli.show.output import Format

app = noun("What a customer sees: the folder, what is to confirm, reports, who looked, whom to call.")

Campaign = Annotated[str, typer.Argument(help="id, name or part of it")]
Agent = Annotated[str, typer.Option("--agent", "-a", help="only this one: id or name")]
Zone = Annotated[str, typer.Option("--zone", help="only this zone")]
COUNTS: Columns = {
    ">to confirm": count("toConfirm"),
    ">confirmed": count("confirmed"),
    ">held": count("held"),
    ">cancelled": count("cancelled"),
    ">superseded": count("superseded"),
    ">total": count("total"),
}
VIEW: Columns = {
    "when (UTC)": utc("viewedAt"),
    "who": field("viewerId"),
    "role": spoken("role", "ROLE_"),
    ">version": count("version"),
}
SUPPORT: Columns = {
    "phone": field("phone"),
    "fax": field("fax"),
    "e-mail": field("email"),
    "VAT id": field("vatId"),
}
EXPORTED = ("appointment", "start", "end", "agent", "zone", "contact", "address", "state", "outcome", "note")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@app.command()
def folder(
    campaign: Campaign,
    *,
    agent: Agent = "",
    zone: Zone = "",
    all_: Annotated[bool, typer.Option("--all", help="past and cancelled ones too")] = False,
    limit: Limit = 20,
    form: Output = Format.TABLE,
) -> None:
    """The customer's folder, or its sub-folder of an agent or a zone, by start.

    \b
    giro portal folder solar
    giro portal folder solar --agent Giada --all
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        query = {
            "scope": "APPOINTMENT_SCOPE_ALL" if all_ else "APPOINTMENT_SCOPE_UPCOMING",
            "campaignId": lookup.campaign(campaign)["campaignId"],
            "agentId": lookup.agent_id(agent) if agent else "",
            "zone": zone,
        }
        _appointments(form, gateway.pages("/v1/appointments", "appointments", limit, **query), lookup)


@app.command("to-confirm")
def to_confirm(
    campaign: Annotated[str, typer.Option("--campaign", help="only this one: id or name")] = "",
    day: Annotated[str, typer.Option("--day", help="confirmed on that day; default: today")] = "",
    limit: Limit = 50,
    form: Output = Format.TABLE,
) -> None:
    """Whom to call today, so that tomorrow's visits are confirmed.

    \b
    giro portal to-confirm --campaign solar
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        query = {
            "day": reading.days(day, "--day")[0] if day else "",
            "campaignId": lookup.campaign(campaign)["campaignId"] if campaign else "",
        }
        _appointments(
            form, gateway.pages("/v1/appointments:toConfirm", "appointments", limit, **query), lookup
        )


@app.command()
def report(campaign: Campaign, state: States = None, form: Output = Format.TABLE) -> None:
    """All that was ever delivered for a campaign, by agent and by zone, with the sum; or some states alone.

    \b
    giro portal report solar
    giro portal report solar --state held
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        path = f"/v1/campaigns/{lookup.campaign(campaign)['campaignId']}/report"
        found = gateway.get(path, states=reading.states(state))
        if form is Format.JSON:
            output.as_json(found)
            return
        agent: Columns = {"agent": lambda row: _named(lookup.agent_name(row["of"])), **COUNTS}
        zone: Columns = {"zone": lambda row: _named(row["of"]), **COUNTS}
        total = {**found["campaign"], "of": "sum"}
        listed(form, [*found["agents"], total], agent)
        listed(form, [*found["zones"], total], zone)


@app.command()
def export(
    campaign: Campaign,
    file: Annotated[Path, typer.Argument(help="where to write the CSV", dir_okay=False)],
    agent: Agent = "",
    zone: Zone = "",
    state: States = None,
) -> None:
    """All appointments of a campaign, an agent or a zone as CSV; the last line sums up.

    \b
    giro portal export solar solar.csv
    giro portal export solar giada.csv --agent Giada --state held
    """
    with calling(Format.TABLE) as gateway, streaming(gateway) as streams:
        lookup = Lookup(gateway)
        campaign_id = lookup.campaign(campaign)["campaignId"]
        agent_id, states = lookup.agent_id(agent) if agent else "", reading.states(state)
        parts = streams.report(campaign_id, agent_id, zone, states)
        with moving(file.name) as moved, written(file) as opened:
            for line in _lines(parts, lookup, moved):
                opened.write(line)
        output.say(f"{file} is written")


@app.command()
def views(
    appointment: Annotated[str, typer.Argument(help="id, apt_...")], form: Output = Format.TABLE
) -> None:
    """Who looked at an appointment, and which version they saw.

    \b
    giro portal views apt_...
    """
    with calling(form) as gateway:
        listed(form, gateway.get(f"/v1/appointments/{appointment}/views")["views"], VIEW)


@app.command()
def support(
    phone: Annotated[str, typer.Option("--phone", help="change it")] = "",
    fax: Annotated[str, typer.Option("--fax", help="change it")] = "",
    email: Annotated[str, typer.Option("--email", help="change it")] = "",
    vat_id: Annotated[str, typer.Option("--vat-id", help="change it")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Whom customers call; with options changed, by administrators.

    \b
    giro portal support
    giro portal support --phone +390110000000
    """
    with calling(form) as gateway:
        known = gateway.get("/v1/supportContact")
        given = {"phone": phone, "fax": fax, "email": email, "vatId": vat_id}
        changes = {name: value for name, value in given.items() if value}
        if changes:
            known = gateway.post("/v1/supportContact", {"contact": {**known, **changes}})
        shown(form, known, SUPPORT)


def _appointments(form: Format, found: Iterable[Json], lookup: Lookup) -> None:
    rows = list(found)
    if form is Format.JSON:
        output.as_json(rows)
        return
    shown_appointments.table(rows, lookup)


def _named(name: str) -> str:
    return name or "(none)"


def _lines(
    parts: Iterable[tuple[Iterable[Json], Json | None]], lookup: Lookup, moved: Moved
) -> Iterator[bytes]:
    """The lines of the CSV. Raises CommandFailed for a report that ended before its end."""
    yield _line(EXPORTED)
    summary: Json | None = None
    for rows, counted in parts:
        for row in rows:
            line = _line(_cells(row, lookup))
            moved(len(line))
            yield line
        summary = counted or summary
    if summary is None:
        raise CommandFailed("the report ended before its end; nothing was written", "repeat the command")
    counts = summary["campaign"]
    said = ", ".join(f"{head.removeprefix('>')} {column(counts)}" for head, column in COUNTS.items())
    yield _line(("sum", *[""] * (len(EXPORTED) - 2), said))


def _cells(row: Json, lookup: Lookup) -> list[str]:
    card = row["appointment"]
    return [
        card["appointmentId"],
        card["start"],
        card["end"],
        lookup.agent_name(card["agentId"]),
        card["zone"],
        row["contactName"],
        row["address"],
        words.plain(card["state"], "APPOINTMENT_STATE_"),
        card["outcomeStateId"],
        card["note"],
    ]


def _line(cells: Iterable[str]) -> bytes:
    """One line of CSV (RFC 4180); what a spreadsheet would take for a formula is written as text."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells)
    return buffer.getvalue().encode()
