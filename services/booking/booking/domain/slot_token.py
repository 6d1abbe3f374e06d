"""Slot tokens: a suggested slot that its holder can keep or book as it is; sealed."""

import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from booking.domain import errors
from booking.domain.itinerary import Certificate
from booking.domain.seal import Sealer
from kit.values.latlng import LatLng
from kit.values.window import Window

_FORMAT = 3
_HEAD = struct.Struct(">B?qqqQBB")


class SuggestedSlot(NamedTuple):
    """What a slot token says. Instants are Unix seconds; `issued_at` is by the tenant's clock.

    Buffer and skills are not in it: the campaign's present ones count when it is held or booked.
    `certificate` is the ledger's, handed back to it: what the start rests on (GEO-28). `hidden`: whoever
    holds or books it shall not learn the agent (GEO-09).
    """

    campaign_id: str
    agent_id: str
    start: int
    end: int
    place: int
    issued_at: int
    certificate: bytes = b""
    hidden: bool = False

    @property
    def window(self) -> Window:
        """Start and end."""
        return Window(datetime.fromtimestamp(self.start, UTC), datetime.fromtimestamp(self.end, UTC))

    @property
    def point(self) -> LatLng:
        """Where the visit is."""
        return LatLng.from_key(self.place)

    def require_fresh(self, now: datetime, ttl: timedelta) -> None:
        """Raises SLOT_TOKEN_EXPIRED once it is `ttl` old."""
        expires = self.expires_at(ttl)
        if now >= expires:
            raise errors.slot_token_expired(expires)

    def expires_at(self, ttl: timedelta) -> datetime:
        """The first instant at which it counts no more."""
        return datetime.fromtimestamp(self.issued_at, UTC) + ttl

    def certified(self, ttl: timedelta) -> Certificate:
        """What the ledger is to hold the start against."""
        return Certificate(self.certificate, self.expires_at(ttl))


class SlotTokens:
    """Writes and reads slot tokens."""

    def __init__(self, key: bytes) -> None:
        self._sealer = Sealer(key, "giro slot token")

    def write(self, tenant: str, slot: SuggestedSlot) -> str:
        """The token of a slot. Ids have at most 64 characters."""
        campaign, agent = slot.campaign_id.encode(), slot.agent_id.encode()
        head = _HEAD.pack(
            _FORMAT, slot.hidden, slot.issued_at, slot.start, slot.end, slot.place, len(campaign), len(agent)
        )
        return self._sealer.seal(tenant, head + campaign + agent + slot.certificate)

    def read(self, tenant: str, token: str) -> SuggestedSlot:
        """The slot of a token. Raises SLOT_TOKEN_INVALID for one that is forged, foreign or malformed."""
        payload = self._sealer.open(tenant, token)
        if payload is None or payload[:1] != bytes([_FORMAT]):
            raise errors.slot_token_invalid()
        _, hidden, issued_at, start, end, place, campaign, agent = _HEAD.unpack_from(payload)
        rest = payload[_HEAD.size :]
        ids, certificate = rest[: campaign + agent], rest[campaign + agent :]
        named = ids[:campaign].decode(), ids[campaign:].decode()
        return SuggestedSlot(*named, start, end, place, issued_at, certificate, hidden)
