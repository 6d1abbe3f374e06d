"""Several changes of one agenda, each judged by what those before it have left, before any is written."""

from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from geo.domain.chain import Link, Segment, Splice
from geo.domain.legs import Pair
from geo.domain.stop import PLACELESS, LinkedStop


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive stops of a rework, with their positions in it."""

    segment: Segment
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Rework:
    """Consecutive stops of one agent as read, and as they stand after the changes made so far.

    Both lists begin with the stop before them, when there is one; that one never changes. Make it with `of`.
    """

    read: tuple[LinkedStop, ...]
    stops: tuple[LinkedStop, ...]
    headed: bool
    """Whether the first of `stops` heads the chain."""
    wanted: frozenset[Pair] = frozenset()

    @classmethod
    def of(cls, segment: Segment) -> "Rework":
        """Nothing is changed yet."""
        stops = segment.stops if segment.before is None else (segment.before, *segment.stops)
        return cls(stops, stops, headed=segment.before is None)

    def has(self, stop_id: str) -> bool:
        """Whether this stop is there, as things stand."""
        return any(linked.stop.stop_id == stop_id for linked in self.stops)

    def part(self, lo: datetime, hi: datetime, now: datetime) -> Part:
        """The stops that start in `[lo, hi)` with what bounds them, as `storage.stops.segment` reads them.

        What was read reaches at least as far on both sides.
        """
        begin = bisect_left(self.stops, lo, key=_start)
        while begin > 0 and _has_expired(self.stops[begin - 1], now):
            begin -= 1
        end = bisect_left(self.stops, hi, key=_start)
        while end < len(self.stops) and not _bounds(self.stops[end], now):
            end += 1
        end = min(end + 1, len(self.stops))
        before = self.stops[begin - 1] if begin else None
        return Part(Segment(before, self.stops[begin:end]), begin, end)

    def after(self, part: Part, found: Splice) -> "Rework":
        """What stands once this splice of one of its parts is made."""
        stops = (*self.stops[: part.begin], *found.chain, *self.stops[part.end :])
        return replace(self, stops=stops, wanted=self.wanted | found.wanted)

    def whole(self) -> Splice:
        """All changes together, as one splice of what was read."""
        before = {linked.stop.stop_id: linked for linked in self.read}
        there = {linked.stop.stop_id for linked in self.stops}
        links = [Link(linked, earlier.stop) for earlier, linked in pairwise(self.stops)]
        if self.headed and self.stops:
            links.insert(0, Link(self.stops[0], None))
        return Splice(
            removed=tuple(linked.stop for linked in self.read if linked.stop.stop_id not in there),
            added=tuple(link for link in links if link.linked.stop.stop_id not in before),
            relinked=tuple(
                link
                for link in links
                if link.linked.stop.stop_id in before and before[link.linked.stop.stop_id] != link.linked
            ),
            wanted=self.wanted,
            chain=self.stops,
        )


def _start(linked: LinkedStop) -> datetime:
    return linked.stop.starts_at


def _has_expired(linked: LinkedStop, now: datetime) -> bool:
    return linked.stop.expires_at is not None and linked.stop.expires_at <= now


def _bounds(linked: LinkedStop, now: datetime) -> bool:
    return linked.stop.kind not in PLACELESS and not _has_expired(linked, now)
