"""What was offered together with a slot: it travels in the slot's token, so that a search writes nothing.

The best of the page in its order, each with the first bytes of a digest of its agent's id: whoever explains
the booking finds the agent among the campaign's own, nobody else can.
"""

import struct
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

MOST: Final = 10
"""Slots of a page that are kept."""

_HEAD: Final = struct.Struct(">BBB")
_SLOT: Final = struct.Struct(">6sqiB")
_MOST_SECONDS: Final = 2**31 - 1


class OfferedSlot(NamedTuple):
    """A slot as it was shown: Unix seconds, seconds, and the ledger's grade by number."""

    agent: bytes
    start: int
    added_travel: int
    grade: int

    def is_of(self, agent_id: str) -> bool:
        """Whether it is this agent's."""
        return self.agent == agent_mark(agent_id)


class Offered(NamedTuple):
    """A page of `size` slots of which the one at `chosen`, from 1, is meant; `slots` are its best."""

    size: int
    chosen: int
    slots: tuple[OfferedSlot, ...]

    def packed(self) -> bytes:
        """As bytes."""
        return _HEAD.pack(self.size, self.chosen, len(self.slots)) + b"".join(
            _SLOT.pack(*slot) for slot in self.slots
        )


def agent_mark(agent_id: str) -> bytes:
    """What stands for an agent."""
    return blake2b(agent_id.encode(), digest_size=6).digest()


def slot(agent_id: str, start: int, added_travel: int, grade: int | None) -> OfferedSlot:
    """A slot that is shown."""
    seconds = max(-_MOST_SECONDS, min(_MOST_SECONDS, added_travel))
    return OfferedSlot(agent_mark(agent_id), start, seconds, grade or 0)


def page(slots: Sequence[OfferedSlot]) -> list[bytes]:
    """The packed offers of the slots of a page, at most 255, in their order."""
    best = tuple(slots[:MOST])
    return [Offered(len(slots), number, best).packed() for number in range(1, len(slots) + 1)]


def read(packed: bytes) -> Offered | None:
    """What was packed; None for no bytes at all."""
    if not packed:
        return None
    size, chosen, kept = _HEAD.unpack_from(packed)
    return Offered(size, chosen, tuple(_slots(packed[_HEAD.size :], kept)))


def _slots(packed: bytes, kept: int) -> Iterable[OfferedSlot]:
    return (OfferedSlot._make(_SLOT.unpack_from(packed, number * _SLOT.size)) for number in range(kept))
