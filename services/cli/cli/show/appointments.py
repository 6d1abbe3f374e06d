"""Appointments as a table, and one of them as a card."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from cli.gateway import Gateway
from cli.lookup import Lookup
from cli.show import output, words
from cli.show.output import Format

Json = dict[str, Any]
STATE_STYLES = {"to confirm": "yellow", "confirmed": "green", "cancelled": "red"}


def table(found: Sequence[Json], lookup: Lookup) -> None:
    """A row each, in the campaign's local time."""
    zones = {each["campaignId"]: each["timeZone"] for each in lookup.campaigns}
    rows = []
    for each in found:
        zone = zones.get(each["campaignId"], "UTC")
        rows.append(
            [
                words.day_of(words.local(each["start"], zone)),
                words.span(each["start"], each["end"], zone),
                lookup.agent_name(each["agentId"]),
                _state(each),
                lookup.campaign_name(each["campaignId"]),
                each["appointmentId"],
            ]
        )
    output.table("", ("day", "time", "agent", "state", "campaign", "id"), rows)


def answered(form: Format, appointment: Json, gateway: Gateway) -> None:
    """An appointment as the answer of a command."""
    if form is Format.JSON:
        output.as_json(appointment)
    else:
        card(appointment, Lookup(gateway))


def card(appointment: Json, lookup: Lookup) -> None:
    """All that is known of one."""
    campaign = lookup.campaign(appointment["campaignId"])
    zone = campaign["timeZone"]
    start = words.local(appointment["start"], zone)
    hours = words.span(appointment["start"], appointment["end"], zone)
    rows: list[tuple[str, str | Text]] = [
        ("appointment", appointment["appointmentId"]),
        ("state", _state(appointment)),
        ("when", f"{words.day_of(start)} {hours} ({zone})"),
        ("agent", lookup.agent_name(appointment["agentId"]) if appointment.get("agentId") else "hidden"),
        ("contact", appointment["contactId"]),
        ("place", words.place(appointment.get("point"))),
        ("campaign", campaign["displayName"]),
        ("drive there", words.drive(appointment.get("legBefore"))),
        ("drive on", words.drive(appointment.get("legAfter"))),
        ("version", str(appointment["version"])),
    ]
    if appointment.get("note"):
        rows.append(("note", appointment["note"]))
    output.card(rows)


def _state(appointment: Json) -> Text:
    state = words.plain(appointment["state"], "APPOINTMENT_STATE_")
    return Text(state, style=STATE_STYLES.get(state, ""))
