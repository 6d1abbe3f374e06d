"""Commands of the gateway.

python -m gateway serve                     the JSON edge, which Envoy asks about every JSON request
python -m gateway envoy-config --out FILE   Envoy's configuration (YAML), and its descriptor set beside it
python -m gateway openapi [--check]         write the OpenAPI page, or say whether it is current
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.settings import GatewaySettings
from kit.settings import SettingsError


def _serve(_: argparse.Namespace) -> None:
    from gateway.app import build
    from kit.runtime import run

    run(build(GatewaySettings()))


def _envoy_config(arguments: argparse.Namespace) -> None:
    from gateway.envoy import write

    write(GatewaySettings(), arguments.out)


def _openapi(arguments: argparse.Namespace) -> None:
    from gateway.openapi import document

    if not arguments.check:
        document.write()
    elif not document.is_current():
        sys.exit("openapi.json is not what the contracts give: run `make openapi` and commit it")


COMMANDS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "serve": _serve,
    "envoy-config": _envoy_config,
    "openapi": _openapi,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway", description="The public edge of Giro.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve the JSON edge")
    config = commands.add_parser("envoy-config", help="write Envoy's configuration")
    config.add_argument("--out", type=Path, required=True, help="file to write; the descriptors go beside it")
    page = commands.add_parser("openapi", help="write the OpenAPI page")
    page.add_argument("--check", action="store_true", help="write nothing; exit 1 unless it is current")
    return parser.parse_args()


def main() -> None:
    """Runs one command; settings that do not fit end it with a line for each."""
    arguments = _arguments()
    try:
        COMMANDS[arguments.command](arguments)
    except SettingsError as refused:
        sys.stderr.write(f"gateway: {refused}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
