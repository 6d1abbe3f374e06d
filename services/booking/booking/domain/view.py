"""Somebody's first look at one version of an appointment (R-017)."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class View:
    """Who saw which version, in which role, and when first."""

    appointment_id: str
    viewer_id: str
    role: str
    version: int
    viewed_at: datetime
