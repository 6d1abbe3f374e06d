"""Campaigns, and the people to visit."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from cli import reading
from cli.commands.calling import Limit, Output, calling, noun
from cli.commands.people_files import MOST_AT_ONCE, contacts_in
from cli.gateway import Json, request_id
from cli.lookup import Lookup
from cli.show import output, words
from cli.show.columns import Columns, count, field, listed, utc
from cli.show.output import Format

app = noun("Customers' campaigns with their packages of appointments.")
PERSON: Final = ("displayName", "address", "phone")
NEEDS_PIN: Final = "CONTACT_PLACE_NEEDS_PIN"
CHANGES: Final[Columns] = {
    ">version": count("version"),
    "when (UTC)": utc("changedAt"),
    "who": field("actorId"),
    "what": field("field"),
    "before": field("before"),
    "after": field("after"),
}

contacts = noun("The people to visit.")


@app.command("list")
def list_(limit: Limit = 50, form: Output = Format.TABLE) -> None:
    """Campaigns that you may see, with what is left of their packages.

    \b
    giro campaigns list
    """
    with calling(form) as gateway:
        found = list(gateway.pages("/v1/campaigns", "campaigns", limit))
        if form is Format.JSON:
            output.as_json(found)
            return
        rows = [
            (
                each["displayName"],
                each["campaignId"],
                *(str(each.get(key, 0)) for key in ("purchased", "taken", "toConfirm", "cancelledInStep")),
                str(each["purchased"] - each["taken"] - each["cancelledInStep"]),
                str(len(each["agentIds"])),
                ", ".join(each["skills"]),
            )
            for each in found
        ]
        counts = (">bought", ">taken", ">to confirm", ">cancelled", ">left", ">agents")
        output.table("", ("campaign", "id", *counts, "skills"), rows)


@contacts.command("list")
def list_contacts(
    campaign: Annotated[str, typer.Argument(help="id, name or part of it")],
    limit: Limit = 20,
    form: Output = Format.TABLE,
) -> None:
    """People to visit of a campaign.

    \b
    giro contacts list solar -n 10
    """
    with calling(form) as gateway:
        campaign_id = Lookup(gateway).campaign(campaign)["campaignId"]
        found = list(gateway.pages(f"/v1/campaigns/{campaign_id}/contacts", "contacts", limit))
        if form is Format.JSON:
            output.as_json(found)
            return
        rows = [
            (
                each["displayName"],
                each["address"],
                each["phone"],
                words.place(each["point"]) if each.get("point") else Text("needs a pin", style="yellow"),
                each["contactId"],
            )
            for each in found
        ]
        output.table("", ("name", "address", "phone", "place", "id"), rows)


@contacts.command("import")
def import_(
    campaign: Annotated[str, typer.Argument(help="id, name or part of it")],
    file: Annotated[Path, typer.Argument(help="CSV: name, address, phone, lat, lon, email, postcode, ...")],
    form: Output = Format.TABLE,
) -> None:
    """Take people in from a CSV file. Who has no lat and lon is placed by the address, or needs a pin.

    \b
    giro contacts import solar people.csv
    """
    with calling(form) as gateway:
        people = contacts_in(file)
        path = f"/v1/campaigns/{Lookup(gateway).campaign(campaign)['campaignId']}/contacts:import"
        made: list[str] = []
        for first in range(0, len(people), MOST_AT_ONCE):
            body = {"contacts": people[first : first + MOST_AT_ONCE], "requestId": request_id()}
            made += gateway.post(path, body)["contactIds"]
        if form is Format.JSON:
            output.as_json({"contactIds": made})
            return
        output.say(f"{len(made)} people taken in.")
        output.note("who needs a pin: giro contacts list; to pin one: giro contacts correct ID --at LAT,LNG")


@contacts.command()
def correct(
    contact: Annotated[str, typer.Argument(help="id, cnt_...")],
    *,
    name: Annotated[str | None, typer.Option("--name", help="of the person")] = None,
    phone: Annotated[str | None, typer.Option("--phone", help="+39...; empty to clear it")] = None,
    email: Annotated[str | None, typer.Option("--email", help="empty to clear it")] = None,
    language: Annotated[str | None, typer.Option("--language", help="as it; empty: the campaign's")] = None,
    address: Annotated[str | None, typer.Option("--address", help="looked up unless pinned")] = None,
    postcode: Annotated[str | None, typer.Option("--postcode", help="empty to clear it")] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="name of the visits' sub-folder")] = None,
    at: Annotated[str, typer.Option("--at", help="LAT,LNG of the visit: the pin")] = "",
    version: Annotated[int, typer.Option("--version", help="the version you saw; 0: any", min=0)] = 0,
    form: Output = Format.TABLE,
) -> None:
    """Correct a person: how to be reached from the next call on, where for what is booked from now on.

    What is not named stays.

    \b
    giro contacts correct cnt_... --phone +390110000001 --language it
    giro contacts correct cnt_... --address "Via Roma 3, Torino" --postcode 10123
    giro contacts correct cnt_... --at 45.0703,7.6869
    """
    reached = {"displayName": name, "phone": phone, "email": email, "language": language}
    told = {**reached, "address": address, "postcode": postcode, "zone": zone, "version": version or None}
    body: Json = {key: value for key, value in told.items() if value is not None}
    if at:
        point = reading.place(at, "--at")
        body["point"] = {"latitude": point.lat, "longitude": point.lng}
    with calling(form) as gateway:
        answer = gateway.post(f"/v1/contacts/{contact}:update", body)
        if form is Format.JSON:
            output.as_json(answer)
            return
        output.card([(name, answer.get(name, "")) for name in (*PERSON, "postcode", "zone", "contactId")])
        if answer.get("place") == NEEDS_PIN:
            output.note(
                "nobody can be booked there before it is pinned: giro contacts correct ... --at LAT,LNG"
            )


@contacts.command()
def changes(
    contact: Annotated[str, typer.Argument(help="id, cnt_...")],
    limit: Limit = 20,
    form: Output = Format.TABLE,
) -> None:
    """What was corrected of a person, by whom, the oldest first.

    \b
    giro contacts changes cnt_...
    """
    with calling(form) as gateway:
        found = list(gateway.pages(f"/v1/contacts/{contact}/changes", "changes", limit))
        if form is Format.JSON:
            output.as_json(found)
            return
        listed(form, [{**each, **told} for each in found for told in each["fields"]], CHANGES)
