"""Gaps of agents' shifts as parallel arrays: what slot search looks through.

Instants are Unix seconds. A gap lies inside one shift, between two things that occupy time. A visit put into
it begins at `opens` or later, `ready` plus the drive in plus its buffer or later, and ends by `closes`. The
drive out goes to the next stop that has a place: directly, to end by `deadline`; or, where breaks or absences
come first (they are taken where the visit is), within the `budget` of seconds that is left after them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from geo.domain.places import Ints
from kit.errors import Reason

NEVER: Final = -(2**60)
"""An instant before all others: nothing comes before the gap."""
FOREVER: Final = 2**60
"""An instant after all others, or seconds without limit: nothing comes after the gap."""

FAULTS: Final = (
    None,
    Reason.TRAVEL_IN,
    Reason.TRAVEL_OUT,
    Reason.UNREACHABLE,
    Reason.QUOTA,
    Reason.OUTSIDE_ZONE,
)
"""Why nothing fits, by the code in `Gaps.fault`: the frame of the shift does not, or a rule says no."""
RULES: Final = FAULTS.index(Reason.QUOTA)
"""The first code of a rule: it outranks all that travel times say."""


def _column(number: int) -> property:
    return property(lambda gaps: gaps.table[number])


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """Parallel columns, ordered by agent and time.

    `agent` counts along whatever list of agents the arrays were made for. `ready` is when the stop before
    ends (NEVER without one) and `origin` where (NOWHERE without a place). `target` is the place of the next
    stop that has one, and `target_buffer` the buffer kept before it. `direct` is 1 where the drive out begins
    at the visit's end, else 0. `replaced` are the seconds of the drive origin → target that a visit in
    between would replace.

    `kept_place` is where a break or absence right after the gap stands, with a stored drive of `kept` seconds
    behind it: a visit at that very place leaves both as they are. NOWHERE without one; `kept_detour` is 1
    where the stored drive leads over a removed place.

    `leaves` is when the drive out begins where `direct` is 0.

    `fault` is a code of FAULTS when something else in the shift's frame does not fit (the base is too far
    from yesterday's last stop), with the seconds missing in `fault_seconds`; 0 otherwise. `last_start` is the
    last instant at which a visit may begin, whatever its length (FOREVER without one): a full day comes next.
    """

    table: Ints
    """The columns, one a row."""

    agent = _column(0)
    opens = _column(1)
    closes = _column(2)
    ready = _column(3)
    origin = _column(4)
    deadline = _column(5)
    direct = _column(6)
    budget = _column(7)
    target = _column(8)
    target_buffer = _column(9)
    replaced = _column(10)
    kept_place = _column(11)
    kept = _column(12)
    kept_detour = _column(13)
    fault = _column(14)
    fault_seconds = _column(15)
    leaves = _column(16)
    last_start = _column(17)

    def __len__(self) -> int:
        return int(self.table.shape[1])

    def take(self, which: Ints) -> "Gaps":
        """The gaps at these positions."""
        return Gaps(self.table.take(which, axis=1))


WIDTH: Final = 18
"""Number of columns."""
ROOM: Final = (1, 2, 14)
"""Numbers of the columns that `roomy` goes by."""


def of_rows(rows: Sequence[tuple[int, ...]]) -> Gaps:
    """Gaps from rows, each with the columns in their order."""
    table = np.array(rows, dtype=np.int64).reshape(-1, WIDTH)
    return Gaps(np.ascontiguousarray(table.T))


def faulted(found: Gaps, which: Ints, reason: Reason) -> Gaps:
    """The gaps, with a fault on those at these positions."""
    table = found.table.copy()
    table[14, which] = FAULTS.index(reason)
    return Gaps(table)


def roomy(room: tuple[Ints, Ints, Ints], duration: int) -> Ints:
    """Positions of those gaps, by their columns ROOM, with room for a visit of so many seconds before any
    travel is counted."""
    opens, closes, fault = room
    return np.flatnonzero((closes - opens >= duration) & (fault == 0))


def in_order(parts: Sequence[Gaps], keys: Sequence[Ints]) -> Gaps:
    """Gaps of some parts as one, by the keys of each part's; equal keys keep their order."""
    return Gaps(np.concatenate([part.table for part in parts], axis=1)).take(
        np.argsort(np.concatenate(keys), kind="stable")
    )


def room_for(rows: Ints) -> Ints:
    """A table for the gaps of several agents, `rows` of each, that `put` fills: one by one, so that they are
    never all there beside the whole."""
    return np.empty((WIDTH, int(rows.sum())), dtype=np.int64)


def put(table: Ints, first: int, part: Gaps, agent: int) -> int:
    """Puts the gaps of the agent of that number into the table, from the row `first` on; gives the row behind
    them."""
    span = slice(first, first + len(part))
    table[:, span], table[0, span] = part.table, agent
    return span.stop
