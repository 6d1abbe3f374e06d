"""`python -m geo serve|relay|migrate|solve|roads build`."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from geo import app
from geo.domain.modes import TravelMode
from geo.settings import GeoSettings
from geo.solver.benchmark import command
from geo.travel.build import NAME, build
from geo.travel.factory import VARIABLES
from kit import runtime
from kit.errors import GiroError
from kit.settings import SettingsError


def main(words: Sequence[str] | None = None) -> None:
    """Runs one verb. Exits with 2 and a sentence for what cannot start."""
    chosen = vars(_parser().parse_args(words))
    verb = chosen.pop("verb")
    try:
        if verb == "solve":
            sys.exit(command.run(command.Asked(**chosen)))
        if verb == "roads":
            build_roads(chosen["extract"], chosen["into"], TravelMode(chosen["mode"]))
        else:
            VERBS[verb]()
    except (SettingsError, GiroError) as refused:
        sys.stderr.write(f"geo: {refused}\n")
        sys.exit(2)


def serve() -> None:
    """Serves gRPC and sends events until it is told to stop."""
    runtime.run(app.build(GeoSettings()))


def relay() -> None:
    """Sends events only."""
    runtime.run(app.build_relay(GeoSettings()))


def migrate_schema() -> None:
    """Brings the schema to its newest version."""
    from kit.db import migrate  # alembic: megabytes that whoever serves need not carry

    settings = GeoSettings()
    settings.require("migrate_database_url")
    migrate.upgrade(settings.migrate_database_url, settings.service)


def build_roads(extract: Path, into: Path | None, mode: TravelMode) -> None:
    """Prepares a road graph and stamps its version on it."""
    name = "roads" if mode is TravelMode.CAR else f"roads-{mode}"
    folder = into or extract.with_name(f"{extract.name.partition('.')[0]}-{name}")
    stamp = build(extract, folder, _tell, mode)
    served = f"osrm+http://HOST:5000?top_speed_kmh={stamp.top_speed_kmh:g}&mode={mode}"
    _tell(f"{VARIABLES[mode]}={folder / NAME}    (or {served}, with osrm-routed on {folder / NAME})")


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


VERBS: Mapping[str, Callable[[], None]] = {"serve": serve, "relay": relay, "migrate": migrate_schema}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="geo", description="Agents, the itinerary ledger, slot search.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=verb.__doc__)
    solve = verbs.add_parser("solve", help="Solves a public routing instance (VRPTW, TSPTW) on this machine.")
    command.add_arguments(solve)
    roads = verbs.add_parser("roads", help="Road graphs.").add_subparsers(dest="roads", required=True)
    building = roads.add_parser("build", help=build_roads.__doc__)
    building.add_argument("extract", type=Path, help="an OpenStreetMap extract: .osm.pbf, .osm.bz2 or .osm")
    building.add_argument("--into", type=Path, help="folder of the graph; default: beside the extract")
    modes = [str(mode) for mode in TravelMode]
    building.add_argument("--mode", choices=modes, default=modes[0], help="how one travels; default: car")
    return parser


if __name__ == "__main__":
    main()
