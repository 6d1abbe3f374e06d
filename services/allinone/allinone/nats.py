"""A private nats-server with JetStream: one binary from the environment, its store in a folder of ours."""

import asyncio
import json
import secrets
import shutil
import sys
import time
from pathlib import Path

from allinone.errors import StartFailed
from allinone.ports import HOST
from allinone.process import Process

STEP = "NATS"
READY_SECONDS = 20.0


def program(name: str) -> str:
    """A program that came with the Python packages, whatever PATH says."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise StartFailed(name, f"{name} is not installed.", "Run tools/setup.sh.")
    return found


class NatsServer:
    """One server. A stop keeps the store: a later start goes on with it."""

    def __init__(self, state: Path, port: int, monitor_port: int) -> None:
        self._folder = state / "nats"
        self._port = port
        self._monitor_port = monitor_port
        self._password = state / "secrets" / "nats"
        self.process = Process(
            STEP,
            [program("nats-server"), "-c", str(self._folder / "nats.conf")],
            log=state / "logs" / "nats.log",
        )

    @property
    def url(self) -> str:
        return f"nats://giro:{self._password.read_text()}@{HOST}:{self._port}"

    async def start(self) -> None:
        """Listens when this returns. Raises StartFailed."""
        self._configure()
        await self.process.start()
        deadline = time.monotonic() + READY_SECONDS
        while not await listens(self._port):
            if not self.process.running:
                raise self.process.died("Read the log; a port taken meanwhile is the usual reason.")
            if time.monotonic() > deadline:
                raise StartFailed(STEP, "It did not listen in time.", f"Read {self.process.log}.")
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        await self.process.stop()

    def _configure(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._password.exists():
            self._password.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._password.touch(mode=0o600)
            self._password.write_text(secrets.token_hex(24))
        settings = {
            "host": HOST,
            "port": self._port,
            "http": f"{HOST}:{self._monitor_port}",
            "jetstream": {"store_dir": str(self._folder / "store")},
            "authorization": {"user": "giro", "password": self._password.read_text()},
        }
        config = self._folder / "nats.conf"
        config.touch(mode=0o600)
        config.write_text(json.dumps(settings, indent=2))


async def listens(port: int) -> bool:
    """Whether somebody takes connections on this port of the loopback."""
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True
