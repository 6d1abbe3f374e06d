"""The keys of users' tokens, handed on to an Envoy that runs.

Envoy reads a set of keys once, however the file changes. A filter that it discovers from a file it takes
anew as soon as another file is moved there, without breaking a connection: so the filter that checks tokens
is such a one, with the keys in it, and the process of the JSON edge writes it again when identity's set has
changed.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

import yaml

from gateway.filters import discovered_tokens
from gateway.settings import GatewaySettings
from kit import telemetry
from kit.rpc.key_set import read_key_set
from kit.settings import SettingsError

LOOK_SECONDS: Final = 1.0
"""How often identity's set of keys is looked at."""

_log = telemetry.logger(__name__)


class TokenFilter:
    """The file that Envoy discovers the filter from."""

    def __init__(self, settings: GatewaySettings, out: Path) -> None:
        self._settings, self._out = settings, out

    def write(self) -> bool:
        """Writes what the set of keys gives now; whether that is something new.

        Raises SettingsError, and writes nothing, for a set that is missing or holds no Ed25519 key.
        """
        written, keys = read_key_set(Path(self._settings.jwks_file))
        if not keys:
            raise SettingsError(f"GIRO_JWKS_FILE: {self._settings.jwks_file} holds no Ed25519 key")
        fresh = yaml.safe_dump(discovered_tokens(self._settings, written), sort_keys=False, width=110)
        if self._out.exists() and self._out.read_text() == fresh:
            return False
        beside = self._out.with_name(f".{self._out.name}.{os.getpid()}")
        beside.write_text(fresh)
        beside.replace(self._out)  # Envoy looks for moves, which are whole
        return True

    async def watch(self) -> None:
        """Writes it whenever the keys have changed, for ever. Keys that can't be read leave what was."""
        trouble = ""
        while True:
            try:
                if await asyncio.to_thread(self.write):
                    _log.info("Envoy is told of other keys", file=str(self._out))
                trouble = ""
            except Exception as error:  # whatever it is, the next set may be a good one
                if repr(error) != trouble:
                    _log.error("the keys of tokens can't be read: those before stay", error=repr(error))
                trouble = repr(error)
            await asyncio.sleep(LOOK_SECONDS)
