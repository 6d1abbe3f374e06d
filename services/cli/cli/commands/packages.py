"""A campaign's package: what is bought and used, its steps, and the next one."""

from typing import Annotated

import typer

from cli.commands.calling import Output, calling, noun
from cli.errors import NO
from cli.gateway import request_id
from cli.lookup import Lookup
from cli.show import output
from cli.show.columns import Columns, count, field, listed, shown, spoken, utc
from cli.show.output import Format

app = noun("A campaign's package: the counters box, its steps, renewal.")

Campaign = Annotated[str, typer.Argument(help="id, name or part of it")]
BOX: Columns = {
    "purchased": count("purchased"),
    "taken": count("taken"),
    "of which to confirm": count("toConfirm"),
    "left": count("left"),
    "cancelled in this step": count("cancelledInStep"),
    "to recover": count("toRecover"),
    "recovered": count("recovered"),
    "step": count("step"),
    "level": spoken("level", ""),
}
STEP: Columns = {
    ">step": count("step"),
    ">units": count("units"),
    "bought by": field("boughtBy"),
    "when (UTC)": utc("boughtAt"),
}


@app.command()
def show(
    campaign: Campaign,
    verify: Annotated[
        bool, typer.Option("--verify", help="recount it from history; exit 1 if unequal")
    ] = False,
    form: Output = Format.TABLE,
) -> None:
    """The counters box: purchased, taken, of which to confirm.

    \b
    giro package show solar
    giro package show solar --verify
    """
    with calling(form) as gateway:
        path = f"/v1/campaigns/{Lookup(gateway).campaign(campaign)['campaignId']}/box"
        if not verify:
            shown(form, gateway.get(path), BOX)
            return
        found = gateway.get(f"{path}:verify")
        shown(form, found if form is Format.JSON else gateway.get(path), BOX)
        differing = found["differing"]
        if differing:
            output.note(f"a recount of the history differs in: {', '.join(differing)}")
            raise typer.Exit(NO)
        output.note("a recount of the history says the same")


@app.command()
def steps(campaign: Campaign, form: Output = Format.TABLE) -> None:
    """What was bought when."""
    with calling(form) as gateway:
        campaign_id = Lookup(gateway).campaign(campaign)["campaignId"]
        listed(form, gateway.get(f"/v1/campaigns/{campaign_id}/package/steps")["steps"], STEP)


@app.command()
def renew(
    campaign: Campaign,
    units: Annotated[int, typer.Argument(help="appointments to buy", min=1)],
    form: Output = Format.TABLE,
) -> None:
    """Buy the next step of a package.

    \b
    giro package renew solar 500
    """
    with calling(form) as gateway:
        campaign_id = Lookup(gateway).campaign(campaign)["campaignId"]
        body = {"units": units, "requestId": request_id()}
        shown(form, gateway.post(f"/v1/campaigns/{campaign_id}/package:renew", body), BOX)
