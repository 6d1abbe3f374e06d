"""Zones: where agents work."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import reading
from cli.commands.calling import Output, calling, noun
from cli.errors import NO, BadArgument
from cli.gateway import Gateway, Json, request_id
from cli.lookup import Lookup
from cli.show import output, words
from cli.show.canvas import outlines
from cli.show.output import Format
from kit.values.latlng import LatLng

app = noun("Zones: where agents work. A visit outside of an agent's zones is neither offered nor taken.")

MOST = 5_000

Name = Annotated[str, typer.Argument(help="name of the zone, or its id")]


@app.command("list")
def list_(form: Output = Format.TABLE) -> None:
    """The tenant's zones, and who works in them.

    \b
    giro zones list
    """
    with calling(form) as gateway:
        found = _all(gateway)
        if form is Format.JSON:
            output.as_json(found)
            return
        agents = Lookup(gateway).agents
        rows = [
            (zone["name"], _holds(zone), ", ".join(_workers(agents, zone["zoneId"])), zone["zoneId"])
            for zone in found
        ]
        output.table("", ("zone", "holds", "agents", "id"), rows)


@app.command("map")
def map_(zone: Name, form: Output = Format.TABLE) -> None:
    """What a zone holds; an area as a map.

    \b
    giro zones map "Torino nord"
    """
    with calling(form) as gateway:
        found = _named(_all(gateway), zone)
        if form is Format.JSON:
            output.as_json(found)
            return
        output.say(f"{found['name']}: {_holds(found)}")
        rings = [
            [LatLng(point["latitude"], point["longitude"]) for point in ring["points"]]
            for polygon in found.get("area", {}).get("polygons", [])
            for ring in polygon["rings"]
        ]
        if rings:
            output.console().print(outlines(rings))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="GeoJSON: features of polygons with a property `name`")],
    form: Output = Format.TABLE,
) -> None:
    """Make zones of a GeoJSON file's polygons; one of the same name is replaced.

    \b
    giro zones import districts.geojson
    """
    with calling(form) as gateway:
        features = _features(file)
        made = [_put(gateway, name, {"area": {"polygons": polygons}}) for name, polygons in features]
        _told(made, form)


@app.command()
def postcodes(
    name: Name,
    codes: Annotated[list[str], typer.Argument(help="the postcodes, all of them")],
    form: Output = Format.TABLE,
) -> None:
    """Make a zone of postcodes, or replace it.

    \b
    giro zones postcodes Liechtenstein 9490 9491 9492
    """
    with calling(form) as gateway:
        _told([_put(gateway, name, {"postcodes": {"codes": codes}})], form)


@app.command()
def band(
    name: Name,
    within: Annotated[str, typer.Argument(help="drive from the agent's base or booked visits: 25m")],
    form: Output = Format.TABLE,
) -> None:
    """Make a travel band, or replace it.

    \b
    giro zones band nearby 25m
    """
    seconds = int(reading.duration(within, "WITHIN").total_seconds())
    with calling(form) as gateway:
        _told([_put(gateway, name, {"travelBand": {"within": f"{seconds}s"}})], form)


@app.command()
def assign(
    agent: Annotated[str, typer.Argument(help="id or name")],
    zones: Annotated[list[str] | None, typer.Argument(help="names or ids; none: everywhere")] = None,
    form: Output = Format.TABLE,
) -> None:
    """Say in which zones an agent works, all of them at once.

    \b
    giro zones assign Giada "Torino nord" nearby
    """
    with calling(form) as gateway:
        known = _all(gateway) if zones else []
        ids = [_named(known, zone)["zoneId"] for zone in zones or []]
        agent_id = Lookup(gateway).agent_id(agent)
        answer = gateway.post(f"/v1/agents/{agent_id}:setZones", {"zoneIds": ids})
        if form is Format.JSON:
            output.as_json(answer)
        else:
            output.say(f"works in {len(ids)} zones" if ids else "works everywhere")


@app.command()
def at(
    place: Annotated[str, typer.Argument(help="LAT,LNG")],
    postcode: Annotated[str, typer.Option("--postcode", help="of that place")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Which zones hold a place, by area or postcode. Exit 1 for none.

    \b
    giro zones at 45.07,7.68 --postcode 10121
    """
    point = reading.place(place, "PLACE")
    with calling(form) as gateway:
        body = {"point": {"latitude": point.lat, "longitude": point.lng}, "postcode": postcode}
        answer = gateway.post("/v1/zones:pointIn", body)
        ids = answer.get("zoneIds", [])
        if form is Format.JSON:
            output.as_json(answer)
        else:
            names = [zone["name"] for zone in _all(gateway) if zone["zoneId"] in ids]
            output.say("\n".join(names) if names else "in no zone")
        if not ids:
            raise typer.Exit(NO)


