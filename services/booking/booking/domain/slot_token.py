"""Slot tokens: a suggested slot that its holder can keep or book as it is; sealed."""

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final, NamedTuple

from booking.domain import errors
from booking.domain.decision import Shown
from booking.domain.itinerary import Certificate
from booking.domain.seal import Sealer
from kit.values.latlng import LatLng
from kit.values.window import Window

_FORMAT = 5
_TEXTS = 3
_HEADS: Final[Mapping[int, tuple[struct.Struct, int]]] = {
    3: (struct.Struct(">B?qqqQBB"), 2),
    4: (struct.Struct(">B?qqqQBBH"), 2),
    _FORMAT: (struct.Struct(">B?qqqQBBBH"), _TEXTS),
}
"""By format, the head and how many texts follow it. The page came with 4, the postcode with 5; a token that
was given out before a rollout is read after it."""


class SuggestedSlot(NamedTuple):
    """What a slot token says. Instants are Unix seconds; `issued_at` is by the tenant's clock.

    Buffer and skills are not in it: the campaign's present ones count when it is held or booked.
    `certificate` is the ledger's, handed back to it: what the start rests on (GEO-28). `hidden`: whoever
    holds or books it shall not learn the agent (GEO-09). `offered` is the page it was shown on, as
    `offered.Offered` packs it; empty where there is none.
    `postcode` is the place's, empty when unknown. What an older token lacks is empty.
    """

    campaign_id: str
    agent_id: str
    start: int
    end: int
    place: int
    issued_at: int
    certificate: bytes = b""
    hidden: bool = False
    offered: bytes = b""
    postcode: str = ""

    @property
    def window(self) -> Window:
        """Start and end."""
        return Window(datetime.fromtimestamp(self.start, UTC), datetime.fromtimestamp(self.end, UTC))

    @property
    def point(self) -> LatLng:
        """Where the visit is."""
        return LatLng.from_key(self.place)

    @property
    def shown(self) -> Shown:
        """What is kept of it with the decision for it."""
        return Shown(self.issued_at, self.offered.hex())

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
        texts = [text.encode() for text in (slot.campaign_id, slot.agent_id, slot.postcode)]
        times = slot.issued_at, slot.start, slot.end, slot.place
        lengths = *map(len, texts), len(slot.offered)
        head = _HEADS[_FORMAT][0].pack(_FORMAT, slot.hidden, *times, *lengths)
        return self._sealer.seal(tenant, b"".join([head, *texts, slot.offered, slot.certificate]))

    def read(self, tenant: str, token: str) -> SuggestedSlot:
        """The slot of a token. Raises SLOT_TOKEN_INVALID for one that is forged, foreign or malformed."""
        payload = self._sealer.open(tenant, token)
        if not payload or payload[0] not in _HEADS:
            raise errors.slot_token_invalid()
        head, texts = _HEADS[payload[0]]
        _, hidden, issued_at, start, end, place, *lengths = head.unpack_from(payload)
        *pieces, certificate = _cut(payload[head.size :], lengths)
        campaign, agent, code = [piece.decode() for piece in pieces[:texts]] + [""] * (_TEXTS - texts)
        offered = b"".join(pieces[texts:])
        return SuggestedSlot(
            campaign, agent, start, end, place, issued_at, certificate, hidden, offered, code
        )


def _cut(rest: bytes, lengths: Sequence[int]) -> list[bytes]:
    """Pieces of these lengths, and what is left."""
    ends = list(accumulate(lengths, initial=0))
    return [rest[start:end] for start, end in zip(ends, [*ends[1:], None], strict=True)]
