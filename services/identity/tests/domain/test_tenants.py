"""Tenants' names and zones."""

import pytest

from identity.domain.tenants import PLATFORM_TENANT_ID, Tenant, tenant_id_for
from kit.errors import InvalidInput
from kit.values.ids import is_id


@pytest.mark.parametrize("zone", ["Europe/Riga", "UTC", "Etc/UTC", "America/Argentina/Ushuaia"])
def test_iana_zones_are_taken(zone: str) -> None:
    assert Tenant("ten_1", "Acme", zone).time_zone == zone


@pytest.mark.parametrize(
    "zone",
    ["", "Riga", "europe/riga", "Europe/Riga ", "../../etc/passwd", "localtime", "+02:00"],
)
def test_other_zones_are_refused_by_name(zone: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Tenant("ten_1", "Acme", zone)
    assert refused.value.violations[0].field == "time_zone"


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\x00b", "x" * 201])
def test_bad_names_are_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Tenant("ten_1", name, "UTC")
    assert refused.value.violations[0].field == "display_name"


def test_a_request_leads_to_one_id_of_the_usual_form() -> None:
    first = tenant_id_for(PLATFORM_TENANT_ID, "request-1")
    assert first == tenant_id_for(PLATFORM_TENANT_ID, "request-1")
    assert first != tenant_id_for(PLATFORM_TENANT_ID, "request-2")
    assert is_id(first, "ten")
    assert is_id(PLATFORM_TENANT_ID, "ten")
