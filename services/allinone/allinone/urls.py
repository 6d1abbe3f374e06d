"""Where a running stack is reached, and what opens it: for the demo, tests, load tests and scripts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from allinone.keys import SERVICES, Keys
from allinone.ports import HOST, Ports

DATABASE = "giro"
LOGINS = {"app": "", "worker": "_worker", "migrate": "_owner"}


@dataclass(frozen=True)
class StackUrls:
    """`gateway` is http://host:port (JSON and gRPC on one port); targets are host:port of the gRPC servers
    `identity`, `booking`, `geo`, `reminders`, `edge`; `databases[service]` has the URLs of
    `app`, `worker`, `migrate`.
    """

    gateway: str
    gateway_admin: str
    targets: Mapping[str, str]
    metrics: Mapping[str, str]
    nats: str
    admin_database: str
    databases: Mapping[str, Mapping[str, str]]
    service_key: str
    jwks_file: Path
    signing_key_file: Path
    sandbox: bool


def build(ports: Ports, keys: Keys, *, server: str, nats: str, sandbox: bool) -> StackUrls:
    """`server` is the administrator's URL; see `with_database` for the database that is taken."""
    servers = (*SERVICES, "edge")
    admin_database = with_database(server)
    return StackUrls(
        gateway=f"http://{HOST}:{ports.gateway}",
        gateway_admin=f"http://{HOST}:{ports.gateway_admin}",
        targets={name: f"{HOST}:{getattr(ports, name)}" for name in servers},
        metrics={
            name: f"http://{HOST}:{getattr(ports, f'{name}_metrics')}/metrics"
            for name in (*SERVICES, "gateway")
        },
        nats=nats,
        admin_database=admin_database,
        databases={service: _logins(admin_database, service, keys.passwords) for service in SERVICES},
        service_key=keys.service_key,
        jwks_file=keys.jwks_file,
        signing_key_file=keys.signing_key_file,
        sandbox=sandbox,
    )


def _logins(admin: str, service: str, passwords: Mapping[str, str]) -> dict[str, str]:
    roles = {login: f"giro_{service}{suffix}" for login, suffix in LOGINS.items()}
    return {login: as_login(admin, role, passwords[role]) for login, role in roles.items()}


def with_database(server: str) -> str:
    """The URL on Giro's database: an empty path or `postgres` stands for the server, and `giro` is made."""
    parts = urlsplit(server)
    named = parts.path.strip("/")
    database = DATABASE if named in ("", "postgres") else named
    return urlunsplit(parts._replace(path=f"/{database}"))


def as_login(admin: str, role: str, password: str) -> str:
    """The administrator's URL with another login; options of the query stay."""
    parts = urlsplit(admin)
    place = parts.netloc.rpartition("@")[2] or HOST
    return urlunsplit(parts._replace(netloc=f"{role}:{password}@{place}"))
