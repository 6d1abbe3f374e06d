"""The one way to write the ledger.

Look, fetch the legs, lock, look again, write. The look without a lock tells which legs it takes, and may
refuse at once: what it saw was committed. The second look, after the agents' locks, decides; when it needs a
leg that nobody fetched, or an id has changed hands, nothing is written and it all starts again. Engines are
asked between the transactions, never inside one. Where no engine needs I/O every leg is known beforehand,
and the first look is left out. Each agent's drives are by the agent's own mode, as it is under the lock.
"""

from asyncio import gather
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Generic, TypeVar

from geo.domain import errors
from geo.domain.agent import Agent
from geo.domain.chain import Segment
from geo.domain.errors import StaleLegs, StartAgain
from geo.domain.legs import LegBook, MissingLegs, Pair
from geo.domain.matrix import matrix_of
from geo.domain.modes import TravelMode
from geo.storage import agents, rewrite, stops
from geo.storage.rewrite import Changes
from geo.usecases.by_mode import ByMode
from geo.usecases.ports import TravelTimes
from geo.usecases.turns import Turns
from kit.db.engine import Database
from kit.db.uow import Tx
from kit.errors import RuleViolated, Unavailable
from kit.failpoints import failpoint

T = TypeVar("T")

ATTEMPTS: Final = 5


