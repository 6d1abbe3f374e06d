"""The chain of an agent's stops: taking stops out, putting stops in, and whether the drives still fit.

For consecutive stops a, b: `end(a) + leg(a, b) + buffer(b) <= start(b)` (R-087). Everything here is pure; the
legs come in a `LegBook` and a decision that lacks one raises `MissingLegs`.

- A stop without a place of its own is taken where the stop before it ends, so a visit put in before a break
  moves the break, and the drive to the stop after it.
- A pair that was there before keeps its leg: newer travel data never moves or refuses it (R-089). Where a
  break comes or goes in between, it is driven at another hour, by the profile that it was promised with.
- Taking stops out never fails: what was driven over them can be driven again, so the pair left behind gets
  the direct leg or the way over, whichever is shorter (`via`), and needs no engine for it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from geo.domain.legs import LegBook, MissingLegs, Pair, free_leg
from geo.domain.matrix import is_mixed, version_of_all
from geo.domain.plan import Drive
from geo.domain.stop import NOWHERE, PLACELESS, VISITS, Leg, LinkedStop, Stop, StopKind, TravelSource
from kit.errors import Reason

_TAKEN: Final = {
    StopKind.APPOINTMENT: Reason.SLOT_TAKEN,
    StopKind.HOLD: Reason.SLOT_TAKEN,
    StopKind.BREAK: Reason.ON_BREAK,
    StopKind.ABSENCE: Reason.ABSENT,
    StopKind.DAY_START: Reason.OUTSIDE_SHIFT,
    StopKind.DAY_END: Reason.OUTSIDE_SHIFT,
}


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive stops of one agent, in order.

    `before` is the stop before them, which stays as it is; None when the first of `stops` heads the chain.
    The last of `stops` has a place of its own, or ends the chain.
    """

    before: LinkedStop | None
    stops: tuple[LinkedStop, ...]

    def expired(self, now: datetime) -> list[Stop]:
        """Holds that no longer count."""
        return [
            linked.stop
            for linked in self.stops
            if linked.stop.expires_at is not None and linked.stop.expires_at <= now
        ]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why two consecutive stops cannot be; `short_seconds` is what is missing, where it has an amount."""

    reason: Reason
    earlier: Stop
    later: Stop
    short_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A stop as it stands after the splice, with the stop before it."""

    linked: LinkedStop
    previous: Stop | None


@dataclass(frozen=True, slots=True)
class Splice:
    """What has to be written, or why it cannot be: with `refusals` nothing is written.

    `wanted` are pairs for which a direct leg might be shorter than the one taken.
    """

    removed: tuple[Stop, ...] = ()
    added: tuple[Link, ...] = ()
    relinked: tuple[Link, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    wanted: frozenset[Pair] = frozenset()
    chain: tuple[LinkedStop, ...] = ()
    """The segment afterwards, in order, `before` left out."""

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.removed or self.added or self.relinked)


def splice(
    segment: Segment, book: LegBook, *, remove: Collection[str] = (), insert: Iterable[Stop] = ()
) -> Splice:
    """Takes the stops with these ids out and puts these in. Raises MissingLegs with all pairs it lacks."""
    coming = sorted(insert, key=lambda stop: stop.starts_at)
    kept = [linked for linked in segment.stops if linked.stop.stop_id not in remove]
    overlaps = _overlaps(segment.before, kept, coming)
    if overlaps:
        return Splice(refusals=overlaps)
    return _Weaver(segment, book, coming).weave(kept)


def measured_anew(segment: Segment, book: LegBook, *, remove: Collection[str] = ()) -> Splice:
    """All stops where and when they are, without those with these ids, every drive to them by this book: for
    an agent who travels in another way from now on. Raises MissingLegs with all pairs it lacks."""
    kept = [linked for linked in segment.stops if linked.stop.stop_id not in remove]
    return _Weaver(segment, book, (), anew=True).weave(kept)


def around(chain: Sequence[LinkedStop], stop_id: str) -> tuple[Drive | None, Drive | None]:
    """The drives to and from one stop of a chain; None where nothing comes before or after."""
    for index, linked in enumerate(chain):
        if linked.stop.stop_id == stop_id:
            after = chain[index + 1] if index + 1 < len(chain) else None
            return drive_to(linked), drive_to(after)
    raise LookupError(stop_id)


def drive_to(linked: LinkedStop | None) -> Drive | None:
    """The drive to a stop with its buffer; None when there is no stop or nothing comes before it."""
    if linked is None or linked.leg is None:
        return None
    return Drive(linked.leg, linked.stop.buffer)


