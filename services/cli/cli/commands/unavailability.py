"""Days on which an agent or a contact is away: told in time, overridden, withdrawn."""

from typing import Annotated

import typer

from cli import reading
from cli.commands.calling import Output, calling, noun
from cli.errors import BadArgument
from cli.gateway import Json, request_id
from cli.lookup import Lookup
from cli.show import appointments as shown_appointments
from cli.show import output
from cli.show.columns import Columns, days, field, listed, shown, utc, without
from cli.show.output import Format

app = noun("Days on which an agent or a contact is away: told in time, overridden, withdrawn.")

Agent = Annotated[str, typer.Option("--agent", "-a", help="the agent: id or name")]
Contact = Annotated[str, typer.Option("--contact", "-c", help="or the contact: cnt_...")]
AWAY: Columns = {
    "days": days,
    "note": field("note"),
    "told by": field("reportedBy"),
    "told (UTC)": utc("reportedAt"),
    "overridden by": field("overriddenBy"),
    "withdrawn (UTC)": utc("withdrawnAt"),
    "id": field("unavailabilityId"),
}
LISTED = without(AWAY, "told by", "overridden by")


@app.command("list")
def list_(agent: Agent = "", contact: Contact = "", form: Output = Format.TABLE) -> None:
    """The days that were told, withdrawn ones too.

    \b
    giro unavailability list --agent Giada
    """
    with calling(form) as gateway:
        who = _who(Lookup(gateway), agent, contact)
        listed(form, gateway.get("/v1/unavailabilities", **who)["unavailabilities"], LISTED)


@app.command("set")
def set_(
    span: Annotated[str, typer.Argument(help="the day, or FIRST..LAST: 2026-12-24..2026-12-31")],
    *,
    agent: Agent = "",
    contact: Contact = "",
    note: Annotated[str, typer.Option("--note", help="why")] = "",
    override: Annotated[
        str, typer.Option("--override", help="told too late: why it counts all the same")
    ] = "",
    form: Output = Format.TABLE,
) -> None:
    """Tell days, eight days before at the latest; the visits that they hit are listed.

    \b
    giro unavailability set 2026-12-24..2026-12-31 --agent Giada --note "holidays"
    giro unavailability set 2026-12-02 --agent Giada --override "ill, told by phone"
    """
    with calling(form) as gateway:
        lookup = Lookup(gateway)
        first, last = reading.days(span, "DAYS")
        body: Json = {
            **_who(lookup, agent, contact),
            "firstDay": first,
            "lastDay": last,
            "note": note,
            "overrideNote": override,
            "requestId": request_id(),
        }
        found = gateway.post("/v1/unavailabilities", body)
        if form is Format.JSON:
            output.as_json(found)
            return
        shown(form, found["unavailability"], AWAY)
        if found["hit"]:
            output.say(f"{found['hitTotal']} visits lie in these days: move them", "yellow")
            shown_appointments.table(found["hit"], lookup)


@app.command()
def withdraw(
    unavailability: Annotated[str, typer.Argument(help="id, una_...")],
    form: Output = Format.TABLE,
) -> None:
    """Take told days back."""
    with calling(form) as gateway:
        shown(form, gateway.post(f"/v1/unavailabilities/{unavailability}:withdraw", {}), AWAY)


def _who(lookup: Lookup, agent: str, contact: str) -> dict[str, str]:
    if bool(agent) == bool(contact):
        raise BadArgument("say who is away: either --agent or --contact", "for example --agent Giada")
    return {"agentId": lookup.agent_id(agent)} if agent else {"contactId": contact}
