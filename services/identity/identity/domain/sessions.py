"""Signed-in sessions, and the one answer to those who could not sign in."""

from dataclasses import dataclass
from datetime import datetime

from identity.domain.users import User
from kit.errors import Reason, Unauthenticated


@dataclass(frozen=True, slots=True)
class Session:
    """A bearer token, when it stops working, and whose it is."""

    access_token: str
    expires_at: datetime
    user: User


def bad_credentials() -> Unauthenticated:
    """The one answer to a wrong password and to an unknown address."""
    return Unauthenticated(Reason.BAD_CREDENTIALS, "e-mail or password is wrong")
