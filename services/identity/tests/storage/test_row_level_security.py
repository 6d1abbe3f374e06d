"""Below the service the database itself keeps tenants apart (ID-02), logins included."""

import psycopg
import pytest
from identity_house import PASSWORD, House, fresh_email
from psycopg import sql
from sqlalchemy import text

from identity.app import make_database
from identity.domain.email import Email
from identity.storage import logins
from identity.storage.logins import NO_TENANT
from identity.storage.tables import metadata
from kit.settings import SettingsError

TABLES = sorted(table.name for table in metadata.tables.values())


@pytest.mark.asyncio
async def test_every_table_has_row_level_security_forced(house: House) -> None:
    query = (
        "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = 'identity'::regnamespace AND relname <> 'alembic_version'"
    )
    async with await psycopg.AsyncConnection.connect(house.urls.admin) as admin:
        found = dict(await (await admin.execute(query)).fetchall())
    assert found == dict.fromkeys(TABLES, True)


@pytest.mark.asyncio
@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_no_row_is_seen(house: House, table: str) -> None:
    await house.tenant()
    await _fail_once(house, Email.parse(fresh_email("stranger")))
    query = sql.SQL("SELECT count(*) FROM identity.{}").format(sql.Identifier(table))
    if table not in {"branches", "dead_letters", "parameters"}:
        assert await _count(house.urls.admin, query) > 0
    assert await _count(house.urls.app("identity"), query) == 0
    if table != "alembic_version":
        assert await _count(house.urls.owner("identity"), query) == 0


@pytest.mark.asyncio
async def test_a_tenant_cannot_list_logins_not_even_its_own(house: House) -> None:
    tenant, _ = await house.tenant()
    async with house.db.uow(tenant.tenant_id) as tx:
        assert (await tx.run(text("SELECT count(*) FROM identity.logins"))).scalar_one() == 0
        assert (await tx.run(text("SELECT count(*) FROM identity.users"))).scalar_one() == 1


@pytest.mark.asyncio
async def test_a_named_address_shows_its_own_login_and_no_other(house: House) -> None:
    tenant, email = await house.tenant()
    await house.tenant()
    async with house.db.uow(NO_TENANT) as tx:
        await logins.name(tx, email.digest)
        rows = (await tx.run(text("SELECT digest, tenant_id FROM identity.logins"))).all()
        users = (await tx.run(text("SELECT count(*) FROM identity.users"))).scalar_one()
    assert [(row.digest, row.tenant_id) for row in rows] == [(email.digest, tenant.tenant_id)]
    assert users == 0


@pytest.mark.asyncio
async def test_a_name_is_forgotten_with_its_transaction(house: House) -> None:
    _, email = await house.tenant()
    async with house.db.uow(NO_TENANT) as tx:
        await logins.name(tx, email.digest)
    for _ in range(5):
        async with house.db.uow(NO_TENANT) as tx:
            assert await logins.find(tx, email.digest) is None


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO identity.users (tenant_id, user_id, email, display_name)"
        " VALUES ('{other}', 'u', 'a@b', 'n')",
        "INSERT INTO identity.grants (tenant_id, user_id, role) VALUES ('{other}', '{user}', 'PLATFORM')",
        "INSERT INTO identity.logins (digest, tenant_id, user_id, password_hash)"
        " VALUES ('d', '{other}', '{user}', 'h')",
        "INSERT INTO sandbox.test_clocks (tenant_id, offset_seconds) VALUES ('{other}', 1)",
        "UPDATE identity.users SET tenant_id = '{other}'",
    ],
)
async def test_nothing_is_written_into_another_tenant(house: House, statement: str) -> None:
    mine, _ = await house.tenant()
    other, _ = await house.tenant()
    user = await house.administrator(other)
    filled = statement.format(other=other.tenant_id, user=user.user_id)
    with pytest.raises(Exception, match=r"row-level security|foreign key"):
        async with house.db.uow(mine.tenant_id) as tx:
            await tx.run(text(filled))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "statement", ["UPDATE identity.logins SET digest = 'x'", "DELETE FROM identity.logins"]
)
async def test_logins_cannot_be_changed_or_deleted(house: House, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(house.urls.app("identity")) as app:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await app.execute(statement)


@pytest.mark.asyncio
@pytest.mark.parametrize("login", ["postgres", "giro_identity_owner"])
async def test_no_start_on_a_login_that_rows_are_not_hidden_from(house: House, login: str) -> None:
    url = house.urls.cluster.url(login, house.urls.name)
    db = make_database(house.settings.model_copy(update={"database_url": url}))
    with pytest.raises(SettingsError, match=login):
        await db.start()
    await db.stop()


async def _fail_once(house: House, email: Email) -> None:
    with pytest.raises(Exception, match="BAD_CREDENTIALS"):
        await house.use.create_session.run(email, PASSWORD)


async def _count(url: str, query: sql.Composed) -> int:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return int(row[0])
