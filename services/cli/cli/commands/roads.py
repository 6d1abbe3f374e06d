"""Road graphs, made on this machine; the estimate held against the roads; places of addresses."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from cli import reading
from cli.commands.calling import Output, calling, noun
from cli.commands.checks import show_parameter
from cli.commands.hours import hours
from cli.errors import NO
from cli.gateway import Json
from cli.lookup import Lookup
from cli.reading import Mode
from cli.show import output, words
from cli.show.output import Format

app = noun("Roads: prepare a graph, hold the estimate against it, say what happens without it.")

YELLOW, GREEN = "yellow", "green"

Name = Annotated[
    str,
    typer.Argument(
        help="on_road_failure, geocoding_confidence, max_visits_per_day or stop_booking_at_percent"
    ),
]
Agent = Annotated[str, typer.Option("--agent", "-a", help="for this one alone: id or name")]


@app.command()
def build(
    extract: Annotated[Path, typer.Argument(help="an OpenStreetMap extract: .osm.pbf, .osm.bz2 or .osm")],
    into: Annotated[
        Path | None, typer.Option("--into", help="folder of the graph; default: beside it")
    ] = None,
    mode: Annotated[str, typer.Option("--mode", help="car, bicycle or foot")] = "car",
) -> None:
    """Prepare a road graph on this machine, with its version stamped on it.

    \b
    giro roads build malta.osm.pbf
    giro roads build malta.osm.pbf --mode bicycle
    """
    if find_spec("geo") is None:
        output.say("the geo service is not installed beside this program: run where it is", YELLOW)
        raise typer.Exit(NO)
    folder = ["--into", str(into)] if into else []
    # a program of its own: this one knows the services by their API alone
    done = subprocess.run(
        [sys.executable, "-m", "geo", "roads", "build", str(extract), *folder, "--mode", mode], check=False
    )
    raise typer.Exit(done.returncode)


@app.command()
def compare(
    places: Annotated[int, typer.Option("--places", help="of the tenant's own places", min=2, max=150)] = 40,
    mode: Annotated[Mode, typer.Option("--mode", help="whose drives")] = Mode.CAR,
    form: Output = Format.TABLE,
) -> None:
    """How far the straight-line estimate is from the roads, on the tenant's own places.

    \b
    giro roads compare --places 80
    giro roads compare --mode bicycle
    """
    with calling(form) as gateway:
        answer = gateway.get("/v1/travel:compare", places=str(places), travelMode=mode.wire)
        if form is Format.JSON:
            output.as_json(answer)
        else:
            _comparison(answer)


app.command()(hours)


@app.command("get")
def get_parameter(name: Name, agent: Agent = "", form: Output = Format.TABLE) -> None:
    """A parameter about travel, places and quotas.

    \b
    giro roads get on_road_failure
    giro roads get max_visits_per_day --agent Giada
    """
    with calling(form) as gateway:
        query = {"agentId": Lookup(gateway).agent_id(agent)} if agent else {}
        show_parameter(gateway.get(f"/v1/travelParameters/{name}", **query), form)


@app.command("set")
def set_parameter(
    name: Name,
    value: Annotated[str, typer.Argument(help='REFUSE, ESTIMATE, 0.8; "" goes back to the default')],
    agent: Agent = "",
    form: Output = Format.TABLE,
) -> None:
    """Set a parameter about travel, places and quotas, for the tenant or for one agent.

    \b
    giro roads set on_road_failure ESTIMATE
    giro roads set max_visits_per_day 8 --agent Giada
    """
    with calling(form) as gateway:
        body = {"name": name, "value": value}
        if agent:
            body["agentId"] = Lookup(gateway).agent_id(agent)
        show_parameter(gateway.post("/v1/travelParameters", body), form)


def geocode(
    address: Annotated[str, typer.Argument(help='on one line: "Aeulestrasse 45, Vaduz"')],
    country: Annotated[str, typer.Option("--country", help="ISO code, as IT")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Where an address is, and how sure that is. Exit 1 when somebody has to put a pin first.

    \b
    giro geo geocode "Aeulestrasse 45, Vaduz"
    """
    with calling(form) as gateway:
        body = {"address": address, "countryCode": country.upper()}
        answer = gateway.post("/v1/places:geocode", body)
        state = answer["state"].removeprefix("GEOCODE_STATE_")
        if form is Format.JSON:
            output.as_json(answer)
        else:
            _candidates(answer, state)
        if state != "FOUND":
            raise typer.Exit(NO)


def _comparison(answer: Json) -> None:
    output.say(
        f"{answer['drives']} drives between {answer['places']} places, {answer['unreachable']} without a way;"
        f" roads {answer['version']}"
    )
    faces = [
        (face, name) for face, name in (("bound", "safe bound"), ("guess", "best guess")) if answer.get(face)
    ]
    rows = [
        [name, *(_times(answer[face][key]) for key in _QUANTILES), _share(answer[face])]
        for face, name in faces
    ]
    heads = ("estimate / road", ">median", ">p90", ">p99", ">most", ">too short")
    output.table("", heads, rows)
    worst = [
        (_point(each["fromPoint"]), _point(each["toPoint"]), *(_length(each[key]) for key in _COLUMNS))
        for each in answer["worst"]
    ]
    output.table("longest road time for the bound", ("from", "to", ">road", ">bound", ">guess"), worst)


_QUANTILES = ("median", "p90", "p99", "most")
_COLUMNS = ("road", "bound", "guess")


def _times(ratio: float) -> str:
    return f"x {ratio:.2f}"


def _share(ratio: Json) -> str:
    return f"{100 * ratio['belowShare']:.1f} %"


def _length(text: str) -> str:
    return words.length(int(reading.seconds(text)))


def _point(point: Json) -> str:
    return f"{point['latitude']:.5f},{point['longitude']:.5f}"


def _candidates(answer: Json, state: str) -> None:
    said = {
        "FOUND": "found",
        "NEEDS_PIN": "not sure enough: put a pin on the map before it is booked",
        "NOT_FOUND": "nothing is known of this address",
    }
    output.say(f"{said[state]}  ({answer['source']})", GREEN if state == "FOUND" else YELLOW)
    rows = [
        (f"{each['confidence']:.2f}", _point(each["point"]), each["label"]) for each in answer["candidates"]
    ]
    if rows:
        output.table("", (">confidence", "place", "what"), rows)
