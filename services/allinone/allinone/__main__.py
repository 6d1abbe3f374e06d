"""python -m allinone run [--roads extract.osm.pbf] | clean"""

import argparse
import asyncio
import sys
from pathlib import Path

from allinone import progress
from allinone.clean import clean
from allinone.errors import StartFailed


def main() -> None:
    arguments = _parser().parse_args()
    state = Path(arguments.state)
    if arguments.verb == "clean":
        clean(state)
        return
    try:
        start(state, arguments.roads)
    except StartFailed as failed:
        sys.exit(f"\nmake run failed at: {failed.step}\nwhy: {failed.why}\nwhat to do: {failed.advice}")


def start(state: Path, extract: Path | None) -> None:
    """Everything, until Ctrl-C."""
    from allinone.run import RunOptions, run  # loads every client library; cleaning needs none of them

    asyncio.run(run(RunOptions(state, extract), progress.for_terminal()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m allinone", description="All of Giro on one machine.")
    parser.add_argument("--state", default=".run", help="folder of everything that is made (default .run)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    starting = verbs.add_parser(
        "run", help="start everything, load the demo, play the flow, serve until Ctrl-C"
    )
    starting.add_argument("--roads", type=Path, help="an OpenStreetMap extract (.osm.pbf) for real roads")
    verbs.add_parser("clean", help="remove what runs have left")
    return parser


if __name__ == "__main__":
    main()
