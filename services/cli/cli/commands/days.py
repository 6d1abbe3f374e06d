"""Days that went wrong."""

import sys
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli import reading
from cli.commands.calling import Output, calling, noun
from cli.errors import BadArgument
from cli.gateway import Gateway, Json, request_id
from cli.lookup import Lookup
from cli.show import output
from cli.show import repair as shown
from cli.show.output import Format

app = noun("Agents' days: what to do when one goes wrong.")


@app.command()
def repair(  # noqa: PLR0917 - typer calls it by name
    agent: Annotated[str, typer.Argument(help="who is late or away: id, name or part of it")],
    delay: Annotated[str, typer.Option("--delay", help="late by that much: 40m, 1h30m")] = "",
    away: Annotated[
        str, typer.Option("--away", help="or away, local time: 2026-12-01T08:00..2026-12-01T18:00")
    ] = "",
    helpers: Annotated[
        list[str] | None, typer.Option("--helper", help="who could take over; again for more")
    ] = None,
    tolerance: Annotated[str, typer.Option("--tolerance", help="later without a call")] = "0m",
    apply: Annotated[bool, typer.Option("--apply", help="make all of it, or nothing")] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel-unplaced", help="with --apply: cancel what nobody can reach")
    ] = False,
    form: Output = Format.TABLE,
) -> None:
    """The smallest change that keeps the most promises, whom to call first, and all of it in one step.

    \b
    giro day repair Giada --delay 40m --helper Marco
    giro day repair Giada --away 2026-12-01T08:00..2026-12-01T18:00 --helper Marco --apply
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        agent_id = lookup.agent_id(agent)
        body = {
            **_happened(gateway, agent_id, delay, away),
            "helperAgentIds": [lookup.agent_id(each) for each in helpers or ()],
            "tolerance": f"{int(reading.duration(tolerance, '--tolerance').total_seconds())}s",
        }
        found = gateway.post(f"/v1/agents/{agent_id}:proposeRepair", body)
        if form is Format.TABLE:
            shown.show(found, lookup)
        applied = _apply(gateway, found, cancel=cancel) if apply else None
        if form is Format.JSON:
            output.as_json(found if applied is None else applied)
        else:
            _say(found, applied)


@app.command()
def optimize(  # noqa: PLR0917 - typer calls it by name
    agents: Annotated[list[str], typer.Argument(help="whose days: ids, names or parts of them")],
    first: Annotated[str, typer.Option("--from", help="2026-12-01, today, tomorrow, +3")] = "tomorrow",
    days: Annotated[int, typer.Option("--days", min=1, max=7)] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="the same one gives the same plan")] = 0,
    keep_order: Annotated[bool, typer.Option("--keep-order", help="change times alone")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="make all of it without asking")] = False,
    form: Output = Format.TABLE,
) -> None:
    """Less driving: flexible visits moved within the day or week that was promised, all in one step.

    \b
    giro day optimize Giada Marco --from 2026-12-01 --days 5
    giro day optimize Giada --apply
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        agent_ids = [lookup.agent_id(each) for each in agents]
        zone = ZoneInfo(gateway.get(f"/v1/agents/{agent_ids[0]}")["calendar"]["timeZone"])
        day = reading.day(first, datetime.now(UTC).astimezone(zone).date(), "--from")
        body = {"agentIds": agent_ids, "firstDay": day.isoformat(), "days": days, "seed": seed}
        found = gateway.post("/v1/plans:propose", {**body, "keepOrder": keep_order})
        if form is Format.TABLE:
            shown.show_plan(found, lookup)
        wanted = bool(found.get("visits")) and (apply or _asked(form))
        made = gateway.post("/v1/plans", _plan(found)) if wanted else None
        if form is Format.JSON:
            output.as_json(found if made is None else made)
        elif made is not None:
            output.note(f"applied: {len(made['appointments'])} appointments moved together")
        else:
            output.note("nothing is changed")


def _asked(form: Format) -> bool:
    """Whether somebody at a terminal says yes."""
    return form is Format.TABLE and sys.stdin.isatty() and typer.confirm("Apply all of it?")


def _plan(found: Json) -> Json:
    moves = [{**_seen(each["appointment"]), "start": each["start"]} for each in found["visits"]]
    return {"moves": moves, "requestId": request_id()}


def _happened(gateway: Gateway, agent_id: str, delay: str, away: str) -> Json:
    if bool(delay) == bool(away):
        raise BadArgument(
            "say what happened: either --delay or --away",
            "for example --delay 40m or --away 2026-12-01T08:00..2026-12-01T18:00",
        )
    if delay:
        return {"delay": f"{int(reading.duration(delay, '--delay').total_seconds())}s"}
    zone = gateway.get(f"/v1/agents/{agent_id}")["calendar"]["timeZone"]
    start, dots, end = away.partition("..")
    if not dots:
        raise BadArgument(f"--away {away!r} has no end", "write FROM..TO")
    return {
        "unavailable": {
            "start": reading.moment(start, zone, "--away"),
            "end": reading.moment(end, zone, "--away"),
        }
    }


def _apply(gateway: Gateway, found: Json, *, cancel: bool) -> Json | None:
    """The answer; None where there is nothing to do. Raises BadArgument for what is not placed."""
    unplaced = found.get("unplaced", [])
    if unplaced and not cancel:
        raise BadArgument(
            f"{len(unplaced)} visits have no place: nothing is changed",
            "call those people and move them first, or add --cancel-unplaced",
        )
    body: dict[str, Any] = {
        "moves": [_move(each) for each in found.get("visits", [])],
        "cancellations": [_seen(each["appointment"]) for each in unplaced],
        "note": "nobody could come any more",
        "requestId": request_id(),
    }
    return gateway.post("/v1/repairs", body) if body["moves"] or body["cancellations"] else None


def _move(visit: Json) -> Json:
    return {**_seen(visit["appointment"]), "agentId": visit["agentId"], "start": visit["start"]}


def _seen(appointment: Json) -> Json:
    return {"appointmentId": appointment["appointmentId"], "version": appointment["version"]}


def _say(found: Json, applied: Json | None) -> None:
    if applied is not None:
        output.note(f"applied: {len(applied.get('appointments', []))} appointments changed together")
    elif found.get("visits") or found.get("unplaced"):
        output.note("nothing is changed yet; make all of it in one step with --apply")
