"""The numbers that contacts see (R-108), and how one is shown to be the organisation's own (R-109)."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

CODE_DIGITS = 6
CODE_LIFE = timedelta(minutes=15)
MOST_TRIES = 5


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


def new_code() -> str:
    """A code of six digits."""
    return "".join(secrets.choice("0123456789") for _ in range(CODE_DIGITS))


def hashed(code: str, number_id: str) -> str:
    """What is stored of a code."""
    return hashlib.sha256(f"{number_id} {code}".encode()).hexdigest()


def accepts(number: CallerNumber, code: str, now: datetime) -> bool:
    """Whether this code, now, shows that the number is theirs. Five wrong ones use the code up."""
    fresh = number.code_until is not None and now < number.code_until and number.tries < MOST_TRIES
    return hmac.compare_digest(hashed(code, number.number_id), number.code_hash) and fresh