def _overlaps(
    before: LinkedStop | None, kept: Sequence[LinkedStop], coming: Sequence[Stop]
) -> tuple[Refusal, ...]:
    """Every meeting of a stop that comes with one that is there or comes as well, visits first to blame."""
    there = [linked.stop for linked in ([before] if before else []) + list(kept)]
    return tuple(
        _overlap(stop, other)
        for index, stop in enumerate(coming)
        for other in (*there, *coming[:index])
        if stop.starts_at < other.ends_at and other.starts_at < stop.ends_at
    )


def _overlap(stop: Stop, other: Stop) -> Refusal:
    visitor, block = (stop, other) if stop.kind in VISITS else (other, stop)
    earlier, later = sorted((stop, other), key=lambda one: one.starts_at)
    short = min(stop.ends_at, other.ends_at) - later.starts_at
    reason = _TAKEN[block.kind if visitor.kind in VISITS else other.kind]
    return Refusal(reason, earlier, later, int(short.total_seconds()))


@dataclass(slots=True)
class _Node:
    """A stop on its place in the new chain.

    `anchor` is the position in the old chain of the last stop whose place this one shares without a drive:
    from there on the old legs tell a way that was driven.
    """

    stop: Stop
    leg: Leg | None
    previous: Stop | None
    old: LinkedStop | None = None
    anchor: int | None = None


@dataclass(slots=True)
class _Run:
    """Some consecutive nodes and what is to be said about them."""

    nodes: list[_Node] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    missing: set[Pair] = field(default_factory=set)
    wanted: set[Pair] = field(default_factory=set)

    def extend(self, other: "_Run") -> None:
        self.nodes += other.nodes
        self.refusals += other.refusals
        self.missing |= other.missing
        self.wanted |= other.wanted


