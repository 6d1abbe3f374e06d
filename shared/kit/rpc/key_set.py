"""The published keys of users' tokens (a JWK set in a file), as they are by now."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from kit import telemetry
from kit.settings import SettingsError

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks at the file: so long a key counts that was taken out of it."""

_log = telemetry.logger(__name__)


def read_key_set(file: Path) -> tuple[str, dict[str, OKPKey]]:
    """A set of public keys as it is written, and those in it that verify users' tokens, by their ids.

    Raises SettingsError for a file that is missing or holds no set.
    """
    text = _text(file)
    return text, _public_keys(file, text)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, ValueError) as error:
        raise SettingsError(f"GIRO_JWKS_FILE: {file} holds no keys: {error}") from None


def _public_keys(file: Path, text: str) -> dict[str, OKPKey]:
    try:
        found = json.loads(text)["keys"]
        return {str(key["kid"]): OKPKey.import_key(key) for key in found if key.get("crv") == "Ed25519"}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, JoseError) as error:
        raise SettingsError(f"GIRO_JWKS_FILE: {file} holds no keys: {error}") from None


class KeySet:
    """Looks at its file again when somebody asks and the last look is `LOOK_SECONDS` old.

    As at the gateway, a set that cannot be read, or has no key for users' tokens, leaves the one before it.
    """

    def __init__(self, file: str) -> None:
        """Raises SettingsError for a file that is missing or holds no set."""
        self._file = Path(file)
        self._text, self._keys = read_key_set(self._file)
        self._looked = time.monotonic()
        self._trouble = ""

    @property
    def keys(self) -> Mapping[str, OKPKey]:
        """By their ids; the same mapping until they change."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self._look()
        return self._keys

    def _look(self) -> None:
        try:
            text = _text(self._file)
            keys = self._keys if text == self._text else _public_keys(self._file, text)
            if not keys:
                raise SettingsError(f"GIRO_JWKS_FILE: {self._file} holds no Ed25519 key")
        except SettingsError as error:
            if str(error) != self._trouble:
                _log.error("the keys of tokens can't be read: those before stay", error=str(error))
            self._trouble = str(error)
            return
        self._trouble = ""
        if text != self._text:
            self._text, self._keys = text, keys
            _log.info("tokens are verified with other keys", kids=sorted(keys))
