"""A database of identity, its keys and its use cases; `support/` has the helpers."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from identity import app
from identity.clients.signing import SigningKey, make_keys
from identity.settings import IdentitySettings

sys.path.insert(0, str(Path(__file__).parent / "support"))

from identity_house import CountedPasswords, HandClock, House

if TYPE_CHECKING:
    from kit.testing.databases import Databases, DatabaseUrls


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A signing key file and its key set."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def urls(make_database: "Databases") -> "DatabaseUrls":
    """One database for all tests of identity: each test makes tenants of its own."""
    return make_database(["identity"])


@pytest.fixture(scope="session")
def settings(urls: "DatabaseUrls", keys: tuple[Path, Path]) -> IdentitySettings:
    """Sandbox mode, any port."""
    private, public = keys
    return IdentitySettings(
        database_url=urls.app("identity"),
        worker_database_url=urls.worker("identity"),
        migrate_database_url=urls.owner("identity"),
        signing_key_file=str(private),
        jwks_file=str(public),
        service_key="k" * 32,
        sandbox=True,
    )


@pytest_asyncio.fixture(scope="session")
async def house(settings: IdentitySettings, urls: "DatabaseUrls") -> AsyncIterator[House]:
    """The use cases, with a clock to move and verifications counted."""
    db = app.make_database(settings)
    await db.start()
    passwords, clock = CountedPasswords(), HandClock()
    signing = SigningKey.load(settings.signing_key_file)
    use = app.make_use_cases(settings, db, passwords, signing, clock)
    yield House(settings, urls, db, passwords, clock, signing, use)
    passwords.close()
    await db.stop()
