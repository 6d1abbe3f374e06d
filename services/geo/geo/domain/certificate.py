"""Slot certificates: what a suggested start rests on, to be checked where it is committed (GEO-28).

A certificate names the stop before and the stop after by what they mean for the visit (until when, where;
from when, where), the seconds of both drives, the version of the travel data and the slack. The transaction
that takes the time holds all of it against the chain as the visit would stand in it. Where everything is as
it was the visit commits; where anything has changed somebody was faster, and the certificate is stale even
if the visit should still fit: what it promised is not what would be had.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from geo.domain.chain import Splice
from geo.domain.gaps import FOREVER, NEVER
from geo.domain.slot_search import Looked
from geo.domain.starts import Offers
from geo.domain.stop import NOWHERE, PLACELESS, Leg, LinkedStop, Stop, TravelSource

_FORMAT: Final = 1
_FIXED: Final = struct.Struct(">BqqqqIII")

LONGEST: Final = 256
"""Bytes of the longest certificate."""


class Change(StrEnum):
    """What is not as it was when the slot was suggested."""

    PREVIOUS_STOP = "PREVIOUS_STOP"
    NEXT_STOP = "NEXT_STOP"
    TRAVEL = "TRAVEL"
    SHIFT = "SHIFT"


class Certificate(NamedTuple):
    """What a start rests on; seconds and Unix seconds.

    The stop before ends at `ready` (NEVER without one) at `origin`; the stop after, with its buffer, begins
    at `deadline` (FOREVER without one). `target` is the next place that is driven to. The drives take
    `drive_in` and `drive_out`, by the travel data of `version`. The visit could begin `slack` later.
    """

    ready: int
    origin: int
    deadline: int
    target: int
    drive_in: int
    drive_out: int
    slack: int
    version: str

    def packed(self) -> bytes:
        """As bytes."""
        return _FIXED.pack(_FORMAT, *self[:-1]) + self.version.encode()


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate as its holder brings it back, and the instant from which on it is too old."""

    certificate: Certificate
    expires_at: datetime


def read(packed: bytes) -> Certificate:
    """Raises ValueError for bytes that are no certificate."""
    if packed[:1] != bytes([_FORMAT]) or not _FIXED.size <= len(packed) <= LONGEST:
        raise ValueError("is no certificate of a slot")
    return Certificate._make([*_FIXED.unpack_from(packed)[1:], packed[_FIXED.size :].decode()])


def certificates(looked: Looked, chosen: Offers, duration: int) -> list[bytes]:
    """The packed certificates of these starts, of visits of so many seconds."""
    gap = looked.meets.gap.take(chosen.at)
    gaps, travel = looked.gaps.take(gap), looked.travel
    seconds_out = travel.seconds_leaving(looked.gaps, gap, chosen.start + duration)
    drives = travel.seconds_in.take(gap), seconds_out
    columns = gaps.ready, gaps.origin, gaps.deadline, gaps.target, *drives, chosen.latest - chosen.start
    version = travel.inward.version.encode()
    return [_FIXED.pack(_FORMAT, *row) + version for row in np.array(columns).T.tolist()]


def changed(certificate: Certificate, found: Splice, stop_id: str, shift_end: datetime) -> Change | None:
    """What is not as certified around the visit `stop_id` that the splice puts in; None: all is as it was."""
    visit, previous = next((x.linked, x.previous) for x in found.added if x.linked.stop.stop_id == stop_id)
    after = found.chain[found.chain.index(visit) + 1 :]
    target = next((linked for linked in after if linked.stop.kind not in PLACELESS), None)
    if not _same_before(certificate, previous):
        return Change.PREVIOUS_STOP
    if _deadline(after) != certificate.deadline or _place(target) != certificate.target:
        return Change.NEXT_STOP
    if _longer(visit, certificate.drive_in) or _longer(target, certificate.drive_out):
        return Change.TRAVEL
    if any(leg.version != certificate.version for leg in _fresh_legs(visit, after)):
        return Change.TRAVEL
    room = int((shift_end - visit.stop.ends_at).total_seconds())
    return Change.SHIFT if room < certificate.slack else None


def _same_before(certificate: Certificate, previous: Stop | None) -> bool:
    if previous is None:
        return certificate.ready == NEVER
    if int(previous.ends_at.timestamp()) != certificate.ready:
        return False
    # a break is taken where the stop before it ends; the drive from there is looked at by itself
    return previous.kind in PLACELESS or previous.place == certificate.origin


def _deadline(after: Sequence[LinkedStop]) -> int:
    if not after:
        return FOREVER
    return int(after[0].stop.starts_at.timestamp()) - after[0].stop.buffer


def _place(target: LinkedStop | None) -> int:
    return NOWHERE if target is None else target.stop.place


def _longer(driven: LinkedStop | None, certified: int) -> bool:
    return driven is not None and driven.leg is not None and driven.leg.seconds > certified


def _fresh_legs(visit: LinkedStop, after: Sequence[LinkedStop]) -> list[Leg]:
    """The drives that are measured anew for the visit; behind a break a stored one may stay in force."""
    direct = [linked.leg for linked in after[:1] if linked.stop.kind not in PLACELESS]
    return [leg for leg in (visit.leg, *direct) if leg is not None and leg.source is not TravelSource.NONE]
