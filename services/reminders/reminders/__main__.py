"""`python -m reminders serve | work | relay | migrate | lint-prompts`."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from kit import runtime
from kit.settings import SettingsError
from reminders import app
from reminders.prompts import catalogue
from reminders.settings import Settings


def main(words: Sequence[str] | None = None) -> None:
    """Runs one verb. Exits with 2 and a sentence for what cannot start."""
    parser = argparse.ArgumentParser(prog="reminders", description="Reminder calls and messages.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=verb.__doc__)
    try:
        VERBS[parser.parse_args(words).verb]()
    except SettingsError as refused:
        sys.stderr.write(f"reminders: {refused}\n")
        sys.exit(2)


def serve() -> None:
    """Serves gRPC, follows booking, makes what is due and sends events until it is told to stop."""
    runtime.run(app.build(Settings()))


def work() -> None:
    """Makes what is due and nothing else."""
    runtime.run(app.build_worker(Settings()))


def relay() -> None:
    """Sends events only."""
    runtime.run(app.build_relay(Settings()))


def migrate_schema() -> None:
    """Brings the schema to its newest version."""
    from kit.db import migrate  # alembic: megabytes that whoever serves need not carry

    settings = Settings()
    settings.require("migrate_database_url")
    migrate.upgrade(settings.migrate_database_url, settings.service)


def lint_prompts() -> None:
    """Tells what is wrong with the texts of the prompts; fails when anything is."""
    found = catalogue.faults()
    sys.stdout.write("".join(f"{fault}\n" for fault in found) or "the prompts have no faults\n")
    sys.exit(1 if found else 0)


VERBS: Mapping[str, Callable[[], None]] = {
    "serve": serve,
    "work": work,
    "relay": relay,
    "migrate": migrate_schema,
    "lint-prompts": lint_prompts,
}


if __name__ == "__main__":
    main()
