"""Slot tokens: a suggested slot that its holder can keep or book as it is; sealed, nobody can alter it."""

import struct
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from booking.domain import errors
from booking.domain.seal import Sealer
from kit.values.latlng import LatLng
from kit.values.window import Window

_FORMAT = 1
_HEAD = struct.Struct(">BqqqQBB")


class SuggestedSlot(NamedTuple):
    """What a slot token says. Instants are Unix seconds; `issued_at` is by the tenant's clock.

    Buffer and skills are not in it: the campaign's present ones count when it is held or booked.
    """

    campaign_id: str
    agent_id: str
    start: int
    end: int
    place: int
    issued_at: int

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
        expires = datetime.fromtimestamp(self.issued_at, UTC) + ttl
        if now >= expires:
            raise errors.slot_token_expired(expires)


class SlotTokens:
    """Writes and reads slot tokens."""

    def __init__(self, key: bytes) -> None:
        self._sealer = Sealer(key, "giro slot token")

    def write(self, tenant: str, slot: SuggestedSlot) -> str:
        """The token of a slot. Ids have at most 64 characters."""
        campaign, agent = slot.campaign_id.encode(), slot.agent_id.encode()
        head = _HEAD.pack(
            _FORMAT, slot.issued_at, slot.start, slot.end, slot.place, len(campaign), len(agent)
        )
        return self._sealer.seal(tenant, head + campaign + agent)

    def read(self, tenant: str, token: str) -> SuggestedSlot:
        """The slot of a token. Raises SLOT_TOKEN_INVALID for one that is forged, foreign or malformed."""
        payload = self._sealer.open(tenant, token)
        if payload is None or payload[:1] != bytes([_FORMAT]):
            raise errors.slot_token_invalid()
        _, issued_at, start, end, place, campaign, agent = _HEAD.unpack_from(payload)
        ids = payload[_HEAD.size :]
        if len(ids) != campaign + agent:
            raise errors.slot_token_invalid()
        return SuggestedSlot(ids[:campaign].decode(), ids[campaign:].decode(), start, end, place, issued_at)
