"""The numbers that contacts see (R-108), and how one is shown to be the organisation's own (R-109)."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from reminders.domain import errors

CODE_DIGITS = 6
CODE_LIFE = timedelta(minutes=15)
MOST_TRIES = 5
CODE_PAUSE = timedelta(minutes=1)
"""Between two codes to one number."""
CODES_A_DAY = 5
"""To one number: whoever it belongs to is not to be pestered."""
CODES_IN_ALL = 50
"""To all numbers of a tenant, in the day up to now."""
DAY = timedelta(days=1)


class NumberState(StrEnum):
    """Only an ACTIVE number is called from."""

    PENDING = "PENDING"
    """Asked for; a code was sent to it."""
    VERIFIED = "VERIFIED"
    """The code came back: it is the organisation's own."""
    ACTIVE = "ACTIVE"
    """Contacts see it."""


@dataclass(frozen=True, slots=True)
class CallerNumber:
    """A number (E.164) of a branch; of the whole organisation when `branch_id` is empty."""

    number_id: str
    branch_id: str
    phone: str
    state: NumberState
    tries: int = 0
    code_hash: str = ""
    code_until: datetime | None = None
    code_sent_at: datetime | None = None
    codes_from: datetime | None = None
    codes_sent: int = 0
    """Codes sent in the day that began at `codes_from`."""


def new_code() -> str:
    """A code of six digits."""
    return "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))


def hashed(code: str, number_id: str) -> str:
    """What is stored of a code."""
    return hashlib.sha256(f"{number_id} {code}".encode()).hexdigest()


def with_code(number: CallerNumber, code: str, now: datetime) -> CallerNumber:
    """The number with a fresh code to be sent now. Raises Exhausted, with the seconds to wait."""
    anew = number.codes_from is None or now >= number.codes_from + DAY
    if number.code_sent_at is not None and now < number.code_sent_at + CODE_PAUSE:
        raise errors.too_often("a code was sent a moment ago", number.code_sent_at + CODE_PAUSE - now)
    if not anew and number.codes_from is not None and number.codes_sent >= CODES_A_DAY:
        raise errors.too_often("today's codes were sent", number.codes_from + DAY - now)
    return replace(
        number,
        tries=0,
        code_hash=hashed(code, number.number_id),
        code_until=now + CODE_LIFE,
        code_sent_at=now,
        codes_from=now if anew else number.codes_from,
        codes_sent=1 if anew else number.codes_sent + 1,
    )


def accepts(number: CallerNumber, code: str, now: datetime) -> bool:
    """Whether this code, now, shows that the number is theirs. Five wrong ones use the code up."""
    fresh = number.code_until is not None and now < number.code_until and number.tries < MOST_TRIES
    return hmac.compare_digest(hashed(code, number.number_id), number.code_hash) and fresh
