"""The pytest plugin: `-p kit.testing.plugin`."""

import gc
import os
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from kit import failpoints

if TYPE_CHECKING:
    from xdist.remote import Producer

    from kit.testing.cluster import Cluster
    from kit.testing.databases import Databases
    from kit.testing.nats import NatsServer
    from kit.testing.shared import SharedCluster
    from kit.testing.workers import Files


def pytest_configure() -> None:
    """Logs of the code under test as plain lines, which pytest shows with the test that failed.

    A service that is started inside of the tests' process leaves that as it is: its own set-up lasts for
    good and keeps loggers, so that what later tests listen to would be silent.
    """
    import structlog

    from kit import telemetry

    _settle_hypothesis()
    pytest.MonkeyPatch().setattr(telemetry, "configure_logging", _leave)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ],
        cache_logger_on_first_use=False,
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "Files | None":
    """Which worker takes which file, where `--dist loadfile` is asked for."""
    if config.getoption("dist") != "loadfile":
        return None
    from kit.testing.workers import Files

    return Files(config, log)


def _settle_hypothesis() -> None:
    """The same examples in each run, however slow the machine; new ones where `make soak` asks for more."""
    from hypothesis import HealthCheck, settings

    soaking = any(name in os.environ for name in ("GIRO_LIVES", "GIRO_WORLDS"))
    too_slow = [HealthCheck.too_slow]
    settings.register_profile("giro", deadline=None, derandomize=not soaking, suppress_health_check=too_slow)
    settings.load_profile("giro")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Tests are collected without the garbage collector: all that is imported and made here stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What thousands of tests and their modules are made of stays till the end: nobody looks through it again
    for what could be freed."""
    gc.collect()
    gc.freeze()


def _leave(service: str, level: str = "INFO") -> None:
    """In place of `telemetry.configure_logging`."""


@pytest.fixture(scope="session")
def _shared_cluster() -> "SharedCluster":
    from kit.testing.shared import SharedCluster

    return SharedCluster()


@pytest.fixture(scope="session")
def pg_cluster(_shared_cluster: "SharedCluster") -> "Iterator[Cluster]":
    """A private PostgreSQL cluster, one for all workers of the run."""
    cluster = _shared_cluster.acquire()
    yield cluster
    _shared_cluster.release(cluster)


@pytest.fixture(scope="session")
def make_database(pg_cluster: "Cluster", _shared_cluster: "SharedCluster") -> "Databases":
    """`make_database(["booking"])`: a fresh database migrated for these services, as `DatabaseUrls`."""
    from kit.testing.databases import Databases

    return Databases(pg_cluster, _shared_cluster.locked)


@pytest.fixture(scope="session")
def make_nats_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Callable[[], NatsServer]]":
    """Starts nats-servers of a test's own, to be stopped and killed at will."""
    from kit.testing.nats import NatsServer

    servers: list[NatsServer] = []

    def make() -> NatsServer:
        server = NatsServer(tmp_path_factory.mktemp("nats"))
        server.start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def nats_server(make_nats_server: "Callable[[], NatsServer]") -> "NatsServer":
    """One nats-server with JetStream for the whole worker; who stops it must start it again."""
    return make_nats_server()


@pytest.fixture(name="free_port")
def _free_port() -> "Callable[[], int]":
    """`free_port()`: a port of the loopback that nobody listens on."""
    from kit.testing.ports import free_port

    return free_port


@pytest.fixture(autouse=True)
def _no_failpoint_outlives_its_test() -> Iterator[None]:
    yield
    failpoints.reset()
