"""A repaired day, before and after."""

from typing import Any

from rich.text import Text

from cli import reading
from cli.lookup import Lookup
from cli.show import output, words

Json = dict[str, Any]
Row = tuple[str | Text, ...]


def show(found: Json, lookup: Lookup) -> None:
    """Each changed visit with what was and what will be; those to call, and those nobody can reach."""
    zones = {each["campaignId"]: each["timeZone"] for each in lookup.campaigns}
    visits, unplaced = found.get("visits", []), found.get("unplaced", [])
    rows = [_moved(each, lookup, zones) for each in visits]
    rows += [_lost(each, lookup, zones) for each in unplaced]
    if not rows:
        output.note("every visit can still be reached as booked")
        return
    output.table("", ("contact", "phone", "before", "after", "call", "id"), rows)
    for each in unplaced:
        for refusal in each.get("refusals", []):
            output.note(f"{each['contact']['displayName']}: {_refusal(refusal, lookup)}")
    before, after = (reading.seconds(found.get(name)) for name in ("travelBefore", "travelAfter"))
    best = ", no better plan exists" if found.get("provedBest") else ""
    output.note(f"driving {words.length(before)} before, {words.length(after)} after{best}")
    if found.get("holdsInTheWay"):
        output.note(f"{found['holdsInTheWay']} holds of operators are in the way; they end by themselves")


def show_plan(found: Json, lookup: Lookup) -> None:
    """Each visit that a plan moves, before and after, with what is driven."""
    zones = {each["campaignId"]: each["timeZone"] for each in lookup.campaigns}
    if not found.get("visits"):
        output.note(f"none of {found.get('flexible', 0)} flexible visits can be moved with less driving")
        return
    rows = [_planned(each, lookup, zones) for each in found["visits"]]
    output.table("", ("contact", "phone", "before", "after", "id"), rows)
    before, after = (reading.seconds(found.get(name)) for name in ("travelBefore", "travelAfter"))
    best = ", no better plan exists" if found.get("provedBest") else ""
    output.note(f"driving {words.length(before)} before, {words.length(after)} after{best}")


def _planned(visit: Json, lookup: Lookup, zones: dict[str, str]) -> Row:
    appointment = visit["appointment"]
    zone = zones.get(appointment["campaignId"], "UTC")
    day = words.day_of(words.local(visit["start"], zone))
    after = f"{day} {words.span(visit['start'], visit['end'], zone)}"
    return (*_who(visit), _before(appointment, lookup, zone), after, appointment["appointmentId"])


def _moved(visit: Json, lookup: Lookup, zones: dict[str, str]) -> Row:
    appointment = visit["appointment"]
    zone = zones.get(appointment["campaignId"], "UTC")
    after = f"{words.span(visit['start'], visit['end'], zone)} {lookup.agent_name(visit['agentId'])}"
    call = Text("call first", style="yellow") if visit.get("callNeeded") else Text("no")
    return (*_who(visit), _before(appointment, lookup, zone), after, call, appointment["appointmentId"])


def _lost(visit: Json, lookup: Lookup, zones: dict[str, str]) -> Row:
    appointment = visit["appointment"]
    zone = zones.get(appointment["campaignId"], "UTC")
    nobody, call = Text("nobody", style="red"), Text("call first", style="red")
    return (*_who(visit), _before(appointment, lookup, zone), nobody, call, appointment["appointmentId"])


def _who(visit: Json) -> tuple[str, str]:
    return visit["contact"]["displayName"], visit["contact"].get("phone", "")


def _before(appointment: Json, lookup: Lookup, zone: str) -> str:
    hours = words.span(appointment["start"], appointment["end"], zone)
    day = words.day_of(words.local(appointment["start"], zone))
    return f"{day} {hours} {lookup.agent_name(appointment['agentId'])}"


def _refusal(refusal: Json, lookup: Lookup) -> str:
    short = int(refusal.get("shortSeconds", 0))
    reason = words.plain(refusal["reason"], "ERROR_REASON_")
    by = f", {words.length(short)} short" if short else ""
    return f"{lookup.agent_name(refusal['agentId'])} {reason}{by}"
