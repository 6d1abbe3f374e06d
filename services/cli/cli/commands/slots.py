"""The operator on the phone: what fits, and keeping it while the customer thinks."""

from datetime import UTC, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli import reading, remembered
from cli.commands.calling import Output, calling, noun
from cli.errors import BadArgument
from cli.gateway import Gateway, Json, request_id
from cli.lookup import Lookup
from cli.reading import rfc3339
from cli.show import explained, output, slots, words
from cli.show.output import Format

_STARTS = ("earliest", "latest", "nearest")

app = noun("Slots that the agents can really reach: suggest, then hold or book.")


@app.command()
def suggest(  # noqa: PLR0917 - typer calls it by name
    campaign: Annotated[str, typer.Argument(help="id, name or part of it")],
    contact: Annotated[str, typer.Option("--contact", "-c", help="whom to visit: id or name")] = "",
    at: Annotated[str, typer.Option("--at", help="a place instead: LAT,LNG")] = "",
    duration: Annotated[str, typer.Option("--duration", "-d", help="length of the visit")] = "45m",
    days: Annotated[str, typer.Option("--days", help="2026-12-01..2026-12-10; default: two weeks")] = "",
    agent: Annotated[list[str] | None, typer.Option("--agent", "-a", help="only these: id or name")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=50, help="most slots")] = 10,
    near: Annotated[str, typer.Option("--near", help="HH:MM that the customer would like")] = "",
    starts: Annotated[str, typer.Option("--starts", help="of each gap: earliest,latest,nearest")] = "",
    ideal: Annotated[
        bool, typer.Option("--ideal-first", help="pages of one grade: ideal, then wider")
    ] = False,
    more: Annotated[bool, typer.Option("--more", help="the next page of the last suggestion")] = False,
    hide: Annotated[bool, typer.Option("--hide-agents", help="nothing that tells an agent")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="also why other gaps do not fit")] = False,
    map_: Annotated[int, typer.Option("--map", help="draw the round around this slot")] = 0,
    form: Output = Format.TABLE,
) -> None:
    """The best slots over all the campaign's agents, least added travel first.

    \b
    giro slots suggest solar --contact "Giulia Zanetti" --duration 45m --explain
    giro slots suggest solar --at 45.0703,7.6869 --days 2026-12-01..2026-12-05 --map 1
    giro slots suggest solar -c giulia --near 10:30 --starts earliest,nearest,latest
    giro slots suggest solar -c giulia --ideal-first      and then the same with --more
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        found = lookup.campaign(campaign)
        body: Json = {
            **_place(lookup, found["campaignId"], contact, at),
            "duration": f"{int(reading.duration(duration).total_seconds())}s",
            **_days(days),
            "agentIds": [lookup.agent_id(each) for each in agent or []],
            "limit": limit,
            "explain": explain,
            **_wishes(near, starts, ideal),
            **({"revealAgent": False} if hide else {}),
            **({"pageToken": remembered.next_page(gateway.settings.gateway_url)} if more else {}),
        }
        answer = gateway.post(f"/v1/campaigns/{found['campaignId']}/slots:suggest", body)
        remembered.keep_suggestion(gateway.settings.gateway_url, found, body.get("contactId", ""), answer)
        if form is Format.JSON:
            output.as_json(answer)
            return
        slots.show(answer, found["timeZone"], lookup.agent_name)
        if map_:
            _map(gateway, map_, found["timeZone"])
        if answer["slots"]:
            output.note("next: giro slots hold 1   or   giro appointments book 1")
        if answer.get("nextPageToken"):
            output.note("there is more: the same with --more")


@app.command()
def explain(  # noqa: PLR0917 - typer calls it by name
    campaign: Annotated[str, typer.Argument(help="id, name or part of it")],
    agent: Annotated[str, typer.Argument(help="id or name")],
    start: Annotated[str, typer.Argument(help="2026-12-01T10:00, in the campaign's zone")],
    contact: Annotated[str, typer.Option("--contact", "-c", help="whom to visit: id or name")] = "",
    at: Annotated[str, typer.Option("--at", help="a place instead: LAT,LNG")] = "",
    duration: Annotated[str, typer.Option("--duration", "-d", help="length of the visit")] = "45m",
    form: Output = Format.TABLE,
) -> None:
    """Why an agent cannot come at a start, and the smallest changes that would open it.

    \b
    giro slots explain solar giada 2026-12-01T10:00 --contact "Giulia Zanetti"
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        found = lookup.campaign(campaign)
        body: Json = {
            **_place(lookup, found["campaignId"], contact, at),
            "duration": f"{int(reading.duration(duration).total_seconds())}s",
            "agentId": lookup.agent_id(agent),
            "start": reading.moment(start, found["timeZone"], "START"),
        }
        answer = gateway.post(f"/v1/campaigns/{found['campaignId']}/slots:explain", body)
        if form is Format.JSON:
            output.as_json(answer)
            return
        explained.show(answer, found["timeZone"], lookup.agent_name)


