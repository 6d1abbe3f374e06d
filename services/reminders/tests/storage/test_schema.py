"""The schema's own guards: tenants, one attempt a number, one charge an attempt; what the worker may see."""

import psycopg
import pytest
from reminder_house import DAY, PHONE, House, at
from sqlalchemy import text

from kit.db import migrate
from kit.testing.databases import DatabaseUrls
from reminders.storage import opt_outs
from reminders.storage.opt_outs import OptOut

pytestmark = pytest.mark.asyncio(loop_scope="session")


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


async def test_the_schema_is_at_its_newest_version(urls: DatabaseUrls) -> None:
    assert migrate.at_head(urls.owner("reminders"), "reminders")


async def test_every_table_is_forced_under_row_level_security(urls: DatabaseUrls) -> None:
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'reminders'::regnamespace AND relkind = 'r'"
        " AND relname <> 'alembic_version' AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    with psycopg.connect(plain(urls.admin)) as connection:
        assert connection.execute(query).fetchall() == []


async def _called(house: House) -> str:
    await house.settle_in(DAY, called_as='"Sole Mio"')
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    return (await house.only(visit)).reminder_id


async def test_without_a_tenant_nothing_is_seen(house: House, urls: DatabaseUrls) -> None:
    await _called(house)
    await opted_out_twice(house)
    tables = ("plans", "reminders", "attempts", "answers", "charges", "decisions", "numbers", "parameters")
    tables += ("opt_outs", "revoked_opt_outs", "defaults")
    with psycopg.connect(plain(urls.app("reminders"))) as connection:
        for table in tables:
            assert connection.execute(f"SELECT count(*) FROM reminders.{table}").fetchone() == (0,)


async def opted_out_twice(house: House) -> None:
    """One that was taken back, and one that holds."""
    async with house.db.uow(house.tenant) as tx:
        now = await tx.now()
        await opt_outs.add(tx, OptOut("opt_1", PHONE, now))
        await opt_outs.revoke(tx, "opt_1", "usr_1", now)
        await opt_outs.add(tx, OptOut("opt_2", PHONE, now))


_OPEN = "UPDATE reminders.reminders SET outcome = NULL, "
_SAME_NUMBER = """
    INSERT INTO reminders.attempts (tenant_id, attempt_id, reminder_id, number, channel, fence, recipient,
                                    caller, asked_at, give_up_at, look_up_at)
    SELECT tenant_id, 'cal_2', reminder_id, number, channel, fence, recipient, caller, asked_at, give_up_at,
           now() FROM reminders.attempts
"""

_SAME_PHONE = """
    INSERT INTO reminders.opt_outs (tenant_id, opt_out_id, phone, since)
    SELECT tenant_id, 'opt_3', phone, since FROM reminders.opt_outs
"""


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (_OPEN + "state = 'WAITING', run_at = starts_at", "before_the"),
        (_OPEN + "state = 'CLAIMED'", "reminders_lease"),
        (_OPEN + "state = 'DROPPED'", "reminders_reason"),
        (_SAME_NUMBER, "one_a_number"),
        ("INSERT INTO reminders.charges SELECT * FROM reminders.charges", "charges_pkey"),
        ("UPDATE reminders.charges SET charged = false", "permission denied"),
        ("DELETE FROM reminders.decisions", "permission denied"),
        ("DELETE FROM reminders.revoked_opt_outs", "permission denied"),
        ("UPDATE reminders.revoked_opt_outs SET revoked_by = 'usr_2'", "permission denied"),
        (_SAME_PHONE, "opt_outs_pkey"),
    ],
)
async def test_what_must_never_be_is_refused(house: House, change: str, refused: str) -> None:
    await _called(house)
    await opted_out_twice(house)
    with pytest.raises(Exception, match=refused):
        async with house.db.uow(house.tenant) as tx:
            await tx.run(text(change))


async def test_the_worker_reads_no_numbers_and_changes_nothing(house: House, urls: DatabaseUrls) -> None:
    reminder_id = await _called(house)
    with psycopg.connect(plain(urls.worker("reminders")), autocommit=True) as connection:
        query = "SELECT state FROM reminders.reminders WHERE reminder_id = %s"
        assert connection.execute(query, (reminder_id,)).fetchone() == ("DONE",)
        for forbidden in (
            "SELECT phone FROM reminders.plans",
            "SELECT recipient FROM reminders.attempts",
            "UPDATE reminders.reminders SET state = 'WAITING'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)
