"""Appointments: book, look, confirm, move, cancel."""

from enum import StrEnum
from typing import Annotated

import typer

from cli import reading, remembered
from cli.commands.calling import Limit, Output, States, calling, noun
from cli.commands.slots import token_of
from cli.errors import BadArgument
from cli.gateway import Gateway, Json, Query, request_id
from cli.lookup import Lookup
from cli.show import appointments as shown
from cli.show import explanations, output
from cli.show.output import Format

app = noun("Appointments (cards): book, look, confirm, move, cancel.")

Id = Annotated[str, typer.Argument(help="id, apt_...")]
What = Annotated[
    str, typer.Argument(help="number of the last suggestion, hld_..., or a token; default: the last hold")
]
Version = Annotated[int, typer.Option("--version", help="the version you saw; 0: whatever is there", min=0)]


class Flexible(StrEnum):
    """What may be promised in place of the start."""

    DAY = "day"
    WEEK = "week"


@app.command()
def book(
    what: Annotated[
        str, typer.Argument(help="number of the last suggestion, hld_..., or a token; default: the last hold")
    ] = "",
    contact: Annotated[
        str, typer.Option("--contact", "-c", help="whom to visit; default: as suggested")
    ] = "",
    note: Annotated[str, typer.Option("--note", help="for the agent")] = "",
    flexible: Annotated[
        Flexible | None, typer.Option("--flexible", help="promise the whole day or week, not the start")
    ] = None,
    form: Output = Format.TABLE,
) -> None:
    """Book a held or suggested slot; nobody else can take it any more.

    \b
    giro appointments book 1
    giro appointments book --contact "Giulia Zanetti"
    """
    with calling(form) as gateway:
        url = gateway.settings.gateway_url
        body = {
            **_slot(gateway, what),
            "contactId": _contact(gateway, contact),
            "note": note,
            "requestId": request_id(),
        }
        if flexible is not None:
            body["promise"] = f"PROMISE_{flexible.upper()}"
        made = gateway.post("/v1/appointments", body)
        remembered.forget_hold(url)
        shown.answered(form, made, gateway)


