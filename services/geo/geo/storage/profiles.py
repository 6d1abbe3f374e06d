"""The tenants' profiles of the week: kept with the version of the matrix that they came with, for ever."""

import json
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

from geo.domain.matrix import profile_of
from geo.domain.profile import Profile
from geo.storage.sql import fetch
from kit.db.uow import Tx

_READ: Final = """
    SELECT version, profile::text AS profile FROM geo.matrix_versions
    WHERE tenant_id = %(tenant)s AND version = ANY(%(versions)s) AND profile IS NOT NULL
"""


async def of_versions(tx: Tx, versions: Collection[str | None]) -> dict[str, Profile]:
    """The profiles of drives by their version; nothing is asked where none has one."""
    numbers = {
        version: number for version in versions if version and (number := profile_of(version)) is not None
    }
    if not numbers:
        return {}
    rows = await fetch(tx, _READ, {"tenant": tx.tenant, "versions": sorted(set(numbers.values()))})
    found = {row.version: from_text(row.profile) for row in rows}
    return {version: found[number] for version, number in numbers.items()}


def document(profile: Profile) -> dict[str, Any]:
    """For its column."""
    return {"time_zone": profile.time_zone, "speeds": list(profile.speeds)}


@lru_cache(maxsize=256)
def from_text(text: str) -> Profile:
    """The profile again; it was checked when it was written."""
    written = json.loads(text)
    return Profile(written["time_zone"], tuple(written["speeds"]))
