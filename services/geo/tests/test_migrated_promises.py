"""What was promised before drives knew their hour is promised still after the migration (revision 0005)."""

import psycopg
import pytest
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from kit.db import migrate
from kit.db.pool import driver_url
from kit.testing.databases import Databases, DatabaseUrls

BEFORE = (
    "INSERT INTO geo.agents (tenant_id, agent_id, display_name, skills, buffer_seconds, time_zone, calendar)"
    " VALUES ('ten_1', 'agt_1', 'Ada', '{}', 0, 'UTC', '{}')",
    "INSERT INTO geo.legs (tenant_id, from_place, to_place, version, via, seconds, metres, source)"
    " VALUES ('ten_1', 1, 2, 'osrm-old-car', false, 1200, 9000, 'ROAD')",
    "INSERT INTO geo.stops (tenant_id, agent_id, stop_id, kind, starts_at, ends_at, place, buffer_seconds,"
    " owner_id)"
    " VALUES ('ten_1', 'agt_1', 'stp_a', 'APPOINTMENT', '2027-03-01 09:00Z', '2027-03-01 10:00Z', 1, 0,"
    " 'apt_a')",
    "INSERT INTO geo.stops (tenant_id, agent_id, stop_id, kind, starts_at, ends_at, place, buffer_seconds,"
    " owner_id, prev_id, prev_ends_at, prev_place, leg_seconds, leg_version, leg_via)"
    " VALUES ('ten_1', 'agt_1', 'stp_b', 'APPOINTMENT', '2027-03-01 10:20Z', '2027-03-01 11:00Z', 2, 0,"
    " 'apt_b', 'stp_a', '2027-03-01 10:00Z', 1, 1200, 'osrm-old-car', false)",
)


def migrated(urls: DatabaseUrls, revision: str) -> None:
    engine = create_engine(driver_url(urls.owner("geo")), poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(migrate._config(connection, "geo", "geo"), revision)


@pytest.fixture
def urls(make_database: Databases) -> DatabaseUrls:
    return make_database.bare(["geo"])


def test_drives_of_before_take_the_same_time_at_every_hour(urls: DatabaseUrls) -> None:
    migrated(urls, "0004")
    with psycopg.connect(urls.admin) as connection:
        for statement in BEFORE:
            connection.execute(statement)
    migrate.upgrade(urls.owner("geo"), "geo")
    with psycopg.connect(urls.admin) as connection:
        stops = connection.execute(
            "SELECT stop_id, leg_seconds, leg_free_seconds FROM geo.stops ORDER BY stop_id"
        ).fetchall()
        legs = connection.execute("SELECT seconds, free_seconds FROM geo.legs").fetchall()
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute("UPDATE geo.stops SET leg_free_seconds = 60 WHERE stop_id = 'stp_b'")
    assert stops == [("stp_a", None, None), ("stp_b", 1200, 1200)]
    assert legs == [(1200, 1200)]
