"""Packages of before packages had steps have their first one (revision 0013)."""

import psycopg
import pytest
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from kit.db import migrate
from kit.db.pool import driver_url
from kit.testing.databases import Databases, DatabaseUrls

CAMPAIGN = (
    "INSERT INTO booking.campaigns (tenant_id, campaign_id, display_name, purchased, taken,"
    " cancelled_in_step, skills, time_zone, buffer_seconds)"
    " VALUES (%s, %s, 'Mattresses', %s, 3, 2, '{}', 'Europe/Rome', 0)"
)
STEP = "INSERT INTO booking.package_steps (tenant_id, campaign_id, step, units) VALUES (%s, %s, %s, %s)"
COUNTERS = "SELECT taken, cancelled_in_step, to_recover FROM booking.campaigns"
UNSOUND = """
    SELECT campaign_id FROM booking.campaigns c JOIN booking.package_steps s USING (tenant_id, campaign_id)
    GROUP BY tenant_id, campaign_id, c.purchased, c.step
    HAVING sum(s.units) <> c.purchased OR max(s.step) <> c.step OR count(*) <> c.step
"""
UNFORCED = """
    SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace
      AND relname IN ('campaigns', 'package_steps') AND NOT (relrowsecurity AND relforcerowsecurity)
"""


def migrated(urls: DatabaseUrls, revision: str) -> None:
    engine = create_engine(driver_url(urls.owner("booking")), poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(migrate._config(connection, "booking", "booking"), revision)


@pytest.fixture
def urls(make_database: Databases) -> DatabaseUrls:
    return make_database.bare(["booking"])


def test_each_package_of_before_has_its_first_step(urls: DatabaseUrls) -> None:
    migrated(urls, "0005")
    with psycopg.connect(urls.admin) as connection:
        for tenant, campaign in (("ten_1", "cmp_plain"), ("ten_1", "cmp_renewed"), ("ten_2", "cmp_plain")):
            connection.execute(CAMPAIGN, (tenant, campaign, 100))
    migrated(urls, "0012")
    with psycopg.connect(urls.admin) as connection:
        for step, units in ((2, 30), (3, 0)):  # renewed twice since
            connection.execute(STEP, ("ten_1", "cmp_renewed", step, units))
        connection.execute(
            "UPDATE booking.campaigns SET purchased = 130, step = 3 WHERE campaign_id = 'cmp_renewed'"
        )
        connection.execute(CAMPAIGN, ("ten_2", "cmp_new", 40))
        connection.execute(STEP, ("ten_2", "cmp_new", 1, 40))
    migrate.upgrade(urls.owner("booking"), "booking")
    with psycopg.connect(urls.admin) as connection:
        firsts = connection.execute(
            "SELECT tenant_id, campaign_id, units FROM booking.package_steps WHERE step = 1 ORDER BY 1, 2"
        ).fetchall()
        assert firsts == [
            ("ten_1", "cmp_plain", 100),
            ("ten_1", "cmp_renewed", 100),
            ("ten_2", "cmp_new", 40),
            ("ten_2", "cmp_plain", 100),
        ]
        assert connection.execute(UNSOUND).fetchall() == []
        assert connection.execute(COUNTERS).fetchall() == [(3, 2, 0)] * 4
        assert connection.execute(UNFORCED).fetchall() == []
