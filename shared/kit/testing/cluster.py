"""A private PostgreSQL cluster in a directory of its own, run by whoever may run one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kit.testing.ports import free_port

_OPTIONS = (
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "jit=off",
    "max_connections=300",
    "log_min_messages=warning",
)


class Cluster:
    """PostgreSQL on the loopback with local trust; durability is off, since its data is thrown away.

    As root the server runs as the system user `postgres`, since PostgreSQL refuses to run as root.
    """

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory
        self.port = port or free_port()

    @property
    def admin_url(self) -> str:
        """The superuser's URL of the maintenance database."""
        return self.url("postgres", "postgres")

    def url(self, role: str, database: str) -> str:
        """URL of a database for a login."""
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Makes the cluster's files. Raises RuntimeError with the tool's own words."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        initdb = ["initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "-E", "UTF8"]
        self._run([*initdb, "--locale=C.UTF-8", "--no-sync"])

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        options = [f"-c {option}" for option in _OPTIONS]
        server = " ".join([f"-p {self.port}", f"-c unix_socket_directories={self.directory}", *options])
        self._run(["pg_ctl", "-D", self._data, "-w", "-t", "30", "-l", self._log, "-o", server, "start"])

    def stop(self, mode: str = "fast") -> None:
        """Stops the server: `fast` breaks connections, `immediate` does not even shut down cleanly."""
        self._run(["pg_ctl", "-D", self._data, "-w", "-m", mode, "stop"])

    def remove(self) -> None:
        """Deletes the cluster's files."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def stop_when_gone(self, pid: int) -> None:
        """Leaves a small process behind that stops and deletes the cluster once process `pid` is gone."""
        stop = " ".join(_as_server(_binary("pg_ctl")))
        script = (
            f'while kill -0 {pid} 2>/dev/null; do sleep 1; [ -d "{self._data}" ] || exit 0; done; '
            f'{stop} -D "{self._data}" -m immediate stop; rm -rf "{self.directory}"'
        )
        # the shell in between ends at once, so that the watcher is nobody's child to wait for
        detached = f"( {script} ) </dev/null >/dev/null 2>&1 &"
        subprocess.run(["sh", "-c", detached], cwd="/", start_new_session=True, check=True)

    @property
    def _data(self) -> str:
        return str(self.directory / "data")

    @property
    def _log(self) -> str:
        return str(self.directory / "log")

    def _run(self, command: Sequence[str]) -> None:
        line = _as_server(_binary(command[0]), *command[1:])
        # a file, not a pipe: the server keeps pg_ctl's output open for as long as it lives
        with open(self.directory.parent / f"{self.directory.name}.out", "w+") as output:
            done = subprocess.run(line, cwd="/", stdout=output, stderr=output, check=False)
            output.seek(0)
            if done.returncode:
                raise RuntimeError(f"{command[0]} failed: {output.read().strip()}")
        Path(output.name).unlink()


def _as_server(*command: str) -> list[str]:
    if os.geteuid() == 0 and sys.platform.startswith("linux"):
        return ["runuser", "-u", "postgres", "--", *command]
    return list(command)


def _binary(name: str) -> str:
    """The newest installed version of a server tool; Debian keeps them off the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} of PostgreSQL is not installed (Debian: postgresql-15-postgis-3)")
    return found


def _version(tool: Path) -> int:
    number = tool.parts[-3]
    return int(number) if number.isdigit() else 0
