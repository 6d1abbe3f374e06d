"""Tenants: customers of the platform, fully apart from each other (R-177)."""

import hashlib
import zoneinfo
from dataclasses import dataclass
from functools import cache
from typing import Final

from identity.domain.names import check_name
from kit.errors import InvalidInput, Reason

PLATFORM_TENANT_ID: Final = f"ten_{1:032x}"
"""The platform team's own tenant: the one place where PLATFORM can be granted. No new id equals it."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, and the IANA zone in which its contracts count days. Raises InvalidInput for a bad field."""

    tenant_id: str
    display_name: str
    time_zone: str

    def __post_init__(self) -> None:
        check_name(self.display_name)
        check_time_zone(self.time_zone)


def tenant_id_for(platform_tenant: str, request_id: str) -> str:
    """The id of the tenant that this request makes.

    It follows from the request, so that a repeated one meets its own claim, which lives with the tenant it
    made: rows of two tenants never share a transaction.
    """
    seed = f"{platform_tenant}/{request_id}".encode()
    return f"ten_{hashlib.sha256(seed).hexdigest()[:32]}"


def check_time_zone(name: str, field: str = "time_zone") -> None:
    """Raises InvalidInput, naming `field`, for what is no IANA zone as spelt there."""
    if name not in _zones():
        message = "must be an IANA time zone, as in Europe/Riga"
        raise InvalidInput(Reason.INVALID_FIELD, message, field=field)


@cache
def _zones() -> frozenset[str]:
    # no look-up of the caller's text in the file system; "localtime" and "Factory" name no place
    return frozenset(zoneinfo.available_timezones() - {"localtime", "Factory"})
