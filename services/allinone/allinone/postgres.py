"""A private PostgreSQL cluster in a folder of ours, as root or as an ordinary user.

PostgreSQL refuses to run as root. Three ways round that, the first that works here is taken:
  1. not root: run it directly;
  2. root, and the user `postgres` may enter the folder: run it as that user;
  3. root, and only root may enter the folder: a user namespace in which root's files are somebody else's, or,
     where the kernel forbids those, a folder under /var/tmp that `postgres` may enter.
"""

import asyncio
import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from allinone.errors import StartFailed
from allinone.ports import HOST
from allinone.process import Process, dies_with_parent, run_once

STEP = "PostgreSQL"
ADMIN = "giro_admin"
INSTALL = "Run tools/setup.sh, or set GIRO_DATABASE_URL to an existing PostgreSQL 15 or newer with PostGIS."
READY_SECONDS = 60.0
DEBIAN = Path("/usr/lib/postgresql")
OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
}
WITHOUT_FSYNC = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "jit": "off"}
FOR_ALL = "/var/tmp"  # noqa: S108 - the folder is made by root and its owner checked
UNSHARE = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


def programs(version: str | None = None) -> Path:
    """The folder of PostgreSQL's programs: of this major version, or the newest that has PostGIS."""
    found = sorted((path for path in DEBIAN.glob("*/bin") if _usable(path, version)), key=_major)
    if found:
        return found[-1]
    wanted = f"PostgreSQL {version}" if version else "PostgreSQL 15 or newer with PostGIS"
    raise StartFailed(STEP, f"{wanted} is not installed.", INSTALL)


def _major(path: Path) -> int:
    return int(path.parent.name)


def _usable(path: Path, version: str | None) -> bool:
    name = path.parent.name
    postgis = Path("/usr/share/postgresql", name, "extension/postgis.control")
    return name.isdigit() and int(name) >= 15 and version in (None, name) and postgis.exists()


@dataclass(frozen=True)
class Home:
    """Where a cluster lives, who owns its files, and the words before every command that run it as them."""

    folder: Path
    owner: int
    group: int
    prefix: tuple[str, ...]

    @property
    def data(self) -> Path:
        return self.folder / "data"


def home(state: Path) -> Home:
    """The place of the cluster that belongs to this state folder, by the three ways above."""
    folder = state / "pg"
    if os.geteuid() != 0:
        return Home(folder, os.geteuid(), os.getegid(), ())
    try:
        user = pwd.getpwnam("postgres")
    except KeyError as missing:
        raise StartFailed(STEP, "There is no user postgres to run it as.", INSTALL) from missing
    as_user = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups")
    if _succeeds(*as_user, "test", "-x", str(state)):
        return Home(folder, user.pw_uid, user.pw_gid, as_user)
    if _succeeds(*UNSHARE, "true"):
        return Home(folder, 0, 0, tuple(UNSHARE))
    return Home(_outside(state) / "pg", user.pw_uid, user.pw_gid, as_user)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True, cwd="/").returncode == 0


def outside(state: Path) -> Path:
    """The folder under /var/tmp that stands in for a state folder which only root may enter."""
    return Path(FOR_ALL, f"giro-{hashlib.sha256(str(state).encode()).hexdigest()[:12]}")


def _outside(state: Path) -> Path:
    folder = outside(state)
    folder.mkdir(mode=0o711, exist_ok=True)
    if folder.stat().st_uid != 0 or folder.is_symlink():
        raise StartFailed(STEP, f"{folder} belongs to somebody else.", f"Remove {folder} and start again.")
    return folder


