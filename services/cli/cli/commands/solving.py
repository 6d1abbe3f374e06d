"""Public routing instances solved on this machine, by geo's own solver where that is installed.

The command line talks to the gateway and imports no service. Solving a file of the user's is no call of a
tenant, so geo's own verb does it in a process of its own: `pip install giro-cli[solve]` brings it.
"""

import subprocess
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.errors import CommandFailed
from cli.show import output
from cli.show.output import Format

_NEEDS: Final = ("geo", "ortools", "pyvrp")


class Text(StrEnum):
    """Formats of instances."""

    SOLOMON = "solomon"
    HOMBERGER = "homberger"
    TSPTW = "tsptw"


class Engine(StrEnum):
    """Who searches."""

    AUTO = "auto"
    PYVRP = "pyvrp"
    ORTOOLS = "ortools"


def solve(
    file: Annotated[Path, typer.Argument(help="the instance", exists=True, dir_okay=False, readable=True)],
    text: Annotated[Text, typer.Option("--format", help="of the file")] = Text.SOLOMON,
    seconds: Annotated[float, typer.Option(min=0.1, max=86_400, help="time to search, on one core")] = 30.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="of the random numbers")] = 1,
    engine: Annotated[Engine, typer.Option(help="who searches")] = Engine.AUTO,
) -> None:
    """Solve a public VRPTW or TSPTW instance on this machine and print vehicles, distance and routes.

    \b
    giro geo solve RC101.txt --format solomon --seconds 30
    """
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        advice = "install it beside the command line: pip install 'giro-cli[solve]'"
        output.failure(
            CommandFailed(f"the solver is not installed here ({missing[0]})", advice), Format.TABLE
        )
        raise typer.Exit(CommandFailed.exit_code)
    words = ["--format", text, "--seconds", str(seconds), "--seed", str(seed), "--engine", engine]
    done = subprocess.run([sys.executable, "-m", "geo", "solve", str(file), *words], check=False)
    raise typer.Exit(done.returncode)
