"""An agent's calendar, and the address that calendar programs subscribe to (R-080)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from booking.domain.agent_calendar import (
    MOST_FED,
    MOST_VISITS,
    CalendarVisit,
    Drive,
    Feed,
    FeedSecrets,
    ToldDrive,
    calendar_window,
    digest_of,
    retell,
)
from booking.domain.appointment import LIVE, WITH_STOP, Appointment
from booking.storage import calendar_drives, calendars
from booking.usecases import views
from booking.usecases.desk import Desk
from booking.usecases.reach import reach
from kit.bounded import at_most
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import Conflict, NotFound, Reason
from kit.failpoints import failpoint
from kit.rpc.context import caller
from kit.values.days import parse_day
from kit.values.ids import new_id
from kit.values.window import Window

_TRIES = 5
_MOST_DRIVES = 100
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class CalendarOf:
    """Days are "YYYY-MM-DD" in the agent's zone, or empty."""

    agent_id: str
    first_day: str
    last_day: str
    with_travel: bool


@dataclass(frozen=True, slots=True)
class AgentCalendar:
    """Visits and drives by start; `truncated`: there are more visits, and the latest are left out."""

    visits: Sequence[CalendarVisit]
    drives: Sequence[ToldDrive]
    truncated: bool
    zone: str


@dataclass(frozen=True, slots=True)
class _Read:
    """What the rows say: visits by start, at most `most` and one more; when they were read.

    `tellings` is how often drives were told before that.
    """

    tenant: str
    agent_id: str
    visits: Sequence[CalendarVisit]
    window: Window
    most: int
    now: datetime
    zone: str
    tellings: int

    @property
    def shown(self) -> Sequence[CalendarVisit]:
        return self.visits[: self.most]

    @property
    def truncated(self) -> bool:
        return len(self.visits) > self.most


@dataclass(frozen=True, slots=True)
class NewFeed:
    """A fresh address's secret part and when it was made."""

    secret: str
    created_at: datetime


async def get_agent_calendar(desk: Desk, query: CalendarOf) -> AgentCalendar:
    """For whoever asks; what could be told of it is kept with `keep_shown`.

    Raises NotFound, NotAllowed, InvalidInput naming a day, Unavailable without geo, CHANGE_IN_PROGRESS.
    """
    _require_agent(query.agent_id)
    tenant = caller().tenant
    zone = ZoneInfo(await desk.agents.zone(tenant, query.agent_id))
    first = parse_day(query.first_day, "first_day") if query.first_day else None
    last = parse_day(query.last_day, "last_day") if query.last_day else None
    async with desk.db.uow(tenant) as tx:
        now = await tx.now()
        window = calendar_window(first, last, now, zone)
        read = await _read(tx, query.agent_id, window, MOST_VISITS, zone)
    return await _calendar(desk, read, with_travel=query.with_travel)


async def keep_shown(desk: Desk, calendar: AgentCalendar) -> None:
    """Keeps that an agent was shown it (R-017), once an answer carries it; who reads a feed nobody knows."""
    await views.keep_for_clients(desk, [visit.appointment for visit in calendar.visits])


async def read_feed(desk: Desk, tenant: str, secret: str, *, with_travel: bool) -> AgentCalendar | None:
    """The calendar behind an address; None when there is no such address any more.

    Raises Unavailable, CHANGE_IN_PROGRESS.
    """
    async with desk.db.uow(tenant) as tx:
        feed = await calendars.by_digest(tx, digest_of(secret))
        if feed is None:
            return None
        zone = ZoneInfo(feed.time_zone)
        window = calendar_window(None, None, await tx.now(), zone)
        read = await _read(tx, feed.agent_id, window, MOST_FED, zone)
    return await _calendar(desk, read, with_travel=with_travel)