@app.command("list")
def list_(
    *,
    campaign: Annotated[str, typer.Option("--campaign", help="only this one: id or name")] = "",
    agent: Annotated[str, typer.Option("--agent", "-a", help="only this one: id or name")] = "",
    all_: Annotated[bool, typer.Option("--all", help="past and cancelled ones too")] = False,
    state: States = None,
    limit: Limit = 20,
    form: Output = Format.TABLE,
) -> None:
    """Appointments, upcoming or all, by start.

    \b
    giro appointments list --agent Giada -n 10
    giro appointments list --all --state held --state cancelled
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        query: dict[str, Query] = {
            "states": reading.states(state),
            "scope": "APPOINTMENT_SCOPE_ALL" if all_ else "APPOINTMENT_SCOPE_UPCOMING",
            "campaignId": lookup.campaign(campaign)["campaignId"] if campaign else "",
            "agentId": lookup.agent_id(agent) if agent else "",
        }
        found = list(gateway.pages("/v1/appointments", "appointments", limit, **query))
        if form is Format.JSON:
            output.as_json(found)
            return
        shown.table(found, lookup)


@app.command()
def show(appointment: Id, form: Output = Format.TABLE) -> None:
    """One appointment with the drives around it."""
    with calling(form) as gateway:
        shown.answered(form, gateway.get(f"/v1/appointments/{appointment}"), gateway)


@app.command()
def explain(appointment: Id, form: Output = Format.TABLE) -> None:
    """Why it is where it is: every change, who chose it, from what, and what policy said then.

    \b
    giro appointments explain apt_...
    """
    with calling(form) as gateway:
        found = gateway.get(f"/v1/appointments/{appointment}:explain")
        if form is Format.JSON:
            output.as_json(found)
            return
        lookup = Lookup(gateway)
        known = gateway.get(f"/v1/appointments/{appointment}")
        explanations.table(found, lookup, lookup.campaign(known["campaignId"])["timeZone"])


@app.command()
def confirm(appointment: Id, version: Version = 0, form: Output = Format.TABLE) -> None:
    """Confirm an appointment."""
    with calling(form) as gateway:
        changed = gateway.post(f"/v1/appointments/{appointment}:confirm", {"version": str(version)})
        shown.answered(form, changed, gateway)


@app.command()
def postpone(
    appointment: Id,
    to: Annotated[str, typer.Option("--to", help="new start, local time: 2026-12-01T15:00")] = "",
    by: Annotated[str, typer.Option("--by", help="or how much later: 30m, 2h, 1d")] = "",
    version: Version = 0,
    form: Output = Format.TABLE,
) -> None:
    """Move an appointment to a later start with the same agent; nothing moves when it does not fit.

    \b
    giro appointments postpone apt_... --by 30m
    giro appointments postpone apt_... --to 2026-12-01T15:00
    """
    with calling(form) as gateway:
        if bool(to) == bool(by):
            raise BadArgument(
                "say when: either --to or --by", 'for example --by 30m or --to "2026-12-01 15:00"'
            )
        known = gateway.get(f"/v1/appointments/{appointment}")
        start = _moment(gateway, known, to, "--to") if to else _later(known, by)
        body = {"start": start, "version": str(version), "requestId": request_id()}
        shown.answered(form, gateway.post(f"/v1/appointments/{appointment}:postpone", body), gateway)


@app.command()
def reassign(
    appointment: Id,
    agent: Annotated[str, typer.Option("--agent", "-a", help="the new agent: id or name")],
    start: Annotated[str, typer.Option("--start", help="a new start as well, campaign's local time")] = "",
    version: Version = 0,
    form: Output = Format.TABLE,
) -> None:
    """Give an appointment to another agent of the campaign.

    \b
    giro appointments reassign apt_... --agent "Marco Riva"
    """
    with calling(form) as gateway:
        body: Json = {
            "agentId": Lookup(gateway).agent_id(agent),
            "version": str(version),
            "requestId": request_id(),
        }
        if start:
            known = gateway.get(f"/v1/appointments/{appointment}")
            body["start"] = _moment(gateway, known, start, "--start")
        shown.answered(form, gateway.post(f"/v1/appointments/{appointment}:reassign", body), gateway)


@app.command()
def cancel(
    appointment: Id,
    note: Annotated[str, typer.Option("--note", help="why, for people")] = "",
    version: Version = 0,
    form: Output = Format.TABLE,
) -> None:
    """Cancel an appointment; its time becomes free, its unit stays used until the step ends."""
    with calling(form) as gateway:
        body = {"note": note, "version": str(version)}
        shown.answered(form, gateway.post(f"/v1/appointments/{appointment}:cancel", body), gateway)


@app.command()
def swap(
    appointment: Id,
    other: Annotated[str, typer.Argument(help="id of the other one, apt_...")],
    form: Output = Format.TABLE,
) -> None:
    """Two visits change agents, each at its own time: both days are checked, both change or neither.

    \b
    giro appointments swap apt_... apt_...
    """
    with calling(form) as gateway:
        body = {"appointmentId": appointment, "otherAppointmentId": other, "requestId": request_id()}
        changed = gateway.post("/v1/appointments:swap", body)
        if form is Format.JSON:
            output.as_json(changed)
            return
        shown.table([changed["appointment"], changed["other"]], Lookup(gateway))


def _slot(gateway: Gateway, what: str) -> Json:
    chosen = what or remembered.hold_id(gateway.settings.gateway_url)
    if not chosen:
        advice = "giro appointments book 1 books the first slot of the last suggestion"
        raise BadArgument("say what to book: nothing is held", advice)
    return {"holdId": chosen} if chosen.startswith("hld_") else {"slotToken": token_of(gateway, chosen)}


def _contact(gateway: Gateway, text: str) -> str:
    url = gateway.settings.gateway_url
    if text:
        return Lookup(gateway).contact_id(text, remembered.campaign_id(url))
    known = remembered.contact_id(url)
    if not known:
        raise BadArgument(
            "say who is visited: --contact", "the last suggestion was for a place, not for a person"
        )
    return known


def _moment(gateway: Gateway, known: Json, text: str, what: str) -> str:
    zone = str(gateway.get(f"/v1/campaigns/{known['campaignId']}")["timeZone"])
    return reading.moment(text, zone, what)


def _later(known: Json, by: str) -> str:
    return reading.rfc3339(reading.instant(known["start"]) + reading.duration(by, "--by"))
