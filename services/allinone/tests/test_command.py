"""`python -m allinone run`: what a person reads when it cannot start."""

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

from allinone import ports
from allinone.ports import NAMES, variable


def start(state: Path, **more: str) -> subprocess.CompletedProcess[str]:
    chosen = ports.free()
    moved = {variable(name): str(getattr(chosen, name)) for name in NAMES}
    return subprocess.run(
        [sys.executable, "-m", "allinone", "--state", str(state), "run"],
        env={**os.environ, **moved, **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port_ends_it_with_the_variable_that_moves_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((ports.HOST, 0))
        taken.listen()
        ended = start(tmp_path, GIRO_PG_PORT=str(taken.getsockname()[1]))
    assert ended.returncode == 1
    assert "failed at: ports" in ended.stderr
    assert "GIRO_PG_PORT=" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_run_in_the_same_folder_is_told_of_the_first(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as held:
        held.write("4711")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = start(tmp_path)
    assert ended.returncode == 1
    assert "process 4711" in ended.stderr


def test_an_existing_server_that_does_not_answer_is_told_by_its_variable(tmp_path: Path) -> None:
    ended = start(tmp_path, GIRO_DATABASE_URL=f"postgresql://a:b@127.0.0.1:{ports.free().pg}/postgres")
    assert ended.returncode == 1
    assert "GIRO_DATABASE_URL" in ended.stderr
    assert not list((tmp_path / "nats").glob("*.pid"))


def test_clean_removes_the_folder(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "pg").mkdir(parents=True)
    command = [sys.executable, "-m", "allinone", "--state", str(state), "clean"]
    assert subprocess.run(command, check=False).returncode == 0
    assert not state.exists()
