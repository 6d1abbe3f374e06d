"""The waiting list: who would take a time that becomes free, and the offers that stand."""

from typing import Annotated

import typer

from cli import reading
from cli.commands.calling import Limit, Output, calling, noun
from cli.gateway import Json, request_id
from cli.lookup import Lookup
from cli.show import appointments as shown_appointments
from cli.show import output
from cli.show.columns import Columns, field, listed, shown, spoken, utc
from cli.show.output import Format

app = noun("The waiting list: who would take a time that becomes free, and what is offered.")

Campaign = Annotated[str, typer.Argument(help="id, name or part of it")]
Offer = Annotated[str, typer.Argument(help="id, off_...")]


ENTRY: Columns = {
    "contact": field("contactId"),
    "state": spoken("state", "WAITLIST_STATE_"),
    "since (UTC)": utc("joinedAt"),
    "offered (UTC)": lambda row: utc("start")(row.get("offer") or {}),
    "kept until (UTC)": lambda row: utc("expiresAt")(row.get("offer") or {}),
    "offer": lambda row: str((row.get("offer") or {}).get("offerId", "")),
    "id": field("entryId"),
}


@app.command("list")
def list_(campaign: Campaign, limit: Limit = 200, form: Output = Format.TABLE) -> None:
    """Who waits, in order, with the offers that stand.

    \b
    giro waitlist list solar -n 20
    """
    with calling(form) as gateway:
        campaign_id = Lookup(gateway).campaign(campaign)["campaignId"]
        listed(form, list(gateway.pages(f"/v1/campaigns/{campaign_id}/waitlist", "entries", limit)), ENTRY)


@app.command()
def join(
    campaign: Campaign,
    *,
    contact: Annotated[str, typer.Option("--contact", "-c", help="who waits: id or name")],
    duration: Annotated[str, typer.Option("--duration", "-d", help="how long the visit takes")] = "45m",
    after: Annotated[str, typer.Option("--after", help="earliest start, local time")] = "",
    before: Annotated[str, typer.Option("--before", help="latest end, local time")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Put a person on the list; a time that becomes free is offered to who waits longest and fits.

    \b
    giro waitlist join solar --contact "Giulia Zanetti"
    giro waitlist join solar -c "Giulia Zanetti" --after 2026-12-01T08:00 --before 2026-12-05T18:00
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        found = lookup.campaign(campaign)
        campaign_id, zone = found["campaignId"], found["timeZone"]
        body: Json = {
            "contactId": lookup.contact_id(contact, campaign_id),
            "duration": f"{int(reading.duration(duration).total_seconds())}s",
            "requestId": request_id(),
        }
        if after:
            body["notBefore"] = reading.moment(after, zone, "--after")
        if before:
            body["notAfter"] = reading.moment(before, zone, "--before")
        shown(form, gateway.post(f"/v1/campaigns/{campaign_id}/waitlist", body), ENTRY)


@app.command()
def leave(
    entry: Annotated[str, typer.Argument(help="id, wai_...")],
    form: Output = Format.TABLE,
) -> None:
    """Take a person off the list; an offer that stands goes on to the next."""
    with calling(form) as gateway:
        shown(form, gateway.post(f"/v1/waitlist/{entry}:leave", {}), ENTRY)


@app.command()
def accept(offer: Offer, form: Output = Format.TABLE) -> None:
    """Book what was offered; of all who accept, one wins.

    \b
    giro waitlist accept off_...
    """
    with calling(form) as gateway:
        made = gateway.post(f"/v1/offers/{offer}:accept", {"requestId": request_id()})
        shown_appointments.answered(form, made, gateway)


@app.command()
def decline(offer: Offer) -> None:
    """Decline an offer: the next one gets it, and the person goes on waiting."""
    with calling(Format.TABLE) as gateway:
        gateway.post(f"/v1/offers/{offer}:decline", {})
        output.say("declined; the person goes on waiting for others")
