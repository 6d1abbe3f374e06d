"""The unit of work on a real PostgreSQL: tenants, claims, timeouts, and what is told when it fails."""

# ruff: noqa: PT012, SIM105 - what is expected to raise is the end of a unit of work

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from probe.storage.tables import things
from sqlalchemy import bindparam, insert, select, text, update

from kit import deadline
from kit.db import guard
from kit.db.claims import Claim
from kit.db.engine import Database
from kit.db.failures import constraint_fired
from kit.db.uow import Timeouts, Tx
from kit.db.worker import by_tenants_clocks
from kit.errors import Conflict, InvalidInput, Reason, RuleViolated, Unavailable
from kit.settings import SettingsError
from kit.testing.databases import Databases, DatabaseUrls
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio

ADD = insert(things)
COUNT = text("SELECT count(*) FROM probe.things")
LOCK = select(things).where(things.c.id == bindparam("id")).with_for_update()


@pytest.fixture
def tenant() -> str:
    return new_id("ten")


async def add(db: Database, tenant: str, thing: str, n: int = 0, claim: Claim | None = None) -> Tx:
    async with db.uow(tenant, claim) as tx:
        if not tx.duplicate:
            await tx.run(ADD, {"tenant_id": tenant, "id": thing, "n": n})
    return tx


async def count(db: Database, tenant: str) -> int:
    async with db.uow(tenant) as tx:
        return int((await tx.run(COUNT)).scalar_one())


def change(urls: DatabaseUrls, statement: str) -> None:
    with psycopg.connect(urls.admin, autocommit=True) as connection:
        connection.execute(statement.encode())


