"""Travel bands of a draft (R-090): the problem knows none, and what stays decides what lies in one.

A band is measured from the shift's bases and from the visits in it that stay where they are. Those that are
pinned stay in every plan, so for most visits and duties it is known before the search whether the band can
hold them; for the rest it is known once a plan says what stays.
"""

from collections.abc import Collection, Set
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from geo.domain.duties import DutyView, live
from geo.domain.legs import LegBook, free_leg
from geo.domain.tours import Option
from geo.domain.zones import anchors, in_band, standing
from geo.usecases.ledger import Books
from geo.usecases.rounds.draft import Draft, Wanted
from kit.errors import Reason

Pair = tuple[int, int]
"""A visit of a draft and a duty, by their positions."""

NONE: Final[frozenset[Pair]] = frozenset()


class _Held(Enum):
    """Whether a band holds a visit: in every plan, in none, or as the plan is."""

    ALWAYS = auto()
    NEVER = auto()
    PERHAPS = auto()


@dataclass(frozen=True, slots=True)
class Bands:
    """What no plan may have, and what not every plan may."""

    never: frozenset[Pair]
    perhaps: frozenset[Pair]


def bands(draft: Draft, books: Books) -> Bands:
    """How the visits that may move stand to the bands of the agents who may have them."""
    found: dict[_Held, set[Pair]] = {held: set() for held in _Held}
    for visit, wanted in enumerate(draft.wanted):
        if not wanted.pinned:
            for duty in {duty for option in wanted.options for duty in option.duties}:
                found[_held(draft, books, wanted, duty)].add((visit, duty))
    return Bands(frozenset(found[_Held.NEVER]), frozenset(found[_Held.PERHAPS]))


def without(draft: Draft, taken: Set[Pair]) -> Draft:
    """The draft with these visits kept off these duties, except exactly as they are booked."""
    if not taken:
        return draft
    wanted = [
        _kept_off(one, frozenset(duty for visit, duty in taken if visit == at))
        for at, one in enumerate(draft.wanted)
    ]
    return replace(draft, wanted=tuple(wanted))


def _kept_off(wanted: Wanted, duties: Set[int]) -> Wanted:
    if not duties:
        return wanted
    options = tuple(
        one
        if _as_it_is(wanted, one)
        else replace(one, duties=tuple(d for d in one.duties if d not in duties))
        for one in wanted.options
    )
    closed = tuple((duty, Reason.OUTSIDE_ZONE) for duty in sorted(duties))
    return replace(wanted, options=options, closed=(*wanted.closed, *closed))


def _as_it_is(wanted: Wanted, option: Option) -> bool:
    if wanted.booked is None:
        return False
    number, stop = wanted.booked
    now = int(stop.starts_at.timestamp()), int(stop.ends_at.timestamp())
    return option.windows == (now,) and option.duties == (number,)


def _held(draft: Draft, books: Books, wanted: Wanted, duty: int) -> _Held:
    view = draft.scene.views[duty]
    where = standing(view.agenda.zones, wanted.place, wanted.postcode)
    if where.inside or where.band is None:
        return _Held.ALWAYS if where.inside else _Held.NEVER
    movable = {one.reference for one in draft.wanted if not one.pinned}
    certain = _anchors(draft, view, movable)
    possible = _anchors(draft, view, {wanted.reference})
    book = books[view.agenda.mode]
    if not certain:
        return _Held.PERHAPS if possible else _Held.ALWAYS
    if _near(book, where.band, certain, wanted.place):
        return _Held.ALWAYS
    known = all(free_leg(one, wanted.place) or book.knows((one, wanted.place)) for one in possible)
    if not known or _near(book, where.band, possible, wanted.place):
        return _Held.PERHAPS
    return _Held.NEVER


def _anchors(draft: Draft, view: DutyView, leaving: Collection[str]) -> frozenset[int]:
    stops = [link.stop for link in live(view.agenda, draft.scene.now)]
    return anchors(view.shift, stops, leaving)


def _near(book: LegBook, band: int, around: Collection[int], place: int) -> bool:
    def drive(start: int) -> int | None:
        pair = (start, place)
        leg = free_leg(*pair) or (book.leg(pair) if book.knows(pair) else None)
        return None if leg is None else leg.free

    return in_band(band, around, drive)
