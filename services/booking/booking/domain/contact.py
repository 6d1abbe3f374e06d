"""The person to visit."""

from dataclasses import dataclass
from enum import StrEnum

from kit.values.latlng import LatLng


class PlacedBy(StrEnum):
    """How it is known where somebody is visited; equal to giro.booking.v1.ContactPlace."""

    PINNED = "PINNED"
    GEOCODED = "GEOCODED"
    NEEDS_PIN = "NEEDS_PIN"


@dataclass(frozen=True, slots=True)
class Contact:
    """A card of a campaign; `phone` is E.164, `language` BCP 47, `zone` the name of a sub-folder (R-004).

    Empty texts are not known. `point` is None for one that needs a pin, whom nobody can book (GEO-18).
    """

    contact_id: str
    campaign_id: str
    display_name: str
    phone: str
    address: str
    point: LatLng | None
    email: str = ""
    language: str = ""
    zone: str = ""
    postcode: str = ""
    placed_by: PlacedBy = PlacedBy.PINNED


@dataclass(frozen=True, slots=True)
class Correction:
    """What is told anew of where a contact is; None stays as it is."""

    address: str | None = None
    point: LatLng | None = None
    zone: str | None = None
    postcode: str | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """Where an address is; `point` None: not known well enough."""

    point: LatLng | None

    @property
    def placed_by(self) -> PlacedBy:
        """How a contact of this address is placed."""
        return PlacedBy.NEEDS_PIN if self.point is None else PlacedBy.GEOCODED
