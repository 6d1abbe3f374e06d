"""What was promised is promised still after the migrations: before drives knew their hour (revision 0005),
and before agents had a travel mode (revision 0007)."""

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
    " VALUES ('ten_1', 'agt_1', 'stp_a', 'APPOINTMENT', '2038-03-01 09:00Z', '2038-03-01 10:00Z', 1, 0,"
    " 'apt_a')",
    "INSERT INTO geo.stops (tenant_id, agent_id, stop_id, kind, starts_at, ends_at, place, buffer_seconds,"
    " owner_id, prev_id, prev_ends_at, prev_place, leg_seconds, leg_version, leg_via)"
    " VALUES ('ten_1', 'agt_1', 'stp_b', 'APPOINTMENT', '2038-03-01 10:20Z', '2038-03-01 11:00Z', 2, 0,"
    " 'apt_b', 'stp_a', '2038-03-01 10:00Z', 1, 1200, 'osrm-old-car', false)",
)


MATRIX = (
    "INSERT INTO geo.matrix_versions (tenant_id, version, entries) VALUES ('ten_1', 1, 1)",
    "INSERT INTO geo.matrix_entries (tenant_id, version, from_place, to_place, seconds, metres)"
    " VALUES ('ten_1', 1, 1, 2, 1100, 9000)",
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


def told(urls: DatabaseUrls, *drives: tuple[str, str]) -> set[str]:
    """How the agents, and the entries of the matrix, travel once such drives are migrated: each with the
    version of its roads and the day of its stop."""
    migrated(urls, "0004")
    with psycopg.connect(urls.admin) as connection:
        for statement in MATRIX:
            connection.execute(statement)
        for place, (version, day) in enumerate(drives, 10):
            values = {"place": place, "version": version, "stop": f"stp_{place}", "day": day}
            for statement in _ALONE:
                connection.execute(statement, values)
    migrate.upgrade(urls.owner("geo"), "geo")
    with psycopg.connect(urls.admin) as connection:
        rows = connection.execute(
            "SELECT travel_mode FROM geo.agents UNION ALL SELECT travel_mode FROM geo.matrix_entries"
        ).fetchall()
    assert len(rows) == 1 + len(drives)
    return {mode for (mode,) in rows}


_ALONE = (
    "INSERT INTO geo.agents (tenant_id, agent_id, display_name, skills, buffer_seconds, time_zone, calendar)"
    " VALUES ('ten_1', %(stop)s, 'Bo', '{}', 0, 'UTC', '{}')",
    "INSERT INTO geo.legs (tenant_id, from_place, to_place, version, via, seconds, metres, source)"
    " VALUES ('ten_1', 1, %(place)s, %(version)s, false, 600, 9000, 'ROAD')",
    "INSERT INTO geo.stops (tenant_id, agent_id, stop_id, kind, starts_at, ends_at, place, buffer_seconds,"
    " owner_id) VALUES ('ten_1', %(stop)s, 'first', 'APPOINTMENT', %(day)s::date + time '09:00',"
    " %(day)s::date + time '10:00', 1, 0, %(stop)s || 'a')",
    "INSERT INTO geo.stops (tenant_id, agent_id, stop_id, kind, starts_at, ends_at, place, buffer_seconds,"
    " owner_id, prev_id, prev_ends_at, prev_place, leg_seconds, leg_version, leg_via)"
    " VALUES ('ten_1', %(stop)s, 'then', 'APPOINTMENT', %(day)s::date + time '10:30',"
    " %(day)s::date + time '11:00', %(place)s, 0, %(stop)s || 'b', 'first', %(day)s::date + time '10:00', 1,"
    " 600, %(version)s, false)",
)


CARS, RIDES, SOON, LATER, PAST = (
    "osrm-turin-car",
    "osrm-turin-bicycle",
    "2099-05-04",
    "2099-05-05",
    "2020-05-04",
)


@pytest.mark.parametrize(
    ("drives", "mode"),
    [
        ([(RIDES, SOON)], "bicycle"),
        ([(f"{RIDES}+m1", SOON)], "bicycle"),
        ([("valhalla-3.5-pedestrian", SOON)], "foot"),
        ([(CARS, SOON)], "car"),
        ([("osrm-turin-foot-zone-car", SOON)], "car"),
        ([("osrm-bicycle-paths-foot", SOON)], "foot"),
        ([("osrm-cardiff-bicycle", SOON)], "bicycle"),
        ([(RIDES, SOON), (CARS, PAST)], "bicycle"),
        ([(RIDES, SOON), (CARS, LATER)], "car"),
        ([(RIDES, SOON), ("osrm-unnamed", LATER)], "car"),
        ([(RIDES, PAST), (CARS, "2019-05-04")], "bicycle"),
        ([(CARS, PAST), (RIDES, "2019-05-04")], "car"),
        ([], "car"),
    ],
)
def test_agents_and_matrix_go_as_the_drives_to_come_were_told(
    urls: DatabaseUrls, drives: list[tuple[str, str]], mode: str
) -> None:
    assert told(urls, *drives) == {mode}
