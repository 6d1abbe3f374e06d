"""Where everything listens: loopback only, each port by an environment variable."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields

from allinone.errors import StartFailed
from kit.testing.ports import free_ports

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """One TCP port each. The defaults stay clear of a system PostgreSQL (5432) and NATS (4222).

    They lie below the ports that the kernel gives to outgoing connections: one of those could hold a server's
    port while it starts again.
    """

    pg: int = 15432
    nats: int = 14222
    nats_monitor: int = 18222
    gateway: int = 8480
    gateway_admin: int = 8481
    identity: int = 8411
    booking: int = 8412
    geo: int = 8413
    edge: int = 8414
    reminders: int = 8415
    identity_metrics: int = 8421
    booking_metrics: int = 8422
    geo_metrics: int = 8423
    gateway_metrics: int = 8424
    reminders_metrics: int = 8425


NAMES = tuple(field.name for field in fields(Ports))


def variable(name: str) -> str:
    """The environment variable that sets this port."""
    return f"GIRO_{name.upper()}_PORT"


def from_environment(environment: Mapping[str, str]) -> Ports:
    """The defaults, with what the environment says instead. Raises StartFailed for what is no port."""
    given = {name: environment[variable(name)] for name in NAMES if environment.get(variable(name))}
    return Ports(**{name: _port(variable(name), text) for name, text in given.items()})


def _port(name: str, text: str) -> int:
    if text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise StartFailed(
        "ports", f"{name} is {text!r}, which is no port.", f"Set {name} to a number from 1 to 65535."
    )


def free() -> Ports:
    """Ports that nobody listens on, for tests."""
    return Ports(*free_ports(len(NAMES)))


def occupied(port: int) -> bool:
    """Whether somebody listens on this port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False


def require_free(ports: Ports, names: tuple[str, ...]) -> None:
    """Raises StartFailed naming the variable of each port that is taken."""
    taken = [name for name in names if occupied(getattr(ports, name))]
    if not taken:
        return
    seen = ", ".join(f"{getattr(ports, name)} ({name.replace('_', ' ')})" for name in taken)
    raise StartFailed(
        "ports",
        f"Somebody else already listens on {HOST}: {seen}.",
        "Stop that program, or choose other ports with "
        + ", ".join(f"{variable(name)}=..." for name in taken)
        + ".",
    )
