"""E-mail addresses as user names (R-171)."""

import hashlib
from dataclasses import dataclass

from kit.errors import InvalidInput, Reason

MAX_LENGTH = 254


@dataclass(frozen=True, slots=True)
class Email:
    """An address in lower case: two spellings that differ only in case are one user name."""

    address: str

    @classmethod
    def parse(cls, text: str, field: str = "email") -> "Email":
        """Lower-cases `text`. Raises InvalidInput, naming `field`, for what no address can be."""
        if not 3 <= len(text) <= MAX_LENGTH:
            raise _refused(f"must have 3 to {MAX_LENGTH} characters", field)
        if any(char.isspace() or not char.isprintable() for char in text):
            raise _refused("must not contain white space or control characters", field)
        local, at, host = text.rpartition("@")
        if not (local and at and host):
            raise _refused("must be an e-mail address, as in name@example.com", field)
        return cls(text.lower())

    @property
    def digest(self) -> str:
        """SHA-256 in hex: the key that sign-in looks a login up by (see `storage.logins`)."""
        return hashlib.sha256(self.address.encode()).hexdigest()


def _refused(message: str, field: str) -> InvalidInput:
    return InvalidInput(Reason.INVALID_FIELD, message, field=field)