def as_admin(urls: DatabaseUrls, query: str, *params: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(urls.admin, autocommit=True) as connection:
        return connection.execute(query, params or None).fetchall()


async def test_a_tenant_sees_its_own_rows_and_nobody_elses(db: Database, tenant: str) -> None:
    await add(db, tenant, "a")
    assert await count(db, tenant) == 1
    assert await count(db, new_id("ten")) == 0


async def test_without_a_tenant_a_query_sees_nothing(db: Database, urls: DatabaseUrls, tenant: str) -> None:
    await add(db, tenant, "a")
    with psycopg.connect(urls.app("probe")) as connection:
        assert connection.execute("SELECT count(*) FROM probe.things").fetchone() == (0,)


async def test_the_owner_sees_nothing_either(db: Database, urls: DatabaseUrls, tenant: str) -> None:
    await add(db, tenant, "a")
    with psycopg.connect(urls.owner("probe")) as connection:
        assert connection.execute("SELECT count(*) FROM probe.things").fetchone() == (0,)


async def test_a_row_for_another_tenant_is_refused(db: Database, tenant: str) -> None:
    with pytest.raises(Exception, match="row-level security"):
        async with db.uow(tenant) as tx:
            await tx.run(ADD, {"tenant_id": "ten_other", "id": "a"})


async def test_the_tenant_does_not_stay_on_a_pooled_connection(make_db: Any, tenant: str) -> None:
    db = await make_db(pool_size=1)
    await add(db, tenant, "a")
    connection = await db._pool.acquire()
    assert await (await connection.execute("SELECT count(*) FROM probe.things")).fetchone() == (0,)
    left = await (await connection.execute("SELECT current_setting('giro.tenant', true)")).fetchone()
    await db._pool.release(connection)
    assert left == ("",)


@pytest.mark.parametrize("bad", ["", "a'b", "a b", "x" * 65])
async def test_what_is_no_tenant_id_never_gets_to_the_database(db: Database, bad: str) -> None:
    with pytest.raises(ValueError, match="no id of a tenant"):
        db.uow(bad)


async def test_an_exception_rolls_back_everything(db: Database, urls: DatabaseUrls, tenant: str) -> None:
    with pytest.raises(KeyError):
        async with db.uow(tenant, Claim("k", b"")) as tx:
            await tx.run(ADD, {"tenant_id": tenant, "id": "a"})
            tx.emit("thing.made", "a", StringValue(value="a"))
            tx.answer(b"done")
            raise KeyError("a")
    assert await count(db, tenant) == 0
    assert as_admin(urls, "SELECT 1 FROM probe.claims WHERE tenant_id = %s", tenant) == []
    assert as_admin(urls, "SELECT 1 FROM probe.outbox WHERE tenant_id = %s", tenant) == []


async def test_an_error_swallowed_inside_is_raised_at_the_end(db: Database, tenant: str) -> None:
    with pytest.raises(RuleViolated):
        async with db.uow(tenant) as tx:
            try:
                await tx.run(ADD, {"tenant_id": tenant, "id": "a", "n": -1})
            except RuleViolated:
                pass
    assert await count(db, tenant) == 0


async def test_callbacks_run_after_the_commit_only(db: Database, tenant: str) -> None:
    called: list[str] = []
    async with db.uow(tenant) as tx:
        tx.on_commit(lambda: called.append("kept"))
        assert called == []
    with pytest.raises(KeyError):
        async with db.uow(tenant) as tx:
            tx.on_commit(lambda: called.append("dropped"))
            raise KeyError
    assert called == ["kept"]


async def test_a_named_constraint_becomes_its_error_and_is_counted(db: Database, tenant: str) -> None:
    counter = constraint_fired.labels(constraint="things_n_not_negative")
    before = counter._value.get()
    with pytest.raises(RuleViolated) as refused:
        await add(db, tenant, "a", n=-1)
    assert refused.value.reason is Reason.PACKAGE_FULL
    assert counter._value.get() == before + 1


async def test_an_unknown_constraint_stays_what_it_is(db: Database, tenant: str) -> None:
    await add(db, tenant, "a")
    with pytest.raises(Exception, match="things_pkey"):
        await add(db, tenant, "a")


async def test_nul_in_a_text_is_the_callers_fault(db: Database, tenant: str) -> None:
    with pytest.raises(InvalidInput):
        await add(db, tenant, "a\0b")


# --- claims -----------------------------------------------------------------------------------------------


async def test_a_repeated_claim_gets_the_first_answer(db: Database, tenant: str) -> None:
    async with db.uow(tenant, Claim("k", b"body")) as tx:
        assert (tx.duplicate, tx.first_answer, tx.claim_ref) == (False, None, None)
        tx.refer("apt_1")
        tx.answer(b"yes")
    async with db.uow(tenant, Claim("k", b"body")) as tx:
        assert (tx.duplicate, tx.first_answer, tx.claim_ref) == (True, b"yes", "apt_1")


@pytest.mark.parametrize("events", [0, 1, 3])
async def test_answer_and_events_are_written_together(db: Database, tenant: str, events: int) -> None:
    async with db.uow(tenant, Claim("k", b"body")) as tx:
        tx.answer(b"yes")
        told = [tx.emit("thing.made", f"e{n}", StringValue(value=str(n))) for n in range(events)]
    async with db.uow(tenant, Claim("k", b"body")) as tx:
        assert tx.first_answer == b"yes"
        query = text("SELECT event_id, headers, payload FROM probe.outbox ORDER BY id")
        rows = (await tx.run(query)).all()
    assert [row.event_id for row in rows] == told
    assert [StringValue.FromString(row.payload).value for row in rows] == [str(n) for n in range(events)]
    assert all(set(row.headers) == {"traceparent", "x-request-id"} for row in rows)


async def test_a_claim_with_another_body_is_refused(db: Database, tenant: str) -> None:
    await add(db, tenant, "a", claim=Claim("k", b"body"))
    with pytest.raises(InvalidInput) as refused:
        await add(db, tenant, "b", claim=Claim("k", b"other"))
    assert refused.value.reason is Reason.REQUEST_ID_REUSED
    assert refused.value.violations[0].field == "request_id"
    assert await count(db, tenant) == 1


async def test_keys_are_per_tenant(db: Database, tenant: str) -> None:
    await add(db, tenant, "a", claim=Claim("k", b"body"))
    assert not (await add(db, new_id("ten"), "a", claim=Claim("k", b"other"))).duplicate


async def test_sixteen_equal_claims_at_once_have_one_effect(db: Database, tenant: str) -> None:
    claims = [add(db, tenant, f"t{i}", claim=Claim("k", b"body")) for i in range(16)]
    done = await asyncio.gather(*claims)
    assert sorted(tx.duplicate for tx in done) == [False] + [True] * 15
    assert await count(db, tenant) == 1


async def test_a_saga_answers_its_claim_later(db: Database, tenant: str) -> None:
    async with db.uow(tenant, Claim("k", b"")) as tx:
        tx.refer("apt_1")
    async with db.uow(tenant) as tx:
        await tx.answer_claim("k", b"late")
    async with db.uow(tenant, Claim("k", b"")) as tx:
        assert (tx.first_answer, tx.claim_ref) == (b"late", "apt_1")


async def test_answering_needs_a_claim(db: Database, tenant: str) -> None:
    async with db.uow(tenant) as tx:
        with pytest.raises(RuntimeError, match="no claim"):
            tx.answer(b"")
        with pytest.raises(LookupError, match="never taken"):
            await tx.answer_claim("nobody", b"")


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_has_a_sane_length(key: str) -> None:
    with pytest.raises(InvalidInput):
        Claim(key, b"")


async def test_a_claim_under_way_elsewhere_is_a_conflict(db: Database, tenant: str) -> None:
    async with db.uow(tenant, Claim("k", b"")):
        with pytest.raises(Conflict) as refused:
            async with db.uow(tenant, Claim("k", b""), timeouts=Timeouts(lock=0.05)):
                pass
    assert refused.value.reason is Reason.REQUEST_IN_FLIGHT


async def test_the_first_answer_stays(db: Database, tenant: str) -> None:
    async with db.uow(tenant, Claim("k", b"")) as tx:
        tx.answer(b"first")
    async with db.uow(tenant, Claim("k", b"")) as tx:
        tx.answer(b"second")
        await tx.answer_claim("k", b"third")
    async with db.uow(tenant, Claim("k", b"")) as tx:
        assert tx.first_answer == b"first"


# --- time and contention ----------------------------------------------------------------------------------


async def test_a_lock_not_had_in_time_is_a_conflict(db: Database, tenant: str) -> None:
    await add(db, tenant, "a")
    async with db.uow(tenant) as tx:
        await tx.run(LOCK, {"id": "a"})
        with pytest.raises(Conflict) as refused:
            async with db.uow(tenant, timeouts=Timeouts(lock=0.05)) as other:
                await other.run(LOCK, {"id": "a"})
    assert refused.value.reason is Reason.CONTENTION


async def test_a_deadlock_is_a_conflict_for_one_of_both(db: Database, tenant: str) -> None:
    await add(db, tenant, "a")
    await add(db, tenant, "b")
    locked = asyncio.Barrier(2)

    async def both(first: str, second: str) -> str:
        async with db.uow(tenant, timeouts=Timeouts(lock=4, statement=4)) as tx:
            await tx.run(LOCK, {"id": first})
            await locked.wait()
            await tx.run(LOCK, {"id": second})
        return "done"

    results = await asyncio.gather(both("a", "b"), both("b", "a"), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "str"]


async def test_a_statement_that_takes_too_long_is_unavailable(db: Database, tenant: str) -> None:
    with pytest.raises(Unavailable) as refused:
        async with db.uow(tenant, timeouts=Timeouts(statement=0.05)) as tx:
            await tx.run(text("SELECT pg_sleep(5)"))
    assert refused.value.reason is Reason.DATABASE_UNAVAILABLE


async def test_the_callers_deadline_ends_a_statement(db: Database, tenant: str) -> None:
    token = deadline.set_time_left(0.1)
    try:
        with pytest.raises(Unavailable):
            async with db.uow(tenant) as tx:
                await tx.run(text("SELECT pg_sleep(5)"))
    finally:
        deadline.reset_time_left(token)


async def test_a_pool_in_use_is_unavailable(make_db: Any, tenant: str) -> None:
    db = await make_db(pool_size=1)
    db._pool.wait_seconds = 0.05
    async with db.uow(tenant):
        with pytest.raises(Unavailable):
            await count(db, tenant)


async def test_dead_connections_are_replaced_unseen(make_db: Any, urls: DatabaseUrls, tenant: str) -> None:
    db = await make_db(pool_size=3)
    await asyncio.gather(*[add(db, tenant, f"t{i}") for i in range(3)])
    _end_connections(urls)
    assert await count(db, tenant) == 3


async def test_statements_outlive_a_refusal_and_not_a_migration(
    make_db: Any, urls: DatabaseUrls, tenant: str
) -> None:
    """A rollback keeps what was prepared; what a migration made useless goes with its connection."""
    db = await make_db(pool_size=1)
    probe = text("SELECT *, 1 AS one FROM probe.things")
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT *, 1%'")

    async def read() -> int:
        async with db.uow(tenant) as tx:
            await tx.run(probe)
            return int((await tx.run(prepared)).scalar_one())

    assert [await read() for _ in range(4)][-1] == 1
    with pytest.raises(LookupError):
        async with db.uow(tenant) as tx:
            await tx.run(probe)
            raise LookupError
    assert await read() == 1
    change(urls, "ALTER TABLE probe.things ADD COLUMN later integer")
    try:
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            await read()
        assert await read() == 0
    finally:
        change(urls, "ALTER TABLE probe.things DROP COLUMN later")


async def test_a_connection_lost_inside_is_unavailable(make_db: Any, urls: DatabaseUrls, tenant: str) -> None:
    db = await make_db(pool_size=1)
    with pytest.raises(Unavailable):
        async with db.uow(tenant) as tx:
            await tx.run(ADD, {"tenant_id": tenant, "id": "a"})
            _end_connections(urls)
            await tx.run(COUNT)
    assert await count(db, tenant) == 0


async def test_a_connection_lost_at_commit_leaves_the_outcome_open(
    make_db: Any, urls: DatabaseUrls, tenant: str
) -> None:
    db = await make_db(pool_size=1)
    with pytest.raises(Unavailable, match="did not confirm"):
        async with db.uow(tenant) as tx:
            await tx.run(ADD, {"tenant_id": tenant, "id": "a"})
            _end_connections(urls)
    assert await count(db, tenant) == 0


async def test_a_connection_lost_before_the_events_are_written_is_unavailable(
    make_db: Any, urls: DatabaseUrls, tenant: str
) -> None:
    db = await make_db(pool_size=1)
    with pytest.raises(Unavailable, match="did not answer"):
        async with db.uow(tenant, Claim("k", b"")) as tx:
            tx.answer(b"yes")
            tx.emit("thing.made", "a", StringValue(value="a"))
            _end_connections(urls)
    async with db.uow(tenant, Claim("k", b"")) as tx:
        assert not tx.duplicate


async def test_a_callback_that_fails_does_not_undo_the_commit(db: Database, tenant: str) -> None:
    async with db.uow(tenant) as tx:
        await tx.run(ADD, {"tenant_id": tenant, "id": "a"})
        tx.on_commit(lambda: {}["nothing"])
    assert await count(db, tenant) == 1


def _end_connections(urls: DatabaseUrls) -> None:
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'giro_probe' AND datname = %s"
    )
    assert as_admin(urls, query, urls.name)


