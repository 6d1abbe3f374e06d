"""Series of appointments."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from operator import itemgetter
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import text

from booking.domain import errors
from booking.domain.refusal import Refusal
from booking.domain.series import Conflict, Series, SeriesState
from booking.storage import rows
from booking.storage.appointments import COLUMNS
from kit.db.uow import Tx

_BEGIN = text(
    """
    WITH series AS (
        INSERT INTO booking.series (tenant_id, series_id, campaign_id, conflicts)
        VALUES (:tenant, :series, :campaign, :conflicts)
    )
    INSERT INTO booking.series_appointments (tenant_id, series_id, number, appointment_id)
    SELECT :tenant, :series, item.number, item.appointment_id
    FROM unnest(CAST(:numbers AS integer[]), CAST(:ids AS text[])) AS item (number, appointment_id)
    """
)

_GET_TEXT = """
    SELECT series_id, campaign_id, state, conflicts FROM booking.series
    WHERE tenant_id = :tenant AND series_id = :series
"""

_GET = text(_GET_TEXT)

_LOCK = text(f"{_GET_TEXT} FOR NO KEY UPDATE")

_APPOINTMENTS_TEXT = f"""
    SELECT {COLUMNS}, i.number FROM booking.series_appointments i
    JOIN booking.appointments a ON a.tenant_id = i.tenant_id AND a.appointment_id = i.appointment_id
    WHERE i.tenant_id = :tenant AND i.series_id = :series ORDER BY a.appointment_id
"""  # noqa: S608 - constants

_APPOINTMENTS = text(_APPOINTMENTS_TEXT)

_LOCK_APPOINTMENTS = text(f"{_APPOINTMENTS_TEXT} FOR NO KEY UPDATE OF a")
"""By id, as everywhere (ADR 0030)."""

_DECIDE = text(
    """
    UPDATE booking.series SET state = :state, conflicts = :conflicts
    WHERE tenant_id = :tenant AND series_id = :series AND state = 'PENDING'
    """
)


async def begin(tx: Tx, series: Series) -> None:
    """Stores a pending series with its appointments and what is known not to fit."""
    params = {
        "tenant": tx.tenant,
        "series": series.series_id,
        "campaign": series.campaign_id,
        "conflicts": _json(series.conflicts),
        "numbers": [number for number, _ in series.appointments],
        "ids": [appointment.appointment_id for _, appointment in series.appointments],
    }
    await tx.run(_BEGIN, params)


async def get(tx: Tx, series_id: str, *, lock: bool = False) -> Series:
    """One series, locked with all its appointments where asked. Raises NotFound naming `series_id`.

    All of them at once: an appointment's row is always locked before its campaign's, and the first one to
    fail locks that.
    """
    params = {"tenant": tx.tenant, "series": series_id}
    row = (await tx.run(_LOCK if lock else _GET, params)).one_or_none()
    if row is None:
        raise errors.not_found("series", "series_id")
    found = await tx.run(_LOCK_APPOINTMENTS if lock else _APPOINTMENTS, params)
    return Series(
        series_id=row.series_id,
        campaign_id=row.campaign_id,
        state=SeriesState(row.state),
        conflicts=[_conflict(each) for each in row.conflicts],
        appointments=sorted(((each.number, rows.appointment(each)) for each in found), key=itemgetter(0)),
    )


async def decide(tx: Tx, series_id: str, state: SeriesState, conflicts: Sequence[Conflict]) -> None:
    """PENDING -> CREATED or REFUSED; the series is locked."""
    params = {"tenant": tx.tenant, "series": series_id, "state": state.value, "conflicts": _json(conflicts)}
    await tx.run(_DECIDE, params)


def _json(conflicts: Sequence[Conflict]) -> Jsonb:
    return Jsonb(
        [
            {"number": each.number, "start": each.start.isoformat(), "refusal": asdict(each.refusal)}
            for each in conflicts
        ]
    )


def _conflict(found: dict[str, Any]) -> Conflict:
    refusal = Refusal(**{**found["refusal"], "violations": tuple(map(tuple, found["refusal"]["violations"]))})
    return Conflict(found["number"], datetime.fromisoformat(found["start"]), refusal)
