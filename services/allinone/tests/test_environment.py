"""Each process gets its own logins and secrets, and nobody else's."""

import stat
from pathlib import Path

import pytest

from allinone import environment, keys, urls
from allinone.environment import Installation
from allinone.ports import Ports

SERVER = "postgresql://admin:p%40ss@127.0.0.1:15432/postgres?sslmode=disable"


@pytest.fixture
def made(tmp_path: Path) -> Installation:
    loaded = keys.load(tmp_path)
    where = urls.build(
        Ports(), loaded, server=SERVER, nats="nats://giro:secret@127.0.0.1:14222", sandbox=True
    )
    return Installation(Ports(), loaded, where, roads="/roads/base")


def test_a_service_logs_in_as_its_own_roles_on_giros_database(made: Installation) -> None:
    given = environment.of_process("geo", {}, made)
    password = made.keys.passwords["giro_geo_worker"]
    assert given["GIRO_GEO_WORKER_DATABASE_URL"] == (
        f"postgresql://giro_geo_worker:{password}@127.0.0.1:15432/giro?sslmode=disable"
    )
    assert "giro_geo_owner" in given["GIRO_GEO_MIGRATE_DATABASE_URL"]


@pytest.mark.parametrize("name", ["identity", "booking", "geo", "reminders", "gateway"])
def test_nobody_is_given_anothers_secrets(made: Installation, name: str) -> None:
    given = "\n".join(environment.of_process(name, {}, made).values())
    others = [role for role in made.keys.passwords if not role.startswith(f"giro_{name}")]
    assert not [role for role in others if made.keys.passwords[role] in given]
    assert (made.keys.slot_token_key in given) == (name == "booking")
    assert (str(made.keys.signing_key_file) in given) == (name == "identity")
    assert "p%40ss" not in given


def test_the_callers_variables_pass_except_those_meant_for_the_stack(made: Installation) -> None:
    outer = {"GIRO_LOG_LEVEL": "DEBUG", "GIRO_DATABASE_URL": SERVER, "GIRO_SERVICE_KEY": "from outside"}
    given = environment.of_process("booking", outer, made)
    assert given["GIRO_LOG_LEVEL"] == "DEBUG"
    assert "GIRO_DATABASE_URL" not in given
    assert given["GIRO_SERVICE_KEY"] == made.keys.service_key


def test_the_operators_own_roads_for_bicycles_count(made: Installation) -> None:
    """Without them the estimate; an empty one is the operator's word, too."""
    assert environment.of_process("geo", {}, made)["GIRO_ROADS_BICYCLE"] == "estimate"
    for told in ("/roads/cycling", ""):
        given = environment.of_process("geo", {"GIRO_ROADS_BICYCLE": told}, made)
        assert given["GIRO_ROADS_BICYCLE"] == told


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    assert keys.load(tmp_path) == keys.load(tmp_path)
    folder = keys.folder(tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("server", "database"),
    [
        ("postgresql://a@h", "postgresql://a@h/giro"),
        ("postgresql://a@h/postgres", "postgresql://a@h/giro"),
        ("postgresql://a@h/other?x=1", "postgresql://a@h/other?x=1"),
        ("postgresql://a@[::1]:5433/", "postgresql://a@[::1]:5433/giro"),
    ],
)
def test_the_database_of_an_existing_server(server: str, database: str) -> None:
    assert urls.with_database(server) == database
