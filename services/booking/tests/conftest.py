"""A database of booking, and a house (tenant, ledger double, use cases) for each test."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from booking.domain.pages import PageTokens
from booking.domain.slot_token import SlotTokens
from booking.storage.constraints import CONSTRAINTS
from booking.usecases.desk import Desk
from booking.usecases.grounds_reads import GroundsReads
from kit.db.engine import Database
from kit.rpc import context
from kit.values.ids import new_id

sys.path.insert(0, str(Path(__file__).parent / "support"))

from booking_house import House
from house_clock import CLOCKS
from ledger_double import LedgerDouble

if TYPE_CHECKING:
    from kit.testing.databases import Databases, DatabaseUrls

KEY = b"k" * 32


@pytest.fixture(scope="session")
def urls(make_database: "Databases") -> "DatabaseUrls":
    """One database for all tests: each test makes a tenant of its own."""
    return make_database(["booking"])


@pytest_asyncio.fixture(scope="session")
async def db(urls: "DatabaseUrls") -> AsyncIterator[Database]:
    """The service's pools, in sandbox mode."""
    database = Database(
        urls.app("booking"),
        service="booking",
        schema="booking",
        sandbox=True,
        worker_url=urls.worker("booking"),
        pool_size=20,
        constraints=CONSTRAINTS,
    )
    await database.start()
    CLOCKS.open(urls.admin)
    yield database
    CLOCKS.close()
    await database.stop()


@pytest.fixture
def ledger() -> LedgerDouble:
    """A ledger with four agents."""
    return LedgerDouble(agents={new_id("agt") for _ in range(4)})


@pytest.fixture
def house(db: Database, ledger: LedgerDouble) -> Iterator[House]:
    """A tenant whose administrator is the caller."""
    token = context.become(None)
    made = House(
        Desk(db, GroundsReads(db), ledger, ledger, SlotTokens(KEY), PageTokens(KEY)),
        ledger,
        sorted(ledger.agents),
    )
    made.enter()
    yield made
    context.unbecome(token)
