"""What the kit's tests share: a probe service with one table, and its contract compiled on the fly."""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from grpc_tools import protoc

from kit.bus.connect import connect, ensure_stream
from kit.db.engine import Database
from kit.errors import Reason, RuleViolated
from kit.testing.databases import Databases, DatabaseUrls
from kit.testing.nats import NatsServer
from kit.values.ids import new_id

HERE = Path(__file__).parent
PROTOS = HERE.parent.parent / "protos"

sys.path.insert(0, str(HERE / "support"))

from bus_world import World  # noqa: E402 - found by the line above
from rpc_world import Keys  # noqa: E402

CONSTRAINTS = {"things_n_not_negative": lambda: RuleViolated(Reason.PACKAGE_FULL, "nothing left")}

MakeDb = Callable[..., Database]


@pytest.fixture(scope="session")
def urls(make_database: Databases) -> DatabaseUrls:
    """The probe's database, shared by the tests of one worker; each test takes tenants of its own."""
    return make_database(["probe"])


@pytest_asyncio.fixture
async def make_db(urls: DatabaseUrls) -> AsyncIterator[MakeDb]:
    """Starts databases of the probe service: `await make_db(pool_size=1)`."""
    made: list[Database] = []

    async def make(**overrides: Any) -> Database:
        options = {"sandbox": False, "pool_size": 5, "constraints": CONSTRAINTS, **overrides}
        url = options.pop("url", urls.app("probe"))
        database = Database(url, service="probe", schema="probe", worker_url=urls.worker("probe"), **options)
        made.append(database)
        await database.start()
        return database

    yield make
    for database in made:
        await database.stop()


@pytest_asyncio.fixture
async def db(make_db: MakeDb) -> Database:
    """The probe service's database."""
    return await make_db()


@pytest.fixture(scope="session")
def probe_contract(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`(messages, stubs)`: the modules generated from support/probe.proto."""
    out = tmp_path_factory.mktemp("probe_contract")
    well_known = resources.files("grpc_tools") / "_proto"
    includes = [f"-I{path}" for path in (HERE / "support", PROTOS, PROTOS / "third_party", well_known)]
    status = protoc.main(
        ["protoc", *includes, f"--python_out={out}", f"--grpc_python_out={out}", "probe.proto"]
    )
    assert status == 0
    sys.path.insert(0, str(out))
    return importlib.import_module("probe_pb2"), importlib.import_module("probe_pb2_grpc")


@pytest.fixture(scope="session")
def bus_urls(make_database: Databases) -> DatabaseUrls:
    """A database of these tests' own: a relay sends the events of all tenants."""
    return make_database(["probe"])


@pytest_asyncio.fixture
async def world(bus_urls: DatabaseUrls, nats_server: NatsServer) -> AsyncIterator[World]:
    url, worker_url = bus_urls.app("probe"), bus_urls.worker("probe")
    db = Database(url, service="probe", schema="probe", sandbox=False, worker_url=worker_url)
    await db.start()
    bus = await connect(nats_server.url)
    await ensure_stream(bus, "probe")
    made = World(db, bus, nats_server)
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    await bus.stop()
    await db.stop()


@pytest.fixture
def tenant() -> str:
    return new_id("ten")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    made = Keys(tmp_path)
    made.add("k1")
    return made
