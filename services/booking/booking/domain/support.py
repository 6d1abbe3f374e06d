"""How to reach the provider (R-019)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SupportContact:
    """Phone and fax are E.164, `vat_id` begins with its country; empty texts are not known."""

    phone: str = ""
    fax: str = ""
    email: str = ""
    vat_id: str = ""