class PrivateCluster:
    """One cluster on one port. Made at the first start; its administrator's password is a file of `state`."""

    def __init__(self, state: Path, port: int, *, durable: bool = True) -> None:
        self._state = state
        self._port = port
        self._durable = durable
        self._home = home(state)
        self._log = state / "logs" / "postgres.log"
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """URL of the administrator, on the database `postgres`."""
        password = (self._state / "secrets" / "postgres").read_text()
        return f"postgresql://{ADMIN}:{password}@{HOST}:{self._port}/postgres"

    @property
    def process(self) -> Process | None:
        return self._process

    async def start(self) -> None:
        """Makes the cluster when it is not there, and serves when this returns. Raises StartFailed."""
        await self._make()
        self._own_files()
        await self._end_leftover()
        await self._serve()

    async def stop(self) -> None:
        """Ends it, every session with it, and waits until its files are at rest."""
        if self._process is not None:
            await self._process.stop()

    async def _make(self) -> None:
        if (self._home.data / "PG_VERSION").exists():
            return
        if self._home.data.exists():
            shutil.rmtree(self._home.data)  # an initdb that was cut short
        self._home.folder.mkdir(parents=True, exist_ok=True)
        os.chown(self._home.folder, self._home.owner, self._home.group)
        self._home.folder.chmod(0o700)
        password = secrets.token_hex(24)
        handed = self._home.folder / "password"
        _write_private(handed, password, self._home)
        try:
            await run_once(STEP, self._initdb(handed), log=self._log)
        finally:
            handed.unlink()
        _write_private(self._state / "secrets" / "postgres", password)

    def _initdb(self, password: Path) -> list[str]:
        options = ["-D", str(self._home.data), "-U", ADMIN]
        options += ["--auth=scram-sha-256", f"--pwfile={password}"]
        options += ["-E", "UTF8", "--locale=C.UTF-8"]
        quick = [] if self._durable else ["--no-sync"]
        return [*self._home.prefix, str(programs() / "initdb"), *options, *quick]

    def _own_files(self) -> None:
        """A folder that was opened or closed to others since is run another way: hand its files over."""
        if self._home.data.stat().st_uid == self._home.owner:
            return
        if os.geteuid() != 0:
            why = f"{self._home.folder} belongs to another user."
            raise StartFailed(STEP, why, "Run make run as that user, or remove .run as that user.")
        subprocess.run(
            ["chown", "-R", f"{self._home.owner}:{self._home.group}", str(self._home.folder)], check=True
        )

    async def _end_leftover(self) -> None:
        """A server of this folder that outlived its parent is stopped; no other run is here (lock)."""
        pid = self._leftover()
        if pid is None:
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + READY_SECONDS
        while self._leftover() == pid:
            if time.monotonic() > deadline:
                why = f"A server from an earlier run (process {pid}) does not stop."
                raise StartFailed(STEP, why, f"End process {pid} and start again.")
            await asyncio.sleep(0.05)

    def _leftover(self) -> int | None:
        try:
            pid = int((self._home.data / "postmaster.pid").read_text().split("\n", 1)[0])
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self._home.data).encode() in words else None

    async def _serve(self) -> None:
        version = (self._home.data / "PG_VERSION").read_text().strip()
        options = {**OPTIONS, "port": str(self._port), **({} if self._durable else WITHOUT_FSYNC)}
        command = [str(programs(version) / "postgres"), "-D", str(self._home.data)]
        command += [f"--{name}={value}" for name, value in options.items()]
        # the kernel forgets whom to tell of the parent's end when the user changes: so say it again after
        inner = dies_with_parent(signal.SIGINT, command) if self._home.prefix else command
        self._process = Process(STEP, [*self._home.prefix, *inner], log=self._log)
        self._process.ask_to_stop = signal.SIGINT
        await self._process.start()
        await self._until_ready(self._process)

    async def _until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not await answers(self.url):
            if not process.running:
                raise process.died(
                    "Read the log; a full disk and a port taken meanwhile are the usual reasons."
                )
            if time.monotonic() > deadline:
                why = f"It did not answer within {READY_SECONDS:.0f} s."
                raise StartFailed(STEP, why, f"Read {self._log}.")
            await asyncio.sleep(0.05)


async def answers(url: str) -> bool:
    """Whether a server takes this login now."""
    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5):
            return True
    except psycopg.OperationalError as refused:
        if re.search("password authentication failed", str(refused)):
            raise StartFailed(
                STEP, str(refused), "Remove .run and start again: it is another cluster's."
            ) from refused
        return False


async def require_existing(url: str) -> None:
    """Raises StartFailed when the server that GIRO_DATABASE_URL names does not take the login."""
    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=10):
            return
    except psycopg.Error as refused:
        advice = (
            "GIRO_DATABASE_URL is postgresql://administrator:password@host:port/database; try it with psql."
        )
        raise StartFailed("existing PostgreSQL", f"{refused}".strip(), advice) from refused


def _write_private(path: Path, text: str, owner: Home | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text(text)
    if owner is not None:
        os.chown(path, owner.owner, owner.group)
