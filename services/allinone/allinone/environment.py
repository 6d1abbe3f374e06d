"""The environment that each process gets: its own logins and secrets, nobody else's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from allinone.keys import Keys
from allinone.ports import HOST, NAMES, Ports, variable
from allinone.urls import StackUrls

FOR_THE_STACK_ONLY = {"GIRO_DATABASE_URL", "GIRO_NATS_URL", "PYTHONDONTWRITEBYTECODE"}
"""Not for the services: the first two name the administrator, the last makes each compile all it imports."""


@dataclass(frozen=True)
class Installation:
    """All that the environments are made from."""

    ports: Ports
    keys: Keys
    urls: StackUrls
    roads: str

    @property
    def documents(self) -> Path:
        """Where documents lie: each installation's own, for nobody else's sweep."""
        return self.keys.jwks_file.parents[1] / "documents"


def of_process(name: str, outer: Mapping[str, str], made: Installation) -> dict[str, str]:
    """The environment of a service or of `gateway`: defaults, then the caller's, then the stack's."""
    inherited = {key: value for key, value in outer.items() if key not in FOR_THE_STACK_ONLY}
    given = {**_defaults(name, made), **inherited}
    return {**given, "PYTHONUNBUFFERED": "1", **_shared(made), **_own(name, made)}


def _defaults(name: str, made: Installation) -> dict[str, str]:
    return {
        "booking": {"GIRO_BOOKING_DOCUMENTS_FOLDER": str(made.documents)},
        "geo": {"GIRO_ROADS_BICYCLE": "estimate"},
    }.get(name, {})


def _shared(made: Installation) -> dict[str, str]:
    targets = {f"GIRO_{name.upper()}_TARGET": target for name, target in made.urls.targets.items()}
    ports = {variable(name): str(getattr(made.ports, name)) for name in NAMES}
    return {
        **targets,
        **ports,
        "GIRO_HOST": HOST,
        "GIRO_NATS_URL": made.urls.nats,
        "GIRO_JWKS_FILE": str(made.urls.jwks_file),
        "GIRO_SERVICE_KEY": made.keys.service_key,
        "GIRO_SANDBOX": str(made.urls.sandbox).lower(),
    }


def _own(name: str, made: Installation) -> dict[str, str]:
    own = {
        "identity": {"GIRO_SIGNING_KEY_FILE": str(made.urls.signing_key_file)},
        "booking": {"GIRO_SLOT_TOKEN_KEY": made.keys.slot_token_key},
        "gateway": {"GIRO_TOKEN_FILTER_FILE": str(made.urls.jwks_file.with_name("envoy.tokens.yaml"))},
        "geo": {"GIRO_ROADS": made.roads},
    }.get(name, {})
    return {**own, **_databases(name, made.urls)}


def _databases(name: str, urls: StackUrls) -> dict[str, str]:
    logins = urls.databases.get(name)
    if logins is None:
        return {}
    prefix = f"GIRO_{name.upper()}"
    return {
        f"{prefix}_DATABASE_URL": logins["app"],
        f"{prefix}_WORKER_DATABASE_URL": logins["worker"],
        f"{prefix}_MIGRATE_DATABASE_URL": logins["migrate"],
    }
