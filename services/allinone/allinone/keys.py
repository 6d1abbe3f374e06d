"""Secrets of one installation: made once, kept under the state folder, readable by its owner alone."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

SERVICES = ("identity", "booking", "geo", "reminders")
ROLES = tuple(f"giro_{service}{suffix}" for service in SERVICES for suffix in ("", "_owner", "_worker"))


@dataclass(frozen=True)
class Keys:
    """What the services share with nobody else. Files hold what is long; the rest are texts."""

    service_key: str
    slot_token_key: str
    passwords: dict[str, str]
    signing_key_file: Path
    jwks_file: Path


def folder(state: Path) -> Path:
    return state / "secrets"


def load(state: Path) -> Keys:
    """Reads them, making those that are not there yet. The signing key pair is identity's to make."""
    made = folder(state) / "keys.json"
    if not made.exists():
        _write(made)
    texts = json.loads(made.read_text())
    if missing := [role for role in ROLES if role not in texts["passwords"]]:  # made by an earlier version
        texts["passwords"] |= {role: secrets.token_urlsafe(24) for role in missing}
        made.write_text(json.dumps(texts, indent=2))
    return Keys(
        texts["service_key"],
        texts["slot_token_key"],
        texts["passwords"],
        folder(state) / "signing.jwk.json",
        folder(state) / "jwks.json",
    )


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    texts = {
        "service_key": secrets.token_urlsafe(48),
        "slot_token_key": secrets.token_urlsafe(48),
        "passwords": {role: secrets.token_urlsafe(24) for role in ROLES},
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(texts, indent=2))
