"""Where the gateway is and who is signed in: the environment first, then a demo nearby, then own files.

GIRO_GATEWAY_URL, GIRO_TOKEN; `$XDG_CONFIG_HOME/giro/session.json` (written by `giro sign-in`, readable by its
owner only); `.run/demo.json` of `make run` in this folder or one above.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

DEFAULT_GATEWAY = "http://127.0.0.1:8480"
DEMO_FILE = Path(".run") / "demo.json"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in with `giro sign-in`; `expires_at` is RFC 3339."""

    gateway_url: str
    email: str
    token: str
    expires_at: str

    def write(self) -> None:
        """Keeps it for the next command."""
        file = session_file()
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(asdict(self)))
        fresh.replace(file)

    @classmethod
    def read(cls) -> Self | None:
        """The one kept, if it can be read."""
        raw = read_json(session_file())
        try:
            return cls(**raw) if raw else None
        except TypeError:
            return None


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command starts from; `token` is empty when nobody is signed in."""

    gateway_url: str
    token: str
    email: str
    demo: Mapping[str, Any]

    @property
    def token_is_given(self) -> bool:
        """Whether the token comes from the environment, so that it is nobody's to renew."""
        return bool(self.token) and not self.email


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this command."""
    env = os.environ if environment is None else environment
    demo = read_json(demo_file()) or {}
    session = Session.read()
    url = env.get("GIRO_GATEWAY_URL") or str(demo.get("gateway_url") or "")
    url = url or (session.gateway_url if session else "") or DEFAULT_GATEWAY
    url = url.rstrip("/")
    given = env.get("GIRO_TOKEN", "")
    if given:
        return Settings(url, given, "", demo)
    if session and session.gateway_url == url:
        return Settings(url, session.token, session.email, demo)
    return Settings(url, "", "", demo)


def demo_users(demo: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    """The demo's users by key ("operator", "administrator", ...)."""
    users = demo.get("users")
    return users if isinstance(users, dict) else {}


def demo_file() -> Path:
    """`.run/demo.json` in this folder or the nearest one above; where it would be if there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / DEMO_FILE).is_file():
            return folder / DEMO_FILE
    return here / DEMO_FILE


def session_file() -> Path:
    """Where `giro sign-in` keeps the token."""
    return _home("XDG_CONFIG_HOME", ".config") / "giro" / "session.json"


def cache_file(name: str) -> Path:
    """A file that may be lost without harm."""
    return _home("XDG_CACHE_HOME", ".cache") / "giro" / name


def read_json(file: Path) -> dict[str, Any] | None:
    """The object in a file; None when it is missing, unreadable or no object."""
    try:
        raw = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return raw if isinstance(raw, dict) else None


def _home(variable: str, folder: str) -> Path:
    given = os.environ.get(variable)
    return Path(given) if given else Path.home() / folder
