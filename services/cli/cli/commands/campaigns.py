"""Campaigns, and the people to visit."""

from typing import Annotated

import typer

from cli.commands.calling import Limit, Output, calling, noun
from cli.lookup import Lookup
from cli.show import output, words
from cli.show.output import Format

app = noun("Customers' campaigns with their packages of appointments.")
PERSON = ("displayName", "address", "phone")

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
