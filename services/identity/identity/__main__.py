"""`python -m identity serve|relay|migrate|keys|bootstrap-platform`; `--help` tells what each takes."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from identity.clients.signing import make_keys
from identity.domain.email import Email
from identity.settings import IdentitySettings
from kit import runtime, telemetry
from kit.errors import GiroError
from kit.settings import SettingsError

MIN_PASSWORD = 10

Verb = Callable[[argparse.Namespace], None]


def main(words: Sequence[str] | None = None) -> None:
    """Runs one verb. Exits with 2 and a sentence for what cannot start or cannot be done."""
    chosen = _parser().parse_args(words)
    try:
        VERBS[chosen.verb](chosen)
    except (SettingsError, GiroError) as refused:
        sys.exit(_told(str(refused)))


def serve(_: argparse.Namespace) -> None:
    """Serves gRPC and sends events until it is told to stop."""
    from identity import app  # all of the service, which making keys needs nothing of

    runtime.run(app.build(_settings()))


def relay(_: argparse.Namespace) -> None:
    """Sends events only."""
    from identity import app

    runtime.run(app.build_relay(_settings()))


def migrate_schema(_: argparse.Namespace) -> None:
    """Brings the schema to its newest version."""
    from kit.db import migrate  # alembic: megabytes that whoever serves need not carry

    settings = IdentitySettings()
    settings.require("migrate_database_url")
    migrate.upgrade(settings.migrate_database_url, settings.service)


def keys(chosen: argparse.Namespace) -> None:
    """Makes the signing key and the published key set, unless they are there."""
    private, public = make_keys(Path(chosen.dir))
    sys.stdout.write(f"{private}\n{public}\n")


def bootstrap_platform(chosen: argparse.Namespace) -> None:
    """Makes the platform's first user, unless it is there."""
    from identity import app

    email = Email.parse(chosen.email, "--email")
    password = _password(Path(chosen.password_file))
    user = asyncio.run(app.bootstrap_platform(IdentitySettings(), email, password))
    sys.stdout.write(f"{user.user_id}\n")


VERBS: Mapping[str, Verb] = {
    "serve": serve,
    "relay": relay,
    "migrate": migrate_schema,
    "keys": keys,
    "bootstrap-platform": bootstrap_platform,
}


def _settings() -> IdentitySettings:
    settings = IdentitySettings()
    telemetry.configure_logging(settings.service, settings.log_level)
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="identity", description="Who is who: tenants, users, roles, tokens."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    made = {name: verbs.add_parser(name, help=verb.__doc__) for name, verb in VERBS.items()}
    made["keys"].add_argument("--dir", required=True, help="folder for signing.jwk.json and jwks.json")
    made["bootstrap-platform"].add_argument("--email", required=True)
    made["bootstrap-platform"].add_argument(
        "--password-file",
        required=True,
        help="file that holds the password, so that no command line shows it",
    )
    return parser


def _password(path: Path) -> str:
    try:
        password = path.read_text().strip("\r\n")
    except (OSError, UnicodeDecodeError) as refused:
        raise SettingsError(f"--password-file: {refused}") from None
    if len(password) < MIN_PASSWORD:
        raise SettingsError(f"--password-file: a password has at least {MIN_PASSWORD} characters")
    return password


def _told(message: str) -> int:
    sys.stderr.write(f"identity: {message}\n")
    return 2


if __name__ == "__main__":
    main()
