"""The private cluster: made once, entered only with its password, also where only root may go."""

import asyncio
import os
from pathlib import Path

import psycopg
import pytest

from allinone import ports, postgres
from allinone.errors import StartFailed
from allinone.postgres import PrivateCluster

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")


def cluster(state: Path, port: int | None = None) -> PrivateCluster:
    return PrivateCluster(state, port or ports.free().pg, durable=False)


async def answer(made: PrivateCluster, query: str) -> object:
    async with await psycopg.AsyncConnection.connect(made.url, autocommit=True) as connection:
        row = await (await connection.execute(query)).fetchone()
        return row and row[0]


async def write(made: PrivateCluster, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(made.url, autocommit=True) as connection:
        await connection.execute(statement)


@pytest.mark.asyncio
async def test_it_serves_with_postgis_and_keeps_what_was_written(tmp_path: Path) -> None:
    made = cluster(tmp_path)
    await made.start()
    assert await answer(made, "SELECT current_user") == postgres.ADMIN
    await write(made, "CREATE TABLE kept AS SELECT 7 AS n")
    assert await answer(made, "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'") == 1
    await made.stop()
    again = cluster(tmp_path)
    await again.start()
    assert await answer(again, "SELECT n FROM kept") == 7
    await again.stop()


@pytest.mark.asyncio
async def test_nobody_enters_without_the_password(tmp_path: Path) -> None:
    made = cluster(tmp_path)
    await made.start()
    stranger = made.url.replace(made.url.split(":")[2].partition("@")[0], "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(stranger)
    await made.stop()


@root_only
@pytest.mark.asyncio
async def test_it_serves_from_a_folder_that_only_root_may_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    made = cluster(tmp_path / "state")
    (tmp_path / "state").mkdir()
    await made.start()
    assert await answer(made, "SELECT 1") == 1
    await made.stop()


@root_only
@pytest.mark.asyncio
async def test_where_the_kernel_forbids_user_namespaces_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    outside = tmp_path.parent / "for-all"
    monkeypatch.setattr(postgres, "UNSHARE", ["false"])
    monkeypatch.setattr(postgres, "FOR_ALL", str(outside))
    outside.mkdir()
    assert postgres.home(tmp_path).folder.is_relative_to(outside)
    assert postgres.home(tmp_path).owner != 0


@pytest.mark.asyncio
async def test_a_server_left_by_a_killed_run_is_ended_first(tmp_path: Path) -> None:
    left = cluster(tmp_path)
    await left.start()
    again = cluster(tmp_path)
    await again.start()
    assert await answer(again, "SELECT 1") == 1
    assert left.process is not None
    assert await asyncio.wait_for(left.process.wait(), 60) == 0
    await again.stop()


@pytest.mark.asyncio
async def test_an_initdb_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    half = tmp_path / "pg" / "data"
    half.mkdir(parents=True)
    (half / "base").write_text("half")
    made = cluster(tmp_path)
    await made.start()
    assert await answer(made, "SELECT 1") == 1
    await made.stop()


@pytest.mark.asyncio
async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    first = cluster(tmp_path / "one")
    (tmp_path / "one").mkdir()
    await first.start()
    second = PrivateCluster(tmp_path / "one", ports.free().pg, durable=False)
    await first.stop()
    (tmp_path / "one/pg/data/postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(StartFailed, match="no_such_setting"):
        await second.start()


@pytest.mark.asyncio
async def test_an_existing_server_that_refuses_the_login_is_told_by_its_variable() -> None:
    with pytest.raises(StartFailed, match="GIRO_DATABASE_URL"):
        await postgres.require_existing(f"postgresql://a:b@127.0.0.1:{ports.free().pg}/x")


@pytest.mark.asyncio
async def test_stopping_ends_the_sessions_too(tmp_path: Path) -> None:
    made = cluster(tmp_path)
    await made.start()
    connection = await psycopg.AsyncConnection.connect(made.url)
    await asyncio.wait_for(made.stop(), 60)
    with pytest.raises(psycopg.OperationalError):
        await connection.execute("SELECT 1")
    await connection.close()
