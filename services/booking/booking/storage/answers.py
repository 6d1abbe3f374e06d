"""What a claim keeps: the first answer, or the refusal, that whoever repeats the request gets."""

from pydantic import TypeAdapter

from booking.domain.appointment import Card
from booking.domain.campaign import Campaign
from booking.domain.history import Entry
from booking.domain.itinerary import Hold
from booking.domain.refusal import Refusal
from booking.domain.series import Series

_CARD: TypeAdapter[Card | Refusal] = TypeAdapter(Card | Refusal)
_HOLD: TypeAdapter[Hold | Refusal] = TypeAdapter(Hold | Refusal)
_CAMPAIGN: TypeAdapter[Campaign] = TypeAdapter(Campaign)
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
_SERIES: TypeAdapter[Series] = TypeAdapter(Series)
_IDS: TypeAdapter[list[str]] = TypeAdapter(list[str])


def from_card(card: Card) -> bytes:
    """For `card`."""
    return _CARD.dump_json(card)


def from_refusal(refusal: Refusal) -> bytes:
    """For `card`, which will raise it."""
    return _CARD.dump_json(refusal)


def card(answer: bytes) -> Card:
    """The card of the first answer. Raises the refusal that was the answer."""
    found = _CARD.validate_json(answer)
    if isinstance(found, Refusal):
        raise found.error()
    return found


def from_hold(hold: Hold | Refusal) -> bytes:
    """For `hold`, which will raise a refusal."""
    return _HOLD.dump_json(hold)


def hold(answer: bytes) -> Hold:
    """The hold of the first answer. Raises the refusal that was the answer."""
    found = _HOLD.validate_json(answer)
    if isinstance(found, Refusal):
        raise found.error()
    return found


def from_campaign(campaign: Campaign) -> bytes:
    """For `campaign`."""
    return _CAMPAIGN.dump_json(campaign)


def campaign(answer: bytes) -> Campaign:
    """The campaign of the first answer."""
    return _CAMPAIGN.validate_json(answer)


def from_series(series: Series) -> bytes:
    """For `series`."""
    return _SERIES.dump_json(series)


def series(answer: bytes) -> Series:
    """The series of the first answer."""
    return _SERIES.validate_json(answer)


def from_ids(ids: list[str]) -> bytes:
    """For `ids`."""
    return _IDS.dump_json(ids)


def ids(answer: bytes) -> list[str]:
    """The ids of the first answer."""
    return _IDS.validate_json(answer)


def from_entry(entry: Entry) -> bytes:
    """For `entry`."""
    return _ENTRY.dump_json(entry)


def entry(answer: bytes) -> Entry:
    """The entry of the first answer."""
    return _ENTRY.validate_json(answer)
