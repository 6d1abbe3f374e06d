"""Campaigns, and the people to visit."""

from typing import Annotated, Final

import typer

from cli import reading
from cli.commands.calling import Limit, Output, calling, noun
from cli.gateway import Json
from cli.lookup import Lookup
from cli.show import output, words
from cli.show.output import Format

app = noun("Customers' campaigns with their packages of appointments.")
PERSON: Final = ("displayName", "address", "phone")

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
                words.place(each["point"]),
                each["contactId"],
            )
            for each in found
        ]
        output.table("", ("name", "address", "phone", "place", "id"), rows)


@contacts.command()
def correct(
    contact: Annotated[str, typer.Argument(help="id, cnt_...")],
    *,
    address: Annotated[str | None, typer.Option("--address", help="for people")] = None,
    postcode: Annotated[str | None, typer.Option("--postcode", help="empty to clear it")] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="name of the visits' sub-folder")] = None,
    at: Annotated[str, typer.Option("--at", help="LAT,LNG of the visit")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Correct where somebody is visited, for what is booked from now on; what is not named stays.

    \b
    giro contacts correct cnt_... --address "Via Roma 3, Torino" --postcode 10123
    """
    told = {"address": address, "postcode": postcode, "zone": zone}
    body: Json = {name: value for name, value in told.items() if value is not None}
    if at:
        point = reading.place(at, "--at")
        body["point"] = {"latitude": point.lat, "longitude": point.lng}
    with calling(form) as gateway:
        answer = gateway.post(f"/v1/contacts/{contact}:update", body)
        if form is Format.JSON:
            output.as_json(answer)
            return
        output.card([(name, answer.get(name, "")) for name in (*PERSON, "postcode", "zone", "contactId")])