def _nobody_asks(_tenant: str, _agent_id: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the use cases work with."""

    db: Database
    travel: ByMode[TravelTimes]
    changed: Callable[[str, str], None] = _nobody_asks
    """Called with tenant and agent right after a commit that changed the agenda, in this process."""
    turns: Turns = field(default_factory=Turns)


@dataclass(frozen=True, slots=True)
class Draft(Generic[T]):
    """A decision: the answer, and what to write for it (None: nothing)."""

    answer: T
    changes: Changes | None = None


Books = Mapping[TravelMode, LegBook]
"""The legs at hand, of each mode those that were asked for."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a decision is made on: the transaction, the agents as read or locked, the legs at hand."""

    tx: Tx
    asked: frozenset[str]
    agents: Mapping[str, Agent]
    books: Books
    now: datetime

    def agent(self, agent_id: str, field: str = "agent_id") -> Agent:
        """The agent. Raises NotFound, naming the field; StartAgain when it is not among the locked ones."""
        if agent_id not in self.asked:
            raise StartAgain
        try:
            return self.agents[agent_id]
        except KeyError:
            raise errors.not_found("agent", agent_id, field) from None

    def book(self, agent_id: str) -> LegBook:
        """The legs of the agent's mode. Raises as `agent`."""
        return book_of(self.books, self.agent(agent_id).mode)

    async def segment(self, agent_id: str, lo: datetime, hi: datetime) -> Segment:
        """The stops that start in `[lo, hi)` with what bounds them."""
        return await stops.segment(self.tx, agent_id, lo, hi, self.now)


Find = Callable[[Tx], Awaitable[Collection[str]]] | Collection[str]
"""Ids of the agents whose agendas a use case is about, or how to find them."""


def book_of(books: Books, mode: TravelMode) -> LegBook:
    """The legs of a mode, none where none were asked for."""
    return books.get(mode) or LegBook(mode=mode)


AskLegs = Callable[[Collection[Pair]], Awaitable[LegBook]]
"""A question for the legs of these pairs."""

Decide = Callable[[Desk], Awaitable[Draft[T]]]
"""The decision on what is there; called twice, and the second time under the locks."""


async def write(ledger: Ledger, tenant: str, name: str, find: Find, decide: Decide[T]) -> T:
    """Decides and writes; `name` is the use case, for its failpoints.

    Raises what the decision refuses; Unavailable (TRAVEL_UNAVAILABLE) when legs are needed and no engine
    answers; Conflict (CONTENTION) when others keep changing the same agenda.
    """
    work = _Work(ledger, tenant, name, find, decide)
    books: Books = {}
    stale = False
    for _ in range(ATTEMPTS):
        try:
            every = await _every(ledger, tenant, fresh=stale)
            if _whole(ledger, every):
                return await _at_once(work, {**books, **every})
            asked, looked, books = await _look(work, {**_of_one_matrix(books, every), **every})
            if looked is not None and looked.changes is None:
                return looked.answer
            return await _lock_and_write(work, asked, books)
        except MissingLegs as missing:
            books = await _with(ledger, tenant, books, missing)
        except StaleLegs:
            books, stale = {}, True
        except StartAgain:
            continue
    raise errors.contention()


async def look(ledger: Ledger, tenant: str, find: Find, decide: Decide[T]) -> T:
    """What `write` would decide on what is committed now: takes no lock and writes nothing. For reads.

    Raises as `write` does; Conflict (CONTENTION) when ids or legs keep changing hands meanwhile.
    """
    work = _Work(ledger, tenant, "look", find, decide)
    books: Books = await _every(ledger, tenant, fresh=True)
    for _ in range(2 * ATTEMPTS):
        try:
            _, looked, books = await _look(work, books)
        except StartAgain:
            continue
        if looked is not None:
            return looked.answer
    raise errors.contention()


async def _every(ledger: Ledger, tenant: str, *, fresh: bool) -> dict[TravelMode, LegBook]:
    """The books of those modes whose engines need no I/O: by the data in force where others need it.

    Data that is merely at hand does where every mode has a book: `_at_once` compares it before it refuses.
    Any other refusal is told by the look without a lock, so it has to rest on what engines are asked by.
    """
    found = await gather(*(travel.at_once(tenant, fresh=fresh) for _, travel in ledger.travel))
    every = {mode: book for (mode, _), book in zip(ledger.travel, found, strict=True) if book is not None}
    if fresh or not every or _whole(ledger, every):
        return every
    return await _every(ledger, tenant, fresh=True)


def _whole(ledger: Ledger, every: Books) -> bool:
    """Whether there is a book of each mode."""
    return all(mode in every for mode, _ in ledger.travel)


def _of_one_matrix(books: Books, every: Books) -> Books:
    """The books that were asked for, without those of another matrix than the one in force by now."""
    now = {matrix_of(book.version) for book in every.values()}
    return {mode: book for mode, book in books.items() if not now or {matrix_of(book.version)} == now}


async def _with(ledger: Ledger, tenant: str, books: Books, missing: MissingLegs) -> Books:
    """The books with the legs that were missing."""
    mode = missing.mode
    ask = partial(ledger.travel.of(mode).legs, tenant)
    return {**books, mode: await fuller(book_of(books, mode), missing.pairs, ask)}


async def _at_once(work: "_Work[T]", every: Books) -> T:
    """Decides on legs that are known at hand. Raises StaleLegs for a refusal by others than those in force: a
    write compares them itself, and a refusal writes nothing."""
    try:
        return await _lock_and_write(work, await _found(work), every)
    except RuleViolated:
        # engines at hand never change, and the matrix has one version for all modes
        mode, travel = next(iter(work.ledger.travel))
        if await travel.version(work.tenant) != every[mode].version:
            raise StaleLegs from None
        raise


@dataclass(frozen=True, slots=True)
class _Work(Generic[T]):
    """One call of `write`."""

    ledger: Ledger
    tenant: str
    name: str
    find: Find
    decide: Decide[T]


async def _found(work: _Work[T]) -> frozenset[str]:
    """The agents that it is about, read in a transaction of its own where they have to be read."""
    if not callable(work.find):
        return frozenset(work.find)
    async with work.ledger.db.uow(work.tenant) as tx:
        return frozenset(await work.find(tx))


async def fuller(book: LegBook, pairs: Collection[Pair], ask: AskLegs) -> LegBook:
    """The book with these pairs as well, all of one version: where another version answers, it is asked for
    everything. Pair by pair, roads that died and the estimate in their place would take turns for ever."""
    found = await ask(pairs)
    if book.legs and found.version != book.version:
        found = await ask({*pairs, *book.legs})
    return book.extended(found)


async def _look(work: _Work[T], books: Books) -> tuple[frozenset[str], Draft[T] | None, Books]:
    """The decision as it would be without a lock, if the legs at hand suffice, and the books with its
    legs."""
    looked: Draft[T] | None = None
    lacking: MissingLegs | None = None
    async with work.ledger.db.uow(work.tenant) as tx:
        asked = frozenset(await work.find(tx) if callable(work.find) else work.find)
        desk = Desk(tx, asked, await agents.read(tx, asked), books, await tx.now())
        try:
            looked = await work.decide(desk)
        except MissingLegs as missing:
            lacking = missing
    if lacking is not None:
        books = await _with(work.ledger, work.tenant, books, lacking)
    elif looked is not None and looked.changes is not None:
        for agent_id, found in looked.changes.splices.items():
            books = await _bettered(work, books, desk.agent(agent_id).mode, found.wanted)
    return asked, looked, books


async def _bettered(work: _Work[T], books: Books, mode: TravelMode, wanted: frozenset[Pair]) -> Books:
    """The books with legs that are welcome and not needed; without them when no engine answers, or one of
    another version, for which the legs that are needed would have to be asked for anew."""
    book = book_of(books, mode)
    unknown = {pair for pair in wanted if not book.knows(pair)}
    if not unknown:
        return books
    try:
        found = await work.ledger.travel.of(mode).legs(work.tenant, unknown)
    except Unavailable:
        return books
    if book.legs and found.version != book.version:
        return books
    return {**books, mode: book.extended(found)}


async def _lock_and_write(work: _Work[T], asked: frozenset[str], books: Books) -> T:
    ledger, tenant, name = work.ledger, work.tenant, work.name
    async with ledger.turns.of(tenant, asked), ledger.db.uow(tenant) as tx:
        await failpoint(f"geo.{name}.before_lock")
        locked = await agents.lock(tx, asked)
        await failpoint(f"geo.{name}.after_lock")
        draft = await work.decide(Desk(tx, asked, locked, books, await tx.now()))
        await failpoint(f"geo.{name}.after_read")
        if draft.changes is not None:
            await rewrite.write(tx, draft.changes, locked, books.values())
            for agent_id in locked:
                tx.on_commit(partial(ledger.changed, tenant, agent_id))
        await failpoint(f"geo.{name}.before_commit")
    await failpoint(f"geo.{name}.after_commit")
    return draft.answer


def whole_second_after(moment: datetime) -> datetime:
    """The first whole second that is not before `moment`."""
    return moment if not moment.microsecond else moment.replace(microsecond=0) + timedelta(seconds=1)