@app.command()
def delete(zone: Name) -> None:
    """Delete a zone that nobody works in.

    \b
    giro zones delete "Torino nord"
    """
    with calling(Format.TABLE) as gateway:
        found = _named(_all(gateway), zone)
        gateway.delete(f"/v1/zones/{found['zoneId']}")
        output.say(f"{found['name']} is gone")


def _all(gateway: Gateway) -> list[Json]:
    return list(gateway.pages("/v1/zones", "zones", MOST))


def _named(known: Iterable[Json], text: str) -> Json:
    for zone in known:
        if text in (zone["zoneId"], zone["name"]):
            return zone
    raise BadArgument(f"there is no zone {text!r}")


def _put(gateway: Gateway, name: str, holds: dict[str, Any]) -> Json:
    present = [zone["zoneId"] for zone in _all(gateway) if zone["name"] == name]
    body = {"name": name, "zoneId": present[0] if present else "", "requestId": request_id(), **holds}
    return gateway.post("/v1/zones", body)


def _told(made: list[Json], form: Format) -> None:
    if form is Format.JSON:
        output.as_json(made)
        return
    output.table("", ("zone", "holds", "id"), [(one["name"], _holds(one), one["zoneId"]) for one in made])


def _holds(zone: Json) -> str:
    if "area" in zone:
        polygons = zone["area"]["polygons"]
        corners = sum(len(ring["points"]) - 1 for polygon in polygons for ring in polygon["rings"])
        holes = sum(len(polygon["rings"]) - 1 for polygon in polygons)
        return f"area: {len(polygons)} polygons, {holes} holes, {corners} corners"
    if "postcodes" in zone:
        codes = zone["postcodes"]["codes"]
        return f"postcodes: {' '.join(codes[:6])}{' …' if len(codes) > 6 else ''}"
    return f"within {words.length(reading.seconds(zone['travelBand']['within']))} of base or visits"


def _workers(agents: Iterable[Json], zone_id: str) -> list[str]:
    return [agent["displayName"] for agent in agents if zone_id in agent.get("zoneIds", [])]


def _features(file: Path) -> list[tuple[str, list[Json]]]:
    """Names and polygons, as the gateway takes them. Raises BadArgument naming what is wrong."""
    try:
        document = json.loads(file.read_text())
    except (OSError, ValueError) as wrong:
        raise BadArgument(f"{file}: {wrong}") from None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list) or not features:
        raise BadArgument(f"{file}: is no GeoJSON FeatureCollection with features")
    return [_feature(file, number, feature) for number, feature in enumerate(features)]


def _feature(file: Path, number: int, feature: Any) -> tuple[str, list[Json]]:
    where = f"{file}: features[{number}]"
    try:
        name, geometry = feature["properties"]["name"], feature["geometry"]
        shapes = {"Polygon": [geometry["coordinates"]], "MultiPolygon": geometry["coordinates"]}
        return str(name), [{"rings": [_ring(ring) for ring in shape]} for shape in shapes[geometry["type"]]]
    except (KeyError, TypeError, ValueError, IndexError):
        message = f"{where} needs a property `name` and a geometry of type Polygon or MultiPolygon"
        raise BadArgument(message) from None


def _ring(ring: Any) -> Json:
    return {"points": [{"latitude": float(one[1]), "longitude": float(one[0])} for one in ring]}
