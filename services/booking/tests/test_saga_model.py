"""An explicit-state model of book, move, cancel and reconcile with late and repeated messages.

One appointment, one move, two slots (the old and the new) that others may take and free. Every request to the
ledger goes into a bag of messages and may arrive at any time, also after its sender has given up, also twice.
All states are visited. Bad is what the product promises never to show:

- decided: an appointment that is live while its stop is not the one its row says (no move being pending);
- quiet: once nothing is on its way and the reconciler has nothing left to do, a stop without its owner.

With the conditional updates taken out, the same search has to find a bad state: else it looks at nothing.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

FREE, OLD, NEW = "-", "old", "new"


@dataclass(frozen=True)
class World:
    """`row` is booking's state; `stop` where geo has the appointment's stop; tombs: what geo refuses."""

    row: str = "NONE"
    at: str = FREE
    move: str = "NONE"
    stop: str = FREE
    tomb: bool = False
    moved: str = "NONE"
    settled: bool = False
    others: frozenset[str] = frozenset()
    bag: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rules:
    """What may be left out, to see that the model notices."""

    conditional: bool = True
    fence: bool = True
    settle_before_drop: bool = True


def nexts(w: World, rules: Rules) -> Iterator[World]:
    yield from customers(w)
    yield from booking(w, rules)
    yield from moving(w, rules)
    yield from reconciler(w, rules)


def customers(w: World) -> Iterator[World]:
    for slot in (OLD, NEW):
        if slot in w.others:
            yield replace(w, others=w.others - {slot})
        elif w.stop != slot:
            yield replace(w, others=w.others | {slot})
    if w.row == "LIVE" and w.move != "PENDING":
        yield replace(w, row="CANCELLED", at=FREE)  # one transaction; the stop follows


def booking(w: World, rules: Rules) -> Iterator[World]:
    if w.row == "NONE":
        yield replace(w, row="PENDING")
    if w.row == "PENDING":
        yield replace(w, bag=w.bag | {"reserve"})
    for message in w.bag:
        if message == "reserve":
            yield from reserve_arrives(w, w.bag - {message})
            yield from reserve_arrives(w, w.bag)  # and once more, later
        if message == "ok":
            yield from decide(w, "LIVE", rules)
        if message == "refused":
            yield from decide(w, "FAILED", rules)


def reserve_arrives(w: World, rest: frozenset[str]) -> Iterator[World]:
    if w.tomb or (w.stop == FREE and OLD in w.others):
        yield replace(w, bag=rest | {"refused"})
        yield replace(w, bag=rest)  # the answer is lost
    else:
        stop = OLD if w.stop == FREE else w.stop
        yield replace(w, stop=stop, bag=rest | {"ok"})
        yield replace(w, stop=stop, bag=rest)


def decide(w: World, to: str, rules: Rules) -> Iterator[World]:
    message = "ok" if to == "LIVE" else "refused"
    done = replace(w, bag=w.bag - {message})
    yield done  # its process died
    if w.row == "PENDING" or not rules.conditional:
        yield replace(done, row=to, at=OLD if to == "LIVE" else FREE)


def moving(w: World, rules: Rules) -> Iterator[World]:
    if w.row == "LIVE" and w.move == "NONE" and w.at == OLD:
        yield replace(w, move="PENDING")
    if w.move == "PENDING":
        yield replace(w, bag=w.bag | {"move"})
    for message in w.bag:
        rest = w.bag - {message}
        if message == "move":
            yield from move_arrives(w, rest)
            yield from move_arrives(w, w.bag)
        if message == "moved_ok":
            yield replace(w, bag=rest)
            yield from follow(replace(w, bag=rest), rules)
        if message == "moved_refused":
            yield replace(w, bag=rest)
            yield from settle_move(replace(w, bag=rest), rules, ask=rules.settle_before_drop)


def move_arrives(w: World, rest: frozenset[str]) -> Iterator[World]:
    if w.moved == "MADE":
        yield replace(w, bag=rest | {"moved_ok"})
    elif w.moved == "NEVER" or w.tomb or w.stop == FREE or NEW in w.others:
        yield replace(w, bag=rest | {"moved_refused"})
    else:
        yield replace(w, stop=NEW, moved="MADE", bag=rest | {"moved_ok"})
        yield replace(w, stop=NEW, moved="MADE", bag=rest)


def follow(w: World, rules: Rules) -> Iterator[World]:
    if w.move == "PENDING" or not rules.conditional:
        row = w.row if rules.conditional else "LIVE"
        yield replace(w, row=row, at=NEW, move="APPLIED")


def settle_move(w: World, rules: Rules, *, ask: bool) -> Iterator[World]:
    if w.move != "PENDING" and rules.conditional:
        return
    if ask and w.moved == "MADE":
        yield from follow(w, rules)
    else:
        moved = "NEVER" if ask else w.moved
        yield replace(w, moved=moved)  # its process died after asking
        yield replace(w, moved=moved, move="DROPPED")


def reconciler(w: World, rules: Rules) -> Iterator[World]:
    if w.row == "PENDING":
        yield replace(w, row="FAILED")
    if w.row in {"FAILED", "CANCELLED"} and not w.settled:
        if rules.fence:
            yield replace(w, stop=FREE, tomb=True)  # its process died after the fence
            yield replace(w, stop=FREE, tomb=True, settled=True)
        else:
            yield replace(w, stop=FREE, settled=True)
    if w.move == "PENDING":
        yield from settle_move(w, rules, ask=True)


def is_bad(w: World) -> bool:
    if w.row == "LIVE" and w.move != "PENDING" and w.stop != w.at:
        return True
    if w.row == "LIVE" and w.stop == FREE:
        return True
    quiet = not w.bag and (w.settled or w.row in {"NONE", "LIVE"}) and w.move != "PENDING"
    return quiet and w.stop != FREE and w.row != "LIVE"


def search(rules: Rules) -> tuple[int, list[World]]:
    """How many states there are, and the way to the first bad one (empty: there is none)."""
    came_from: dict[World, World | None] = {World(): None}
    queue = deque(came_from)
    while queue:
        here = queue.popleft()
        if is_bad(here):
            return len(came_from), way_to(here, came_from)
        for there in nexts(here, rules):
            if there not in came_from:
                came_from[there] = here
                queue.append(there)
    return len(came_from), []


def way_to(end: World, came_from: dict[World, World | None]) -> list[World]:
    way: list[World] = []
    step: World | None = end
    while step is not None:
        way.append(step)
        step = came_from[step]
    return way[::-1]


def test_no_bad_state_can_be_reached() -> None:
    states, bad = search(Rules())
    assert bad == []
    assert states > 1000


@pytest.mark.parametrize(
    "broken",
    [Rules(conditional=False), Rules(fence=False), Rules(settle_before_drop=False)],
    ids=["without conditional updates", "without fencing", "dropping a move without asking"],
)
def test_each_safeguard_is_needed(broken: Rules) -> None:
    _, way = search(broken)
    assert way, "the model finds nothing: it does not look"
    assert is_bad(way[-1])