@app.command()
def calendar(  # noqa: PLR0917 - typer calls it by name
    campaign: Annotated[str, typer.Argument(help="id, name or part of it")],
    contact: Annotated[str, typer.Option("--contact", "-c", help="whom to visit: id or name")] = "",
    at: Annotated[str, typer.Option("--at", help="a place instead: LAT,LNG")] = "",
    duration: Annotated[str, typer.Option("--duration", "-d", help="length of the visit")] = "45m",
    month: Annotated[str, typer.Option("--month", help="2026-12; default: the present one")] = "",
    agent: Annotated[list[str] | None, typer.Option("--agent", "-a", help="only these: id or name")] = None,
    form: Output = Format.TABLE,
) -> None:
    """What a visit would add to each agent's day, over a month: pick a day, then suggest or book.

    \b
    giro slots calendar solar --contact "Giulia Zanetti" --month 2026-12
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        found = lookup.campaign(campaign)
        body: Json = {
            **_place(lookup, found["campaignId"], contact, at),
            "duration": f"{int(reading.duration(duration).total_seconds())}s",
            "month": month,
            "agentIds": [lookup.agent_id(each) for each in agent or []],
        }
        answer = gateway.post(f"/v1/campaigns/{found['campaignId']}/slots:detours", body)
        if form is Format.JSON:
            output.as_json(answer)
            return
        slots.show_month(answer, lookup.agent_name)


@app.command()
def hold(
    slot: Annotated[str, typer.Argument(help="number of the last suggestion, or a slot token")],
    ttl: Annotated[str, typer.Option("--for", help="how long, at most 15m")] = "5m",
    form: Output = Format.TABLE,
) -> None:
    """Keep a slot while the customer is on the line; it vanishes for everybody else at once.

    \b
    giro slots hold 1 --for 10m
    """
    with calling(form) as gateway:
        body = {
            "slotToken": token_of(gateway, slot),
            "ttl": f"{int(reading.duration(ttl, '--for').total_seconds())}s",
            "requestId": request_id(),
        }
        held = gateway.post("/v1/slots:hold", body)
        remembered.keep_hold(gateway.settings.gateway_url, held)
        if form is Format.JSON:
            output.as_json(held)
            return
        _show_hold(Lookup(gateway), held)


def token_of(gateway: Gateway, text: str) -> str:
    """The slot token for a number of the last suggestion, or the token itself. Raises BadArgument."""
    if text.isdecimal():
        return str(remembered.slot(gateway.settings.gateway_url, int(text))["slotToken"])
    return text


def _place(lookup: Lookup, campaign_id: str, contact: str, at: str) -> Json:
    if bool(contact) == bool(at):
        raise BadArgument("say where: either --contact or --at", "giro contacts list CAMPAIGN shows people")
    if contact:
        return {"contactId": lookup.contact_id(contact, campaign_id)}
    place = reading.place(at)
    return {"point": {"latitude": place.lat, "longitude": place.lng}}


def _days(text: str) -> Json:
    if not text:
        return {}
    first, last = reading.days(text)
    return {"firstDay": first, "lastDay": last}


def _wishes(near: str, starts: str, ideal: bool) -> Json:
    """What was asked for beyond the defaults."""
    wishes: Json = {}
    if near:
        wishes["near"] = near
    if starts:
        wishes["starts"] = [_start(name) for name in starts.split(",")]
    if ideal:
        wishes["idealFirst"] = True
    return wishes


def _start(name: str) -> str:
    if name.strip().lower() not in _STARTS:
        raise BadArgument(f"no such start: {name}", f"--starts takes {', '.join(_STARTS)}, joined by commas")
    return f"START_CHOICE_{name.strip().upper()}"


def _map(gateway: Gateway, number: int, zone: str) -> None:
    anatomy = remembered.slot(gateway.settings.gateway_url, number)["anatomy"]
    start = words.local(anatomy["start"], zone).replace(hour=0, minute=0, second=0)
    query: dict[str, Any] = {"from": rfc3339(start), "to": rfc3339(start + timedelta(days=1))}
    itinerary = gateway.get(f"/v1/agents/{anatomy['agentId']}/itinerary", **query)
    point = (anatomy.get("legBefore") or {}).get("toPoint") or (anatomy.get("legAfter") or {}).get(
        "fromPoint"
    )
    if point is None:
        raise BadArgument("the slot has no drives, so there is nothing to draw", "leave --map out")
    slots.show_round(itinerary["stops"], point)


def _show_hold(lookup: Lookup, held: Json) -> None:
    campaign = lookup.campaign(held["campaignId"])
    zone = campaign["timeZone"]
    start = words.local(held["start"], zone)
    until = reading.instant(held["expiresAt"]).astimezone(UTC).astimezone(ZoneInfo(zone))
    rows = [
        ("hold", held["holdId"]),
        ("agent", lookup.agent_name(held["agentId"]) if held.get("agentId") else "hidden"),
        ("when", f"{words.day_of(start)} {words.span(held['start'], held['end'], zone)} ({zone})"),
        ("drive there", words.drive(held.get("legBefore"))),
        ("drive on", words.drive(held.get("legAfter"))),
        ("kept until", f"{until:%H:%M:%S}"),
    ]
    output.card(rows)
    output.note("next: giro appointments book   or   giro holds release")
