"""A draft: the visits that are wanted on some duties, before the drives between them are known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from geo.domain.stop import Stop
from geo.domain.tours import Option
from geo.usecases.rounds.scene import Scene
from kit.errors import Reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """A visit of a draft. `place` is a place's key; `booked` is where the ledger has it, with its duty.

    `closed` are the duties that refuse it whatever the rounds are, and why; `shiftless` the agents who have
    no shift at all.
    """

    reference: str
    place: int
    duration: int
    buffer: int
    options: tuple[Option, ...]
    weight: int | None
    rank: int | None = None
    pinned: bool = False
    booked: tuple[int, Stop] | None = None
    postcode: str = ""
    closed: tuple[tuple[int, Reason], ...] = ()
    shiftless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem before the drives are known. `extra` are absences that the plan has to respect, by agent.

    With `never_more`, a plan that drives more than what is booked is none.
    """

    scene: Scene
    wanted: tuple[Wanted, ...]
    travel_limit: int | None = None
    extra: Mapping[str, Stop] = field(default_factory=dict)
    never_more: bool = False


def as_booked(scene: Scene, number: int, stop: Stop) -> Wanted:
    """A visit of the ledger, pinned where it is."""
    start, end = int(stop.starts_at.timestamp()), int(stop.ends_at.timestamp())
    plan = scene.plans.get(stop.owner_id or "")
    return Wanted(
        reference=stop.owner_id or stop.stop_id,
        place=stop.place,
        duration=end - start,
        buffer=stop.buffer if plan is None else plan.buffer,
        options=(Option(((start, end),), (number,)),),
        weight=None,
        pinned=True,
        booked=(number, stop),
        postcode="" if plan is None else plan.postcode,
    )


def needs(scene: Scene, reference: str, stop: Stop) -> tuple[tuple[str, ...], int, str]:
    """What a booked visit takes of an agent: skills, the place, its postcode."""
    plan = scene.plans.get(reference)
    return (plan.skills, stop.place, plan.postcode) if plan else ((), stop.place, "")
