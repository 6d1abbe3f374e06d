"""`.run/demo.json`: where the demo is reached, who can sign in, and the ids of what was loaded."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class SignIn:
    """A demo user; `role` is a name of `giro.common.v1.Role` without its prefix."""

    email: str
    password: str
    role: str
    name: str
    tenant: str
    scope: str = ""


@dataclass(frozen=True, slots=True)
class FreeContact:
    """A person nobody visits yet, for a first try."""

    contact_id: str
    campaign_id: str
    name: str
    address: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class TenantIds:
    """A tenant's ids by demo key: campaigns "solar" and "heating", agents "a01" to "a20"."""

    tenant_id: str
    name: str
    time_zone: str
    campaigns: Mapping[str, str]
    agents: Mapping[str, str]
    agent_names: Mapping[str, str]
    free_contacts: tuple[FreeContact, ...]


@dataclass(frozen=True, slots=True)
class DemoIds:
    """Everything a script needs. Tenants are "voce" (the call centre) and "vicino" (its neighbour)."""

    gateway_url: str
    grpc_target: str
    seed: int
    region: str
    travel: str
    first_day: str
    last_day: str
    booked: int
    users: Mapping[str, SignIn]
    tenants: Mapping[str, TenantIds]
    metrics: Mapping[str, str]
    gateway_admin: str = ""

    def write(self, file: Path) -> None:
        """Writes it whole or not at all; only its owner may read the passwords."""
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")
        os.replace(fresh, file)

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """What an earlier load wrote; None when there is nothing readable of this version."""
        try:
            raw = json.loads(file.read_text())
            raw["users"] = {key: SignIn(**user) for key, user in raw["users"].items()}
            raw["tenants"] = {key: _tenant(tenant) for key, tenant in raw["tenants"].items()}
            return cls(**raw)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _tenant(raw: dict[str, object]) -> TenantIds:
    contacts = raw.pop("free_contacts")
    if not isinstance(contacts, list):
        raise TypeError("free_contacts is no list")
    return TenantIds(**raw, free_contacts=tuple(FreeContact(**contact) for contact in contacts))  # type: ignore[arg-type]
