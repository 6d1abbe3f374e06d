"""How rows become the domain's values."""

from datetime import timedelta
from typing import Any

from reminders.domain.reminder import Channel, Reminder, State, Visit


def visit(row: Any) -> Visit:
    """A row of plans."""
    return Visit(
        appointment_id=row.appointment_id,
        version=row.version,
        campaign_id=row.campaign_id,
        contact_id=row.contact_id,
        start=row.starts_at,
        zone=row.zone,
        name=row.name,
        phone=row.phone,
        email=row.email,
        language=row.language,
    )


def reminder(row: Any, state: str = "", channel: str = "") -> Reminder:
    """A row of reminders; `state` and `channel` where the row has them under other names."""
    return Reminder(
        reminder_id=row.reminder_id,
        appointment_id=row.appointment_id,
        start=row.starts_at,
        offset=timedelta(seconds=row.offset_seconds),
        zone=row.zone,
        due_at=row.due_at,
        run_at=row.run_at,
        state=State(state or row.state),
        channel=Channel(channel or row.channel),
        attempt=row.attempt,
        rings=row.rings,
        fence=row.fence,
        by_plan=row.by_plan,
        outcome=row.outcome or "",
        reason=row.reason or "",
    )
