"""Where a list by instant and id goes on: those of its last row, which was shown, as text."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Final

from reminders.domain import errors

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LATEST: Final = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


def write(moment: datetime, row_id: str) -> str:
    """The token of what comes after a row."""
    text = f"{(moment - _EPOCH) // _MICROSECOND} {row_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(token: str) -> tuple[datetime, str] | None:
    """The row to go on after; None for the first page. Raises InvalidInput naming `page_token`."""
    if not token:
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
        microseconds, row_id = text.split(" ")
        since = int(microseconds)
    except (ValueError, binascii.Error):
        since, row_id = -1, ""
    if not 0 <= since < _LATEST or not row_id.isprintable() or not row_id:
        raise errors.invalid("page_token", "is no token of this list")
    return _EPOCH + since * _MICROSECOND, row_id
