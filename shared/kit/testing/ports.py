"""Free ports for the servers that tests start."""

import os
import random
import re
import socket
from contextlib import ExitStack

HOST = "127.0.0.1"
FIRST, LAST = 10_240, 32_767
"""Below what Linux gives to outgoing connections (ip_local_port_range, 32768 to 60999): a server that is
killed and started again must find its port free, whatever thousands of connections took meanwhile."""

_WORKERS = 8
"""Runs of tests side by side have a part of the range each: none takes what another has just found."""


def part_of_range() -> tuple[int, int]:
    """The first and the last port that this process may take: a part where it is one of several workers."""
    worker = re.search(r"[0-9]+$", os.environ.get("PYTEST_XDIST_WORKER", ""))
    if worker is None:
        return FIRST, LAST
    size = (LAST - FIRST + 1) // _WORKERS
    first = FIRST + int(worker[0]) % _WORKERS * size
    return first, first + size - 1


def free_ports(count: int) -> list[int]:
    """So many TCP ports of the loopback, all different, that nobody listens on at this moment."""
    chance = random.SystemRandom()  # the tests of one seed run beside each other
    found: list[int] = []
    span = part_of_range()
    with ExitStack() as taken:
        while len(found) < count:
            probe = taken.enter_context(socket.socket())
            try:
                probe.bind((HOST, chance.randint(*span)))
            except OSError:
                continue
            found.append(probe.getsockname()[1])
    return found


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on at this moment."""
    return free_ports(1)[0]


def listening(port: int) -> bool:
    """Whether somebody accepts connections on this port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0
