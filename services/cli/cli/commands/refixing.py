"""Outcomes and re-fixing: what agents may say, whom to call back, what procedures could not do."""

from typing import Annotated

import typer

from cli import reading
from cli.commands.calling import Limit, Output, calling, noun
from cli.errors import BadArgument
from cli.gateway import Gateway, Json, request_id
from cli.lookup import Lookup
from cli.show import appointments as shown
from cli.show import output, words
from cli.show.output import Format

outcomes = noun("Outcomes of visits: the states, what was set, the history.")
recalls = noun("Recalls: customers to call back about a visit that fell through.")
modes = noun("Modes of re-fixing, the procedures that run them, and what contradicts itself.")

Id = Annotated[str, typer.Argument(help="id, apt_...")]


@outcomes.command("list")
def list_states(form: Output = Format.TABLE) -> None:
    """The outcome states that agents may set."""
    with calling(form) as gateway:
        found = gateway.get("/v1/outcomeStates")["outcomeStates"]
        if form is Format.JSON:
            output.as_json(found)
            return
        rows = [
            (
                each["stateId"],
                each["displayName"],
                words.plain(each["result"], "VISIT_RESULT_"),
                words.plain(each["recall"], "RECALL_OPTION_"),
                "date" if each["refix"] else "",
                ", ".join(each["mandatory"]),
            )
            for each in found
        ]
        output.table("", ("id", "name", "visit", "recall", "agent's date", "mandatory"), rows)