class _Weaver:
    """Makes the new chain from left to right, a group at a time: placeless stops and the placed one after."""

    def __init__(
        self, segment: Segment, book: LegBook, coming: Sequence[Stop], *, anew: bool = False
    ) -> None:
        self._segment, self._book, self._coming, self._anew = segment, book, coming, anew
        self._old = ([segment.before] if segment.before else []) + list(segment.stops)
        self._position = {linked.stop.stop_id: index for index, linked in enumerate(self._old)}

    def weave(self, kept: Sequence[LinkedStop]) -> Splice:
        run = _Run()
        group: list[Stop] = []
        for stop in sorted([linked.stop for linked in kept] + list(self._coming), key=lambda s: s.starts_at):
            group.append(stop)
            if stop.kind not in PLACELESS:
                run.extend(self._best(self._last(run), group))
                group = []
        run.extend(self._best(self._last(run), group))
        unsure = bool(run.refusals and run.wanted and self._coming)
        if run.missing or unsure:  # what comes is not refused before the shorter ways were looked up
            raise MissingLegs(run.missing | run.wanted, self._book.mode)
        return self._splice(run, {linked.stop.stop_id for linked in kept})

    def _last(self, run: _Run) -> _Node | None:
        if run.nodes:
            return run.nodes[-1]
        before = self._segment.before
        return None if before is None else _Node(before.stop, before.leg, None, before, anchor=0)

    def _best(self, last: _Node | None, group: Sequence[Stop]) -> _Run:
        """Placeless stops move to the stop before; where a removal leaves no time for that, they stay."""
        moved = self._run(last, group, stay=False)
        if self._anew:
            return moved
        if moved.missing and not self._coming:  # a drive that is not known for another departure
            moved.refusals.append(Refusal(Reason.TRAVEL_OUT, group[0], group[-1]))
        elif not moved.refusals or moved.missing:
            return moved
        stayed = self._run(last, group, stay=True)
        stayed.wanted |= moved.wanted
        return moved if stayed.refusals or stayed.missing else stayed

    def _run(self, last: _Node | None, group: Sequence[Stop], *, stay: bool) -> _Run:
        run = _Run()
        for stop in group:
            last = self._node(run, last, stop, stay=stay)
            run.nodes.append(last)
        return run

    def _node(self, run: _Run, last: _Node | None, stop: Stop, *, stay: bool) -> _Node:
        position = self._position.get(stop.stop_id)
        old = None if position is None else self._old[position]
        if old is not None and self._untouched(last, old):
            return _Node(stop, old.leg, last.stop if last else None, old, position)
        at = replace(stop, place=self._place(last, stop, old, stay=stay))
        here = position if old is not None and at.place == stop.place and not self._anew else None
        leg = self._leg(run, last, at, here)
        if last is not None and leg is not None:
            self._check(run, last.stop, at, leg)
        if here is None and at.kind in PLACELESS and last is not None:
            here = last.anchor
        return _Node(at, leg, last.stop if last else None, old, here)

    def _untouched(self, last: _Node | None, old: LinkedStop) -> bool:
        """Whether the stop before is the same one, at the same place, as when the link was made, and the
        drive still counts."""
        if self._anew:
            return False
        if last is None or old.leg is None:
            return last is None and old.leg is None
        return last.stop.stop_id == old.previous_id and last.stop.place == old.leg.from_place

    def _place(self, last: _Node | None, stop: Stop, old: LinkedStop | None, *, stay: bool) -> int:
        if stop.kind not in PLACELESS:
            return stop.place
        if stay and old is not None and last is not None and last.anchor is not None:
            return stop.place
        return NOWHERE if last is None else last.stop.place

    def _leg(self, run: _Run, last: _Node | None, stop: Stop, position: int | None) -> Leg | None:
        """The leg to a stop; `position` is its own in the old chain, None when it is new or elsewhere."""
        if last is None:
            return None
        free = free_leg(last.stop.place, stop.place)
        if free is not None:
            return free
        driven = None
        if position is not None and last.anchor is not None:
            driven = self._driven(last.anchor, position, last.stop.ends_at)
        if driven is not None and not driven.via:
            return driven
        return self._asked(run, last.stop, stop, driven)

    def _driven(self, anchor: int, position: int, at: datetime) -> Leg | None:
        """The way from one stop of the old chain to a later one as it was driven, for who leaves then; a
        single leg is itself. None where it is not known for that departure."""
        span = range(anchor + 1, position + 1)
        legs = [(self._old[n - 1].stop.ends_at, leg) for n in span if (leg := self._old[n].leg) is not None]
        drives = [(left, leg) for left, leg in legs if leg.source is not TravelSource.NONE]
        return drives[0][1].moved(drives[0][0], at) if len(drives) == 1 else _sum(drives, at)

    def _asked(self, run: _Run, last: Stop, stop: Stop, driven: Leg | None) -> Leg | None:
        pair = (last.place, stop.place)
        if not self._book.knows(pair):
            (run.missing if driven is None else run.wanted).add(pair)
            return driven
        free_flow = self._book.leg(pair)
        direct = None if free_flow is None else free_flow.departing(last.ends_at)
        if direct is None and driven is None:
            run.refusals.append(Refusal(Reason.UNREACHABLE, last, stop))
        if direct is None or driven is None:
            return driven if direct is None else direct
        return direct if direct.seconds <= driven.seconds else driven

    def _check(self, run: _Run, last: Stop, stop: Stop, leg: Leg) -> None:
        gap = int((stop.starts_at - last.ends_at).total_seconds())
        short = leg.seconds + stop.buffer - gap
        if short > 0:
            run.refusals.append(Refusal(self._blame(stop), last, stop, short))

    def _blame(self, later: Stop) -> Reason:
        """TRAVEL_IN up to the visit (or absence) that comes, TRAVEL_OUT after it."""
        for stop in self._coming:
            if stop.kind in VISITS or stop.kind is StopKind.ABSENCE:
                return Reason.TRAVEL_IN if later.starts_at <= stop.starts_at else Reason.TRAVEL_OUT
        return Reason.TRAVEL_OUT

    def _splice(self, run: _Run, kept: Collection[str]) -> Splice:
        chain = tuple(
            LinkedStop(n.stop, n.previous.stop_id if n.previous else None, n.leg) for n in run.nodes
        )
        links = [Link(linked, node.previous) for linked, node in zip(chain, run.nodes, strict=True)]
        return Splice(
            removed=tuple(old.stop for old in self._segment.stops if old.stop.stop_id not in kept),
            added=tuple(link for link, node in zip(links, run.nodes, strict=True) if node.old is None),
            relinked=tuple(
                link
                for link, node in zip(links, run.nodes, strict=True)
                if node.old is not None and link.linked != node.old
            ),
            refusals=tuple(run.refusals),
            wanted=frozenset(run.wanted),
            chain=chain,
        )


def _sum(drives: Sequence[tuple[datetime, Leg]], at: datetime) -> Leg | None:
    """All these drives one after the other, as one leg over places that left the agenda, for who leaves then;
    `drives` come with the departures that they are known for. None where one is not known for another."""
    legs = [leg for _, leg in drives]
    version = version_of_all(leg.version for leg in legs)
    mixed = is_mixed(version)
    whole = Leg(
        legs[0].from_place,
        legs[-1].to_place,
        sum(leg.free for leg in legs),
        sum(leg.metres for leg in legs),
        min((leg.source for leg in legs), key=list(TravelSource).index),
        version,
        via=True,
        profile=None if mixed else legs[0].profile,
        mixed=mixed,
    )
    if not mixed:
        return whole.departing(at)
    arrives = at
    for known_at, leg in drives:
        moved = leg.moved(known_at, arrives)
        if moved is None:
            return None
        arrives += timedelta(seconds=moved.seconds)
    return replace(whole, seconds=int((arrives - at).total_seconds()), free_seconds=whole.seconds)
