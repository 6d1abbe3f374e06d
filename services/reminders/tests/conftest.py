"""What the tests of reminders share."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from kit.db.engine import Database
from reminders.storage.constraints import CONSTRAINTS

sys.path.insert(0, str(Path(__file__).parent / "support"))

from reminder_house import House, at

if TYPE_CHECKING:
    from kit.testing.databases import Databases, DatabaseUrls


@pytest.fixture(scope="session")
def urls(make_database: "Databases") -> "DatabaseUrls":
    """One database for all tests: each test makes a tenant of its own."""
    return make_database(["reminders"])


@pytest_asyncio.fixture(scope="session")
async def db(urls: "DatabaseUrls") -> AsyncIterator[Database]:
    """The service's pools, in sandbox mode."""
    database = Database(
        urls.app("reminders"),
        service="reminders",
        schema="reminders",
        sandbox=True,
        worker_url=urls.worker("reminders"),
        pool_size=20,
        constraints=CONSTRAINTS,
    )
    await database.start()
    yield database
    await database.stop()


@pytest_asyncio.fixture
async def house(db: Database) -> House:
    """A tenant of its own, on a Monday morning."""
    made = House(db)
    await made.go_to(at(0, 8))
    return made