async def rotate_feed(desk: Desk, secrets: FeedSecrets, agent_id: str, claim: Claim) -> NewFeed:
    """A new address, and the one before is gone; the same again for the same claim. Raises NotFound.

    A request that is repeated once its claim is forgotten makes another address: none comes back.
    """
    _require_agent(agent_id)
    who = caller()
    zone = await desk.agents.zone(who.tenant, agent_id)
    async with desk.db.uow(who.tenant, claim) as tx:
        now = await tx.now()
        feed_id = tx.claim_ref or new_id("fed")
        secret = secrets.make(who.tenant, agent_id, feed_id)
        if not tx.duplicate:
            await calendars.put(tx, Feed(agent_id, digest_of(secret), zone, who.subject, now))
            tx.refer(feed_id)
        kept = await calendars.by_digest(tx, digest_of(secret))
        await failpoint("booking.feed.before_commit")
    return NewFeed(secret, kept.created_at if kept else now)


async def revoke_feed(desk: Desk, agent_id: str) -> None:
    """Takes the address away; none is no error. Raises NotFound for nobody's agent."""
    _require_agent(agent_id)
    tenant = caller().tenant
    await desk.agents.zone(tenant, agent_id)
    async with desk.db.uow(tenant) as tx:
        await calendars.drop(tx, agent_id)


def _require_agent(agent_id: str) -> None:
    mine = reach()
    if agent_id not in mine.agents:
        mine.require_whole()


async def _read(tx: Tx, agent_id: str, window: Window, most: int, zone: ZoneInfo) -> _Read:
    # before the visits, which may be newer than it and not older
    tellings = await calendar_drives.tellings(tx, agent_id)
    found = await calendars.visits(tx, agent_id, window, most + 1)
    return _Read(tx.tenant, agent_id, found, window, most, await tx.now(), zone.key, tellings)


async def _calendar(desk: Desk, read: _Read, *, with_travel: bool) -> AgentCalendar:
    if not with_travel:
        return AgentCalendar(read.shown, (), read.truncated, read.zone)
    for _ in range(_TRIES):
        drives = await _told_drives(desk, read)
        if drives is not None:
            return AgentCalendar(read.shown, drives, read.truncated, read.zone)
        async with desk.db.uow(read.tenant) as tx:
            read = await _read(tx, read.agent_id, read.window, read.most, ZoneInfo(read.zone))
    raise Conflict(Reason.CHANGE_IN_PROGRESS, "others read this calendar as it changes; try again")


async def _told_drives(desk: Desk, read: _Read) -> Sequence[ToldDrive] | None:
    """What is told of drives from here on, up to the last visit that the ledger was asked about.

    None when another reader told something since this one read: what this one knows may be the older.
    """
    to_come = [each.appointment for each in read.shown if _is_to_come(each.appointment, read.now)]
    asked = to_come[:_MOST_DRIVES]
    drives = await _drives(desk, read.tenant, asked)
    await failpoint("booking.calendar.asked")
    window = read.window
    if read.truncated or len(to_come) > len(asked):
        window = Window(window.start, (asked or [read.shown[-1].appointment])[-1].window.end)
    async with desk.db.uow(read.tenant) as tx:
        await calendar_drives.take_turn(tx, read.agent_id)
        if await calendar_drives.tellings(tx, read.agent_id) != read.tellings:
            return None
        ids = [drive.appointment_id for drive in drives]
        before = await calendar_drives.told(tx, read.agent_id, window, ids)
        told = retell(before, drives, _on(read.shown), read.now)
        await calendar_drives.tell(tx, read.agent_id, before, told)
    return told


def _on(visits: Sequence[CalendarVisit]) -> dict[str, datetime]:
    appointments = [each.appointment for each in visits]
    return {each.appointment_id: each.window.start for each in appointments if each.state in WITH_STOP}


def _is_to_come(appointment: Appointment, now: datetime) -> bool:
    return appointment.state in LIVE and appointment.window.start > now


async def _drives(desk: Desk, tenant: str, to_come: Sequence[Appointment]) -> list[Drive]:
    found = await at_most(_AT_ONCE, partial(_drive, desk, tenant), to_come)
    return [drive for drive in found if drive is not None]


async def _drive(desk: Desk, tenant: str, appointment: Appointment) -> Drive | None:
    try:
        stop = await desk.ledger.reservation(tenant, appointment.appointment_id)
    except NotFound:  # cancelled since it was read
        return None
    leg, start = stop.leg_before, stop.plan.window.start
    if leg is None or not leg.travel + leg.buffer:
        return None
    return Drive(appointment.appointment_id, Window(start - leg.travel - leg.buffer, start))
