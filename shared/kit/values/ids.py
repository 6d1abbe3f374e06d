"""Opaque ids: a three-letter prefix, an underscore and a UUIDv7 in hex, as in `apt_0190…`.

UUIDv7 begins with the creation time in milliseconds, so ids made later sort later and index pages stay warm.
"""

import os
import re
import time
from typing import Final

ID_PATTERN: Final = re.compile(r"^[a-z]{3}_[0-9a-f]{32}$")

_PREFIX = re.compile(r"^[a-z]{3}$")


def new_id(prefix: str) -> str:
    """A fresh id: `new_id("apt")` gives `apt_` and 32 hex digits. Raises ValueError for a bad prefix."""
    if not _PREFIX.match(prefix):
        raise ValueError(f"an id prefix is three lower-case letters, not {prefix!r}")
    return f"{prefix}_{uuid7_hex()}"


def uuid7_hex() -> str:
    """32 hex digits of a version 7 UUID (RFC 9562): 48 bits of Unix milliseconds, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random_bits = int.from_bytes(os.urandom(10), "big")
    high = milliseconds << 16 | 0x7000 | random_bits >> 68
    low = 0b10 << 62 | random_bits & 0x3FFF_FFFF_FFFF_FFFF
    return f"{high:016x}{low:016x}"


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the form of an id with this prefix."""
    return text.startswith(f"{prefix}_") and ID_PATTERN.match(text) is not None
