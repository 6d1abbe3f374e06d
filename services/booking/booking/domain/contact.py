"""The person to visit."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum

from booking.domain import errors
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
    `version` grows by one with every correction.
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
    version: int = 1


@dataclass(frozen=True, slots=True)
class Correction:
    """What is told anew of a contact; None stays as it is."""

    display_name: str | None = None
    phone: str | None = None
    address: str | None = None
    point: LatLng | None = None
    email: str | None = None
    language: str | None = None
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


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field, as text, before and after; a place is "latitude,longitude"."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ContactChange:
    """A correction: the version that it made, when, by whom, of what."""

    version: int
    changed_at: datetime
    actor_id: str
    fields: Sequence[FieldChange]


def corrected(
    contact: Contact, correction: Correction, located: Located | None, version: int
) -> tuple[Contact, Sequence[FieldChange]]:
    """The contact as corrected, and what changed; nothing changed, its version stays.

    `located` is where a new address is: what people have pinned, no address moves (GEO-18). `version` is the
    one that the caller saw, 0 for whatever is there. Raises STALE_VERSION (BK-46).
    """
    if version and version != contact.version:
        raise errors.stale_version(contact.version, "contact")
    told = {each.name: getattr(correction, each.name) for each in fields(correction)}
    after = replace(contact, **{name: value for name, value in told.items() if value is not None})
    if correction.point is not None:
        after = replace(after, placed_by=PlacedBy.PINNED)
    elif located is not None and contact.placed_by is not PlacedBy.PINNED:
        after = replace(after, point=located.point, placed_by=located.placed_by)
    changes = _changes(contact, after)
    return (replace(after, version=contact.version + 1), changes) if changes else (contact, changes)


def _changes(before: Contact, after: Contact) -> Sequence[FieldChange]:
    texts = (
        (each.name, _text(getattr(before, each.name)), _text(getattr(after, each.name)))
        for each in fields(before)
    )
    return [FieldChange(_NAMES.get(name, name), old, new) for name, old, new in texts if old != new]


_NAMES = {"placed_by": "place"}
"""What the contract calls otherwise."""


def _text(value: object) -> str:
    if isinstance(value, LatLng):
        return f"{value.lat},{value.lng}"
    return "" if value is None else str(value)
