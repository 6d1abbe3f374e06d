"""The tenants' own travel matrices: rows, and the ones in force in memory."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg.types.json import Jsonb
from sqlalchemy import text

from geo.domain.drives import UNREACHABLE
from geo.domain.legs import Pair
from geo.domain.matrix import Entry, Matrix, travel_version
from geo.domain.modes import TravelMode
from geo.domain.profile import Profile
from geo.storage import profiles
from geo.storage.sql import fetch, fetch_one
from kit.db.engine import Database
from kit.db.uow import Tx

_TENANTS: Final = 256

_CURRENT: Final = "SELECT max(version) AS version FROM geo.matrix_versions WHERE tenant_id = %(tenant)s"

# One statement, so that a version never comes with the entries of another.
_LOAD: Final = """
    SELECT v.version, v.profile::text AS profile, e.travel_mode, e.from_place, e.to_place, e.seconds, e.metres
    FROM geo.matrix_versions v
    LEFT JOIN geo.matrix_entries e ON e.tenant_id = v.tenant_id AND e.version = v.version
    WHERE v.tenant_id = %(tenant)s
      AND v.version = (SELECT max(version) FROM geo.matrix_versions WHERE tenant_id = %(tenant)s)
"""

_TIMED: Final = """
    SELECT EXISTS (SELECT FROM geo.matrix_versions
                   WHERE tenant_id = %(tenant)s AND version = %(version)s AND profile IS NOT NULL) AS timed
"""

_IN_FORCE: Final = """
    SELECT version, profile IS NOT NULL AS timed FROM geo.matrix_versions
    WHERE tenant_id = %(tenant)s ORDER BY version DESC LIMIT 1
"""

_PROFILE: Final = """
    SELECT profile::text AS profile FROM geo.matrix_versions
    WHERE tenant_id = %(tenant)s ORDER BY version DESC LIMIT 1
"""

_REMOVE: Final = """
    DELETE FROM geo.matrix_entries WHERE tenant_id = %(tenant)s AND travel_mode = ANY(%(modes)s)
    RETURNING 1
"""

_BEGIN: Final = """
    INSERT INTO geo.matrix_versions (tenant_id, version, entries, profile)
    SELECT %(tenant)s, %(version)s, count(*) + jsonb_array_length(%(rows)s), %(profile)s::jsonb
    FROM geo.matrix_entries WHERE tenant_id = %(tenant)s
    RETURNING version
"""

_CARRY_OVER: Final = """
    UPDATE geo.matrix_entries SET version = %(version)s WHERE tenant_id = %(tenant)s
    RETURNING 1
"""

# One parameter for all rows: a parameter a column would pass the 65,535 that the protocol can count.
_ADD: Final = """
    INSERT INTO geo.matrix_entries (tenant_id, version, travel_mode, from_place, to_place, seconds, metres)
    SELECT %(tenant)s, %(version)s, r.* FROM jsonb_to_recordset(%(rows)s) AS r(travel_mode text,
        from_place bigint, to_place bigint, seconds integer, metres integer)
    RETURNING 1
