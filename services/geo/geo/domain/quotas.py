"""How many visits an agent may have a day: a calendar day of the agent's zone, by the visit's start."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from geo.domain import gaps
from geo.domain.calendar import day_around
from geo.domain.gaps import FAULTS, Gaps
from geo.domain.parameters import MAX_VISITS_PER_DAY, STOP_BOOKING_AT_PERCENT
from geo.domain.stop import VISITS, Stop
from kit.errors import Reason
from kit.parameters import Scope, resolve

Span = tuple[int, int]
"""Unix seconds, half-open."""

_FULL: Final = FAULTS.index(Reason.QUOTA)
_OPENS, _CLOSES, _FAULT, _LAST_START = 1, 2, 14, 17


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `most` visits a day; no booking any more once `percent` of them are taken."""

    most: int
    percent: int = 100

    @property
    def limit(self) -> int:
        """Visits at which a day is full."""
        return -(-self.most * self.percent // 100)


def quota_of(tenants: Mapping[str, str], agents: Mapping[str, str]) -> Quota | None:
    """The quota by what the tenant and the agent set, JSON texts by name; None for no limit."""
    most, percent = (
        resolve(one, _set_of(one.name, tenants, agents)).value
        for one in (MAX_VISITS_PER_DAY, STOP_BOOKING_AT_PERCENT)
    )
    return Quota(most, percent) if most else None


def _set_of(name: str, tenants: Mapping[str, str], agents: Mapping[str, str]) -> dict[Scope, str]:
    scopes = {Scope.TENANT: tenants, Scope.USER: agents}
    return {scope: texts[name] for scope, texts in scopes.items() if name in texts}


def full_days(stops: Iterable[Stop], time_zone: str, quota: Quota) -> list[Span]:
    """The days on which as many visits start as may, in order; expired holds are left out by the caller."""
    days = Counter(day_around(time_zone, stop.starts_at) for stop in stops if stop.kind in VISITS)
    full = (day for day, visits in days.items() if visits >= quota.limit)
    return sorted((int(day.start.timestamp()), int(day.end.timestamp())) for day in full)


def pieces(span: Span, full: Sequence[Span]) -> Iterator[tuple[Span, bool]]:
    """The span cut at full days, in order: each piece, and whether it is full."""
    at, end = span
    for first, last in full:
        if last <= at or end <= first:
            continue
        if at < first:
            yield (at, first), False
        at, until = max(at, first), min(end, last)
        yield (at, until), True
        at = until
    if at < end:
        yield (at, end), False


def cut(found: Gaps, full: Sequence[Span]) -> Gaps:
    """Gaps in which no visit starts on a full day: a full part is a gap of its own, with the fault QUOTA."""
    if not full:
        return found
    rows = [piece for row in found.table.T.tolist() for piece in _cut(row, full)]
    return gaps.of_rows(rows)


def _cut(row: list[int], full: Sequence[Span]) -> Iterator[tuple[int, ...]]:
    closes = row[_CLOSES]
    for (start, end), is_full in pieces((row[_OPENS], closes), full):
        piece = list(row)
        piece[_OPENS] = start
        if is_full:
            piece[_CLOSES], piece[_FAULT] = end, _FULL
        elif end < closes:
            piece[_LAST_START] = end - 1  # the visit may end on the full day, not begin on it
        yield tuple(piece)
