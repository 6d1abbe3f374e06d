"""The person to visit."""

from dataclasses import dataclass

from kit.values.latlng import LatLng


@dataclass(frozen=True, slots=True)
class Contact:
    """A card of a campaign; `phone` is E.164, `language` BCP 47, `zone` the name of a sub-folder (R-004).

    Empty texts are not known.
    """

    contact_id: str
    campaign_id: str
    display_name: str
    phone: str
    address: str
    point: LatLng
    email: str = ""
    language: str = ""
    zone: str = ""
    postcode: str = ""


@dataclass(frozen=True, slots=True)
class Correction:
    """What is told anew of where a contact is; None stays as it is."""

    address: str | None = None
    point: LatLng | None = None
    zone: str | None = None
    postcode: str | None = None
