"""Annulment claims: why an appointment should not count, in time, and what was decided."""

from enum import StrEnum
from typing import Annotated

import typer

from cli import reading
from cli.commands.calling import Limit, Output, calling, noun
from cli.gateway import Json, request_id
from cli.lookup import Lookup
from cli.show.columns import Columns, field, listed, shown, spoken, utc, without
from cli.show.output import Format

app = noun("Annulment claims: why a visit should not count, and what was decided.")

Claim = Annotated[str, typer.Argument(help="id, clm_...")]
Appointment = Annotated[str, typer.Argument(help="id, apt_...")]
Note = Annotated[str, typer.Option("--note", help="in words")]
CLAIM: Columns = {
    "appointment": field("appointmentId"),
    "reason": spoken("reason", "ANNULMENT_REASON_"),
    "state": spoken("state", "CLAIM_STATE_"),
    "received (UTC)": utc("receivedAt"),
    "in time until (UTC)": utc("closesAt"),
    "note": field("note"),
    "decision": field("decisionNote"),
    "id": field("claimId"),
}
LISTED = without(CLAIM, "received (UTC)", "note", "decision")
CONTACT: Columns = {
    "when (UTC)": utc("contactedAt"),
    "how": spoken("channel", "CONTACT_CHANNEL_"),
    "note": field("note"),
    "by": field("recordedBy"),
}


class Reason(StrEnum):
    """Why it should not count; not having seen it is no reason (R-017)."""

    DISOWNED = "disowned"
    NOT_HELD = "not-held"
    WRONG_DETAILS = "wrong-details"
    OUT_OF_TARGET = "out-of-target"
    DUPLICATE = "duplicate"


class State(StrEnum):
    """How a claim stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Channel(StrEnum):
    """How an agent tried to reach somebody."""

    CALL = "call"
    MESSAGE = "message"
    IN_PERSON = "in-person"


@app.command("list")
def list_(
    campaign: Annotated[str, typer.Option("--campaign", help="only this one: id or name")] = "",
    state: Annotated[State | None, typer.Option("--state", help="only these")] = None,
    limit: Limit = 20,
    form: Output = Format.TABLE,
) -> None:
    """Claims, of all campaigns that you may see.

    \b
    giro claims list --state open
    """
    with calling(form) as gateway:
        query = {
            "campaignId": Lookup(gateway).campaign(campaign)["campaignId"] if campaign else "",
            "state": _enum("CLAIM_STATE", state) if state else "",
        }
        listed(form, gateway.pages("/v1/annulmentClaims", "claims", limit, **query), LISTED)


@app.command()
def make(
    appointment: Appointment,
    reason: Annotated[Reason, typer.Argument(help="why it should not count")],
    note: Note = "",
    form: Output = Format.TABLE,
) -> None:
    """Claim that a visit should not count; the portal's stamp decides whether it is in time.

    \b
    giro claims make apt_... not-held --note "nobody was at home"
    """
    with calling(form) as gateway:
        body = {
            "reason": _enum("ANNULMENT_REASON", reason),
            "note": note,
            "channel": "CLAIM_CHANNEL_PORTAL",
            "requestId": request_id(),
        }
        shown(form, gateway.post(f"/v1/appointments/{appointment}:claimAnnulment", body), CLAIM)


@app.command()
def show(claim: Claim, form: Output = Format.TABLE) -> None:
    """One claim."""
    with calling(form) as gateway:
        shown(form, gateway.get(f"/v1/annulmentClaims/{claim}"), CLAIM)


@app.command()
def accept(claim: Claim, note: Note = "", form: Output = Format.TABLE) -> None:
    """The visit does not count: its appointment is annulled."""
    _decide(claim, note, form, accepted=True)


@app.command()
def reject(claim: Claim, note: Note = "", form: Output = Format.TABLE) -> None:
    """The visit counts."""
    _decide(claim, note, form, accepted=False)


@app.command()
def contacted(
    appointment: Appointment,
    channel: Annotated[Channel, typer.Argument(help="how")],
    at: Annotated[str, typer.Option("--at", help="when, local time; default: now")] = "",
    note: Note = "",
    form: Output = Format.TABLE,
) -> None:
    """Note that an agent reached out to the person visited: evidence when a claim is decided.

    \b
    giro claims contacted apt_... call --note "rang twice"
    """
    with calling(form) as gateway:
        body: Json = {
            "channel": _enum("CONTACT_CHANNEL", channel),
            "note": note,
            "requestId": request_id(),
        }
        if at:
            known = gateway.get(f"/v1/appointments/{appointment}")
            zone = Lookup(gateway).campaign(known["campaignId"])["timeZone"]
            body["contactedAt"] = reading.moment(at, zone, "--at")
        shown(form, gateway.post(f"/v1/appointments/{appointment}/agentContacts", body), CONTACT)


@app.command()
def contacts(appointment: Appointment, limit: Limit = 50, form: Output = Format.TABLE) -> None:
    """How agents reached out about a visit."""
    with calling(form) as gateway:
        path = f"/v1/appointments/{appointment}/agentContacts"
        listed(form, gateway.pages(path, "contacts", limit), CONTACT)


def _decide(claim: str, note: str, form: Format, *, accepted: bool) -> None:
    with calling(form) as gateway:
        body = {"accepted": accepted, "note": note}
        shown(form, gateway.post(f"/v1/annulmentClaims/{claim}:decide", body), CLAIM)


def _enum(prefix: str, value: StrEnum) -> str:
    return f"{prefix}_{value.upper().replace('-', '_')}"