@outcomes.command("set")
def set_outcome(
    appointment: Id,
    state: Annotated[str, typer.Argument(help="id of an outcome state")],
    *,
    note: Annotated[str, typer.Option("--note", help="why")] = "",
    value: Annotated[list[str] | None, typer.Option("--value", help="characteristic=value, repeated")] = None,
    to: Annotated[str, typer.Option("--to", help="App. Rifissare, local time: 2026-12-01T15:00")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Write what became of a visit.

    \b
    giro outcomes set apt_... ko-absent --value why=absent --note "nobody opened"
    giro outcomes set apt_... ko-moved --to 2026-12-01T15:00
    """
    with calling(form) as gateway:
        body: Json = {
            "stateId": state,
            "note": note,
            "characteristics": [_value(each) for each in value or []],
            "requestId": request_id(),
        }
        if to:
            body["refixAt"] = _moment(gateway, appointment, to)
        _said(form, gateway.post(f"/v1/appointments/{appointment}:setOutcome", body))


@outcomes.command()
def correct(
    appointment: Id,
    state: Annotated[str, typer.Argument(help="id of the outcome state that is true")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="why it is corrected; kept in the history")],
    value: Annotated[list[str] | None, typer.Option("--value", help="characteristic=value, repeated")] = None,
    to: Annotated[str, typer.Option("--to", help="App. Rifissare, local time: 2026-12-01T15:00")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Correct the outcome of a visit that is held; supervisors only, and the history keeps both.

    \b
    giro outcomes correct apt_... ko-absent --reason "the agent was at the wrong door"
    """
    with calling(form) as gateway:
        body: Json = {
            "stateId": state,
            "reason": reason,
            "characteristics": [_value(each) for each in value or []],
            "requestId": request_id(),
        }
        if to:
            body["refixAt"] = _moment(gateway, appointment, to)
        _said(form, gateway.post(f"/v1/appointments/{appointment}:correctOutcome", body))


def _said(form: Format, found: Json) -> None:
    if form is Format.JSON:
        output.as_json(found)
        return
    state_of = words.plain(found["appointmentState"], "APPOINTMENT_STATE_")
    output.say(f"{found['appointmentId']}: {found['stateId']}, {state_of}, version {found['version']}")


@outcomes.command()
def history(appointment: Id, limit: Limit = 50, form: Output = Format.TABLE) -> None:
    """What happened to an appointment, the oldest first."""
    with calling(form) as gateway:
        found = list(gateway.pages(f"/v1/appointments/{appointment}/history", "entries", limit))
        if form is Format.JSON:
            output.as_json(found)
            return
        rows = [
            (
                each["at"][:19].replace("T", " "),
                words.plain(each["kind"], "HISTORY_KIND_"),
                each["stateId"],
                each["note"],
                each["actorId"],
            )
            for each in found
        ]
        output.table("", ("when (UTC)", "what", "state", "note", "who"), rows)


@outcomes.command()
def note(
    appointment: Id,
    text: Annotated[str, typer.Argument(help="what to remember")],
) -> None:
    """Add a note to an appointment's history; notes are never changed.

    \b
    giro outcomes note apt_... "the bell is out of order"
    """
    with calling(Format.TABLE) as gateway:
        gateway.post(f"/v1/appointments/{appointment}/notes", {"text": text, "requestId": request_id()})
        output.say("noted: giro outcomes history shows it")


@recalls.command("list")
def list_recalls(
    campaign: Annotated[str, typer.Option("--campaign", help="only this one: id or name")] = "",
    limit: Limit = 20,
    form: Output = Format.TABLE,
) -> None:
    """Whom to call back, by the time it is due; others' private ones are not shown."""
    with calling(form) as gateway:
        campaign_id = Lookup(gateway).campaign(campaign)["campaignId"] if campaign else ""
        found = list(gateway.pages("/v1/recalls", "recalls", limit, campaignId=campaign_id))
        if form is Format.JSON:
            output.as_json(found)
            return
        rows = [
            (
                each["dueAt"][:16].replace("T", " "),
                each["appointmentId"],
                "private" if each["private"] else "public",
                each["recallId"],
            )
            for each in found
        ]
        output.table("", ("due (UTC)", "appointment", "whose", "id"), rows)


@recalls.command()
def close(
    recall: Annotated[str, typer.Argument(help="id, rcl_...")],
    note: Annotated[str, typer.Option("--note", help="why; kept in the history")] = "",
) -> None:
    """A recall is worked without a new visit.

    \b
    giro recalls close rcl_... --note "no longer interested"
    """
    with calling(Format.TABLE) as gateway:
        gateway.post(f"/v1/recalls/{recall}:close", {"note": note})
        output.say("closed")


@recalls.command()
def refix(
    appointment: Id,
    to: Annotated[str, typer.Option("--to", help="new start, local time: 2026-12-01T15:00")],
    state: Annotated[str, typer.Option("--state", help="outcome state, where the form lets choose")] = "",
    note: Annotated[str, typer.Option("--note", help="what was agreed")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Fix an appointment again, on the same card or a new one, as the policy says.

    \b
    giro recalls refix apt_... --to 2026-12-01T15:00 --note "after six is fine"
    """
    with calling(form) as gateway:
        body = {
            "time": {"start": _moment(gateway, appointment, to)},
            "stateId": state,
            "note": note,
            "screen": "SCREEN_BACK_OFFICE",
            "requestId": request_id(),
        }
        made = gateway.post(f"/v1/appointments/{appointment}:refix", body)
        if form is Format.JSON:
            output.as_json(made)
            return
        shown.card(made, Lookup(gateway))


@modes.command("list")
def list_modes(form: Output = Format.TABLE) -> None:
    """The modes of re-fixing, the tenant's own among them."""
    with calling(form) as gateway:
        found = gateway.get("/v1/refixModes")["modes"]
        if form is Format.JSON:
            output.as_json(found)
            return
        rows = [
            (
                each["modeId"],
                each["displayName"],
                words.plain(each["procedure"], "PROCEDURE_KIND_").replace("unspecified", "none"),
                words.plain(each["card"], "CARD_RULE_"),
            )
            for each in found
        ]
        output.table("", ("id", "name", "procedure", "card"), rows)


@modes.command()
def procedures(form: Output = Format.TABLE) -> None:
    """The scheduled procedures."""
    with calling(form) as gateway:
        found = gateway.get("/v1/procedures")["procedures"]
        if form is Format.JSON:
            output.as_json(found)
            return
        rows = [
            (
                each["procedureId"],
                "active" if each["active"] else "off",
                words.length(reading.seconds(each["interval"])),
                ", ".join(each["outcomeStateIds"]),
                each["stateId"],
            )
            for each in found
        ]
        output.table("", ("id", "runs", "every", "for outcomes", "writes"), rows)


@modes.command()
def procedure(
    procedure_id: Annotated[str, typer.Argument(help="its id: giro modes procedures")],
    on: Annotated[bool, typer.Option("--on/--off", help="whether it runs")],
    every: Annotated[str, typer.Option("--every", help="time between two runs: 5m, 1h")] = "",
) -> None:
    """Switch a scheduled procedure on or off, or let it run more often.

    \b
    giro modes procedure move-refixed --off
    giro modes procedure move-refixed --on --every 5m
    """
    with calling(Format.TABLE) as gateway:
        known = gateway.get("/v1/procedures")["procedures"]
        found = [each for each in known if each["procedureId"] == procedure_id]
        if not found:
            raise BadArgument(f"no procedure is called {procedure_id!r}", "see giro modes procedures")
        body = {**found[0], "active": on}
        if every:
            body["interval"] = f"{int(reading.duration(every, '--every').total_seconds())}s"
        made = gateway.put(f"/v1/procedures/{procedure_id}", body)
        runs = f"every {words.length(reading.seconds(made['interval']))}" if made["active"] else "off"
        output.say(f"{procedure_id}: {runs}")


@modes.command()
def check(form: Output = Format.TABLE) -> None:
    """What contradicts itself in the policy of re-fixing; exit code 1 when there is anything."""
    with calling(form) as gateway:
        found = gateway.post("/v1/refixPolicy:validate", {})["contradictions"]
        if form is Format.JSON:
            output.as_json(found)
        for each in found if form is not Format.JSON else ():
            output.say(f"{each['code']}  {each['subject']}: {each['message']} ({each['rule']})")
        if found:
            raise typer.Exit(1)
        if form is not Format.JSON:
            output.say("nothing contradicts itself")


@modes.command()
def exceptions(limit: Limit = 20, form: Output = Format.TABLE) -> None:
    """What procedures could not do, with the starts that would fit."""
    with calling(form) as gateway:
        found = list(gateway.pages("/v1/refixExceptions", "exceptions", limit))
        if form is Format.JSON:
            output.as_json(found)
            return
        rows = [
            (
                each["appointmentId"],
                each["refixAt"][:16].replace("T", " "),
                each["reason"],
                ", ".join(other["start"][:16].replace("T", " ") for other in each["alternatives"]),
            )
            for each in found
        ]
        output.table("", ("appointment", "asked for (UTC)", "reason", "would fit (UTC)"), rows)


def _value(text: str) -> Json:
    name, separator, value = text.partition("=")
    if not separator or not name or not value:
        raise BadArgument(f"{text!r} is no characteristic=value", "for example --value why=absent")
    return {"characteristicId": name, "value": value}


def _moment(gateway: Gateway, appointment: str, text: str) -> str:
    known = gateway.get(f"/v1/appointments/{appointment}")
    zone = str(gateway.get(f"/v1/campaigns/{known['campaignId']}")["timeZone"])
    return reading.moment(text, zone, "--to")