"""

_NOTIFY: Final = text("SELECT pg_notify(:channel, :payload)")


@dataclass(frozen=True, slots=True)
class OfTenant:
    """A tenant's own travel data: one version of the entries of each mode, and of the profile of the week,
    which is about cars alone."""

    version: int = 0
    entries: Mapping[TravelMode, Mapping[Pair, Entry]] = field(default_factory=dict)
    profile: Profile | None = None

    def by_mode(self) -> dict[TravelMode, Matrix]:
        """The matrix of each mode."""
        return {
            mode: Matrix(
                self.version, self.entries.get(mode, {}), self.profile if mode is TravelMode.CAR else None
            )
            for mode in TravelMode
        }


async def current_version(tx: Tx) -> int:
    """Version of the matrix in force, 0 without one: what a commit compares its legs with."""
    row = await fetch_one(tx, _CURRENT, {"tenant": tx.tenant})
    return (row.version if row else None) or 0


async def has_profile(tx: Tx, version: int) -> bool:
    """Whether a version came with a profile of the week."""
    row = await fetch_one(tx, _TIMED, {"tenant": tx.tenant, "version": version})
    return bool(row and row.timed)


async def version_of_drives(tx: Tx, engine: str, mode: TravelMode) -> str:
    """The version that drives of a mode by this engine carry with what is in force."""
    row = await fetch_one(tx, _IN_FORCE, {"tenant": tx.tenant})
    if row is None:
        return engine
    return travel_version(engine, row.version, timed=row.timed and mode is TravelMode.CAR)


async def put_in_force(tx: Tx, what: OfTenant, channel: str) -> int:
    """A new version with this profile and these entries, of the modes that are named; the others keep theirs.
    Gives its number.

    The caller holds the locks of all of the tenant's agents.
    """
    version = await current_version(tx) + 1
    week = None if what.profile is None else profiles.document(what.profile)
    rows = [_row(mode, item) for mode, entries in what.entries.items() for item in entries.items()]
    modes = [mode.value for mode in what.entries]
    written = {"tenant": tx.tenant, "version": version, "modes": modes, "rows": Jsonb(rows)}
    await fetch(tx, _REMOVE, written)
    await fetch(tx, _BEGIN, {**written, "profile": None if week is None else Jsonb(week)})
    await fetch(tx, _CARRY_OVER, written)
    if rows:
        await fetch(tx, _ADD, written)
    await tx.run(_NOTIFY, {"channel": channel, "payload": f"{tx.tenant}:*:{version}"})
    return version


async def profile_in_force(tx: Tx) -> Profile | None:
    """The profile of the week, if there is one."""
    row = await fetch_one(tx, _PROFILE, {"tenant": tx.tenant})
    return None if row is None or row.profile is None else profiles.from_text(row.profile)


async def load(tx: Tx) -> "OfTenant":
    """What is in force."""
    rows = await fetch(tx, _LOAD, {"tenant": tx.tenant})
    if not rows:
        return OfTenant()
    entries: dict[TravelMode, dict[Pair, Entry]] = {}
    for row in rows:
        if row.from_place is not None:
            seconds = UNREACHABLE if row.seconds is None else row.seconds
            of_mode = entries.setdefault(TravelMode(row.travel_mode), {})
            of_mode[row.from_place, row.to_place] = seconds, row.metres
    profile = None if rows[0].profile is None else profiles.from_text(rows[0].profile)
    return OfTenant(rows[0].version, entries, profile)


class Matrices:
    """Matrices in memory, of the tenants that asked last."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._held: OrderedDict[str, dict[TravelMode, Matrix]] = OrderedDict()
        self._forgotten = 0

    async def at_hand(self, tenant: str, mode: TravelMode) -> Matrix:
        """The matrix of a mode as it was read last; a change elsewhere shows once `forget` was told of it."""
        held = self._held.get(tenant)
        if held is None:
            forgotten = self._forgotten
            async with self._db.uow(tenant) as tx:
                held = (await load(tx)).by_mode()
            self._hold(tenant, held, forgotten)
        return held[mode]

    async def up_to_date(self, tenant: str, mode: TravelMode) -> Matrix:
        """The matrix of a mode in force at this moment."""
        forgotten = self._forgotten
        async with self._db.uow(tenant) as tx:
            held = self._held.get(tenant)
            if held is None or held[mode].version != await current_version(tx):
                held = (await load(tx)).by_mode()
                self._hold(tenant, held, forgotten)
        return held[mode]

    def forget(self, tenant: str) -> None:
        """The tenant's matrix may have changed."""
        self._forgotten += 1
        self._held.pop(tenant, None)

    def forget_all(self) -> None:
        """Any matrix may have changed."""
        self._forgotten += 1
        self._held.clear()

    def _hold(self, tenant: str, matrix: dict[TravelMode, Matrix], forgotten: int) -> None:
        """Keeps a tenant's, unless one was forgotten since it began to be read: it may be the old one."""
        if forgotten != self._forgotten:
            return
        self._held[tenant] = matrix
        self._held.move_to_end(tenant)
        while len(self._held) > _TENANTS:
            self._held.popitem(last=False)


def _row(mode: TravelMode, item: tuple[Pair, Entry]) -> dict[str, Any]:
    (from_place, to_place), (seconds, metres) = item
    return {
        "travel_mode": mode,
        "from_place": from_place,
        "to_place": to_place,
        "seconds": None if seconds == UNREACHABLE else seconds,
        "metres": metres,
    }
