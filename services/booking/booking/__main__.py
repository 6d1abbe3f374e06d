"""`python -m booking serve | relay | migrate | replay | resend`."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from booking import app
from booking.settings import Settings
from kit import runtime
from kit.settings import SettingsError


def main(words: Sequence[str] | None = None) -> None:
    """Runs one verb. Exits with 2 and a sentence for what cannot start."""
    parser = argparse.ArgumentParser(prog="booking", description="Campaigns and appointments.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=verb.__doc__)
    verbs.add_parser("replay", help=replay.__doc__).add_argument("tenant", help="id of the tenant, ten_…")
    again = verbs.add_parser("resend", help=resend.__doc__)
    again.add_argument("tenant", help="id of the tenant, ten_…")
    again.add_argument("--since", required=True, help="an instant with its zone, as in 2026-12-01T09:00Z")
    chosen = parser.parse_args(words)
    try:
        if chosen.verb == "replay":
            sys.exit(replay(chosen.tenant))
        if chosen.verb == "resend":
            resend(chosen.tenant, chosen.since)
            return
        VERBS[chosen.verb]()
    except SettingsError as refused:
        sys.stderr.write(f"booking: {refused}\n")
        sys.exit(2)


def serve() -> None:
    """Serves gRPC, sends events and settles changes until it is told to stop."""
    runtime.run(app.build(Settings()))


def relay() -> None:
    """Sends events only."""
    runtime.run(app.build_relay(Settings()))


def migrate_schema() -> None:
    """Brings the schema to its newest version."""
    from kit.db import migrate  # alembic: megabytes that whoever serves need not carry

    settings = Settings()
    settings.require("migrate_database_url")
    migrate.upgrade(settings.migrate_database_url, settings.service)


def replay(tenant: str) -> int:
    """Rebuilds a tenant's appointments from their events and holds them against what is stored; 1 when any
    differs."""
    found = asyncio.run(app.replay(Settings(), tenant))
    for each in found.different:
        sys.stdout.write(f"{each.appointment_id}: {each.reason}\n")
    sys.stdout.write(
        f"{found.cards} appointments, {found.events} events: {len(found.different)} differ,"
        f" {found.partly} are older than their record, {found.unrecorded} have none,"
        f" {found.gapped} have changes that no event tells\n"
    )
    return 1 if found.different else 0


def resend(tenant: str, since: str) -> None:
    """Sends a tenant's events of appointments since an instant once more, after NATS lost them."""
    number = asyncio.run(app.resend(Settings(), tenant, _instant(since)))
    sys.stdout.write(f"{number} events are on their way again; consumers pass over those that they handled\n")


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--since: {text!r} is no instant") from None
    if found.tzinfo is None:
        raise SettingsError(f"--since: {text!r} has no time zone")
    return found


VERBS: Mapping[str, Callable[[], None]] = {"serve": serve, "relay": relay, "migrate": migrate_schema}


if __name__ == "__main__":
    main()