async def test_a_cancelled_unit_of_work_rolls_back(db: Database, tenant: str) -> None:
    async def slow() -> None:
        async with db.uow(tenant) as tx:
            await tx.run(ADD, {"tenant_id": tenant, "id": "a"})
            await tx.run(text("SELECT pg_sleep(5)"))

    task = asyncio.create_task(slow())
    await asyncio.wait({task}, timeout=0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(db, tenant) == 0


async def test_now_is_read_anew_and_in_utc(db: Database, tenant: str) -> None:
    async with db.uow(tenant) as tx:
        first = await tx.now()
        second = await tx.now()
    assert second > first
    assert first.utcoffset() is not None
    assert not first.utcoffset()


async def test_the_sandbox_moves_one_tenants_clock(make_db: Any, urls: DatabaseUrls, tenant: str) -> None:
    db = await make_db(sandbox=True)
    async with db.uow(tenant) as tx:
        await tx.run(text("INSERT INTO sandbox.test_clocks VALUES (:t, 86400)"), {"t": tenant})
    async with db.uow(tenant) as ahead, db.uow(new_id("ten")) as present:
        gap = (await ahead.now()) - (await present.now())
    assert 86_390 < gap.total_seconds() < 86_400
    async with db.worker() as tx:
        assert (await tx.clock_offsets())[tenant] == 86_400


async def test_live_mode_does_not_look_at_test_clocks(db: Database, urls: DatabaseUrls, tenant: str) -> None:
    as_admin(urls, "INSERT INTO sandbox.test_clocks VALUES (%s, 86400) RETURNING 1", tenant)
    async with db.uow(tenant) as ahead, db.uow(new_id("ten")) as present:
        assert abs(((await ahead.now()) - (await present.now())).total_seconds()) < 10


async def test_a_look_over_tenants_goes_by_the_clock_of_each(make_db: Any, tenant: str) -> None:
    db, late = await make_db(sandbox=True), new_id("ten")
    look = by_tenants_clocks(
        "SELECT t.tenant_id, {now} AS now FROM (VALUES (:ahead), (:late)) AS t (tenant_id) {ahead}",
        "t.tenant_id",
    )
    async with db.uow(tenant) as tx:
        await tx.run(text("INSERT INTO sandbox.test_clocks VALUES (:t, 86400)"), {"t": tenant})
    for sandbox, gap in ((True, timedelta(days=1)), (False, timedelta(0))):
        async with db.worker() as tx:
            rows = await tx.run(look[sandbox], {"ahead": tenant, "late": late})
            now = {row.tenant_id: row.now for row in rows}
        assert abs(now[tenant] - now[late] - gap) < timedelta(seconds=5)


# --- logins and remote calls ------------------------------------------------------------------------------


async def test_a_superuser_or_an_owner_is_refused_at_start(make_db: Any, urls: DatabaseUrls) -> None:
    with pytest.raises(SettingsError, match="superuser"):
        await make_db(url=urls.admin)
    with pytest.raises(SettingsError, match="owns tables"):
        await make_db(url=urls.owner("probe"))


async def test_a_schema_that_is_missing_is_told_at_start(urls: DatabaseUrls) -> None:
    db = Database(urls.app("probe"), service="probe", schema="nothing", sandbox=False)
    with pytest.raises(SettingsError, match="no schema nothing"):
        await db.start()
    await db.stop()


async def test_a_database_that_is_down_is_told_at_start(free_port: Any) -> None:
    url = f"postgresql://giro_probe@127.0.0.1:{free_port()}/giro"
    db = Database(url, service="probe", schema="probe", sandbox=False)
    with pytest.raises(Unavailable):
        await db.start()
    await db.stop()


async def test_a_remote_call_in_a_transaction_is_refused(db: Database, tenant: str) -> None:
    async with db.uow(tenant):
        with pytest.raises(guard.RemoteCallInTransaction):
            guard.refuse_remote_call("geo.Reserve")
        async with db.uow(tenant):
            pass
        with pytest.raises(guard.RemoteCallInTransaction):
            guard.refuse_remote_call("geo.Reserve")
    guard.refuse_remote_call("geo.Reserve")


async def test_the_worker_sees_all_tenants_but_only_what_it_is_shown(db: Database, tenant: str) -> None:
    await add(db, tenant, "a")
    async with db.worker() as tx:
        found = (await tx.run(text("SELECT tenant_id FROM probe.things"))).scalars().all()
        assert tenant in found
    with pytest.raises(Exception, match="permission denied"):
        async with db.worker() as tx:
            await tx.run(text("SELECT n FROM probe.things"))
    with pytest.raises(Exception, match="permission denied"):
        async with db.worker() as tx:
            await tx.run(update(things).values(id="x"))


async def test_tables_and_migrations_say_the_same(make_database: Databases) -> None:
    metadata = things.metadata
    assert make_database.differences("probe", metadata) == []
