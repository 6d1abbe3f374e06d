"""The check of the guarantee, independent of the code that writes the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from geo.domain import errors
from geo.domain.legs import LegBook
from geo.domain.modes import TravelMode
from geo.domain.profile import Profile
from geo.domain.verification import (
    Evidence,
    LegKey,
    Report,
    StoredStop,
    Trip,
    by_other_modes,
    to_remeasure,
    unrecorded,
    verify,
)
from geo.domain.ways_over import WayOver, reached, ways_over
from geo.storage import agents, profiles
from geo.storage.verification import agents_after, drives_from, stored_legs, stored_stops
from geo.usecases.ledger import Ledger
from geo.usecases.slices import Slices
from kit import telemetry
from kit.db.uow import Timeouts, Tx
from kit.errors import Unavailable

_log = telemetry.logger("geo.verify_invariants")


_AT_ONCE: Final = 4
"""Agents checked with one transaction: a check of everybody holds no more than their stops at a time, and
what others wait for is short."""
_MEASURED: Final = 100
"""Drives that are measured again with one question."""


async def verify_invariants(
    ledger: Ledger, tenant: str, agent_id: str = "", slices: Slices | None = None
) -> Report:
    """What is broken on one agent's timeline, or on all of the tenant, some agents after others.

    Drives to come that are of the travel data in use are measured again, and ways over other places are put
    together again from the drives on record. Raises NotFound for the agent, and
    Unavailable (TRAVEL_UNAVAILABLE) when a stop names no drive and no engine answers: it is broken anyway.
    """
    slices = slices or Slices()
    if agent_id:
        await _require_agent(ledger, tenant, agent_id)
        return await _verified(ledger, tenant, [agent_id], slices)
    whole, some = Report(0, 0, 0, ()), await _next_agents(ledger, tenant, "")
    while some:
        whole = whole.with_more(await _verified(ledger, tenant, some, slices))
        await slices.rest()
        some = await _next_agents(ledger, tenant, some[-1])
    return whole


async def _require_agent(ledger: Ledger, tenant: str, agent_id: str) -> None:
    async with ledger.db.uow(tenant) as tx:
        if agent_id not in await agents.read(tx, [agent_id]):
            raise errors.not_found("agent", agent_id, "agent_id")


async def _next_agents(ledger: Ledger, tenant: str, after: str) -> list[str]:
    async with ledger.db.uow(tenant) as tx:
        return await agents_after(tx, after, _AT_ONCE)


async def _verified(ledger: Ledger, tenant: str, agent_ids: Sequence[str], slices: Slices) -> Report:
    """What is broken on the timelines of some agents."""
    async with ledger.db.uow(tenant, timeouts=Timeouts(statement=30.0, idle=30.0)) as tx:
        record = await recorded(tx, await stored_stops(tx, agent_ids, slices.give), slices)
    whole = Report(0, 0, 0, ())
    for part in verify(record.stops, await evidence_on(ledger, tenant, record, slices)):
        whole = whole.with_more(part)
        await slices.give()
    return whole


@dataclass(frozen=True, slots=True)
class Recorded:
    """Stops as they are stored at one instant, the legs on record between their places with where each comes
    from, and the profiles of these legs' versions."""

    stops: Sequence[StoredStop]
    legs: Mapping[LegKey, str]
    weeks: Mapping[str, Profile]
    now: datetime


async def recorded(tx: Tx, stops: Sequence[StoredStop], slices: Slices) -> Recorded:
    """What the stops rely on."""
    legs = await stored_legs(tx, stops, slices.give)
    return Recorded(stops, legs, await profiles.of_versions(tx, {leg[2] for leg in legs}), await tx.now())


async def evidence_on(ledger: Ledger, tenant: str, record: Recorded, slices: Slices) -> Evidence:
    """What the stops are held against. Raises Unavailable as `verify_invariants`."""
    stops, legs, now = record.stops, record.legs, record.now
    versions = await _versions(ledger, tenant)
    invented = set[LegKey]()
    for mode, version in versions.items():
        invented |= await _invented(ledger, (tenant, mode), to_remeasure(stops, version, now), slices)
    known = {leg: None for leg in legs if leg not in invented}
    await slices.give()
    astray = by_other_modes(stops, versions, now) | await _made_up(ledger, tenant, ways_over(stops, now))
    return Evidence(known, await _by_engine(ledger, tenant, unrecorded(stops)), record.weeks, astray)


async def _versions(ledger: Ledger, tenant: str) -> dict[TravelMode, str]:
    """The versions of the data in use, of the modes whose engines answer."""
    found = {}
    for mode, travel in ledger.travel:
        try:
            found[mode] = await travel.version(tenant)
        except Unavailable as unanswered:
            _log.warning("drives not measured again", travel_mode=mode.value, error=str(unanswered))
    return found


async def _made_up(ledger: Ledger, tenant: str, ways: Sequence[WayOver]) -> set[tuple[str, str]]:
    """Stops, by agent and id, to which a way is said to lead that no drives on record make up."""
    recorded, weeks = dict[int, list[LegKey]](), dict[str, Profile]()
    versions = {version for way in ways for version in way.versions}
    while ways:
        found = [(way, reached(way, recorded, weeks)) for way in ways]
        ways = [way for way, places in found if way.target not in places]
        lacking = {place for way, places in found if way in ways for place in places if place not in recorded}
        if not lacking:
            break
        async with ledger.db.uow(tenant) as tx:
            recorded.update({place: [] for place in lacking})
            for leg in await drives_from(tx, lacking, versions):
                recorded[leg[0]].append(leg)
            weeks = weeks or await profiles.of_versions(tx, versions)
    return {way.stop for way in ways}


async def _by_engine(ledger: Ledger, tenant: str, trips: set[Trip]) -> dict[Trip, int | None]:
    """Seconds of these drives, None where there is no way."""
    found: dict[Trip, int | None] = {}
    for mode in sorted({mode for mode, _ in trips}):
        pairs = {pair for of_mode, pair in trips if of_mode is mode}
        book = await ledger.travel.of(mode).legs(tenant, pairs)
        found |= {(mode, pair): leg.seconds if (leg := book.leg(pair)) else None for pair in pairs}
    return found


async def _invented(
    ledger: Ledger, of: tuple[str, TravelMode], legs: set[LegKey], slices: Slices
) -> set[LegKey]:
    """Those that the data in use of a mode tell longer; none, and a word in the log, while no engine
    answers."""
    tenant, mode = of
    found, every = set[LegKey](), list(legs)
    for some in (every[at : at + _MEASURED] for at in range(0, len(every), _MEASURED)):
        await slices.give()
        try:
            book = await ledger.travel.of(mode).legs(tenant, {leg[:2] for leg in some})
        except Unavailable as unanswered:
            _log.warning("drives not measured again", tenant=tenant, error=str(unanswered))
            return set()
        found |= {leg for leg in some if leg[2] == book.version and not _told(book, leg)}
    return found


def _told(book: LegBook, leg: LegKey) -> bool:
    """Whether a drive is no shorter than it is measured now."""
    present = book.leg(leg[:2])
    return present is not None and present.free <= leg[5]
