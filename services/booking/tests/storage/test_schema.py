"""The schema's own guards: tenants, counters, moves; and that the worker sees no more than it needs."""

import psycopg
import pytest
from booking_house import House
from house_clock import soon
from sqlalchemy import text

from kit.db import migrate
from kit.errors import GiroError, NotFound, Reason
from kit.testing.databases import DatabaseUrls

pytestmark = pytest.mark.asyncio(loop_scope="session")

TABLES = (
    "refix_modes",
    "procedures",
    "refix_requests",
    "recalls",
    "refix_exceptions",
    "campaigns",
    "campaign_agents",
    "contacts",
    "contact_changes",
    "appointments",
    "moves",
    "parameters",
    "recent_changes",
    "list_states",
    "characteristics",
    "outcome_states",
    "history",
    "appointment_views",
    "support_contacts",
    "agent_contacts",
    "annulment_claims",
    "unavailabilities",
    "package_steps",
    "calendar_feeds",
    "calendar_drives",
    "documents",
    "series",
    "series_appointments",
    "waitlist_entries",
    "openings",
    "offers",
)


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


async def test_the_schema_is_at_its_newest_version(urls: DatabaseUrls) -> None:
    assert migrate.at_head(urls.owner("booking"), "booking")


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_nothing_is_seen(house: House, urls: DatabaseUrls, table: str) -> None:
    await house.booked()
    with psycopg.connect(plain(urls.app("booking"))) as connection:
        found = connection.execute(f"SELECT count(*) FROM booking.{table}").fetchone()
    assert found == (0,)


async def test_every_table_is_forced_under_row_level_security(urls: DatabaseUrls) -> None:
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace AND relkind = 'r'"
        " AND relname <> 'alembic_version' AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    with psycopg.connect(plain(urls.admin)) as connection:
        assert connection.execute(query).fetchall() == []


async def test_a_row_of_another_tenant_cannot_be_written(house: House) -> None:
    campaign = await house.campaign()
    stranger = House(house.desk, house.ledger, house.agents)
    statement = text(
        "INSERT INTO booking.contacts"
        " (tenant_id, contact_id, campaign_id, display_name, phone, address, place)"
        " VALUES (:t, 'cnt_x', :c, '', '', '', 0)"
    )
    for tenant in (house.tenant, stranger.tenant):  # another's row, then a link to another's campaign
        with pytest.raises(Exception, match=r"row-level security|contacts_campaign"):
            async with house.desk.db.uow(stranger.tenant) as tx:
                await tx.run(statement, {"t": tenant, "c": campaign.campaign_id})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("taken = purchased + 1", Reason.PACKAGE_FULL),
        ("cancelled_in_step = purchased", Reason.PACKAGE_FULL),
        ("to_confirm = taken + 1", None),
        ("to_confirm = -1", None),
    ],
)
async def test_the_counters_are_checked_by_the_database(
    house: House, change: str, reason: Reason | None
) -> None:
    card = await house.booked()
    statement = text(f"UPDATE booking.campaigns SET {change} WHERE campaign_id = :c")
    with pytest.raises(Exception, match=r"campaigns_counters|PACKAGE_FULL") as refused:
        async with house.desk.db.uow(house.tenant) as tx:
            await tx.run(statement, {"c": card.appointment.campaign_id})
    assert getattr(refused.value, "reason", None) == reason


@pytest.mark.parametrize(
    "change",
    [
        "state = 'GONE'",
        "state = 'SUPERSEDED'",
        "superseded_by = appointment_id",
        "ends_at = starts_at",
        "state = 'FAILED'",
        "state = 'CANCELLED', move_id = 'mov_1'",
    ],
)
async def test_impossible_appointments_are_refused(house: House, change: str) -> None:
    card = await house.booked()
    statement = text(f"UPDATE booking.appointments SET {change} WHERE appointment_id = :a")
    with pytest.raises(Exception, match="appointments_"):
        async with house.desk.db.uow(house.tenant) as tx:
            await tx.run(statement, {"a": card.appointment.appointment_id})


async def test_one_pending_move_an_appointment(house: House) -> None:
    card = await house.booked()
    house.ledger.down = True
    with pytest.raises(GiroError):
        await house.postpone(card, soon(60))
    house.ledger.down = False
    statement = text(
        "INSERT INTO booking.moves"
        " (tenant_id, move_id, appointment_id, kind, agent_id, starts_at, ends_at, claim_key)"
        " SELECT tenant_id, 'mov_2', appointment_id, kind, agent_id, starts_at, ends_at, 'x'"
        " FROM booking.moves WHERE tenant_id = :t"
    )
    with pytest.raises(GiroError) as refused:
        async with house.desk.db.uow(house.tenant) as tx:
            await tx.run(statement, {"t": house.tenant})
    assert refused.value.reason is Reason.CHANGE_IN_PROGRESS
    await house.settle()


async def test_the_worker_reads_no_names_and_no_notes(house: House, urls: DatabaseUrls) -> None:
    card = await house.booked()
    with psycopg.connect(plain(urls.worker("booking")), autocommit=True) as connection:
        query = "SELECT state FROM booking.appointments WHERE appointment_id = %s"
        assert connection.execute(query, (card.appointment.appointment_id,)).fetchone() == ("TO_CONFIRM",)
        for forbidden in (
            "SELECT note FROM booking.appointments",
            "SELECT display_name FROM booking.contacts",
            "UPDATE booking.appointments SET settled = true",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


async def test_another_tenants_campaign_is_not_there(house: House) -> None:
    from booking.usecases.list_campaigns import get_campaign

    campaign = await house.campaign()
    House(house.desk, house.ledger, house.agents).enter()
    with pytest.raises(NotFound):
        await get_campaign(house.desk, campaign.campaign_id)
