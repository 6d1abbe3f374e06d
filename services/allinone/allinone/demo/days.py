"""Two weeks of booked days that keep the promise, worked out before anything is asked of a service.

Travel is reckoned by the safe bound (by car 600 s + 120 s a kilometre), a little rounded up, so that the
ledger agrees with nearly every visit, whichever engine answers it.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from allinone.demo.model import DemoAgent, DemoCampaign, DemoContact, DemoShift, DemoTenant, DemoVisit
from allinone.demo.seed import stream
from kit.values.latlng import LatLng, haversine_m, haversine_m_many

DAYS = 14
GRID = timedelta(minutes=5)
DURATIONS = tuple(timedelta(minutes=minutes) for minutes in (30, 40, 45, 60))
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (0, 0, 0, 10, 20, 45))
NEAREST = {"CAR": 80, "BICYCLE": 12}
"""The next visit is one of this many nearest people not visited yet."""
CONFIRMED_DAYS = 2
CONFIRMED_SHARE = 0.4
BOUNDS = {"CAR": (600, 0.12), "BICYCLE": (2400, 1.5)}
"""Seconds, and seconds a metre, in which 99.9 % of real pairs are travelled."""
ELLIPSOID = 1.006
"""Great-circle metres are at most 0.6 % less than the ellipsoid's."""


def bound(origin: LatLng, to: LatLng, mode: str = "CAR") -> timedelta:
    """A travel time that holds for 99.9 % of real pairs; nothing between equal places."""
    if origin == to:
        return timedelta(0)
    constant, rate = BOUNDS[mode]
    return timedelta(seconds=math.ceil(constant + rate * ELLIPSOID * haversine_m(origin, to)))


def booked_days(seed: int, tenant: DemoTenant, first_day: date) -> list[DemoVisit]:
    """The visits of 14 days from `first_day` on, agent by agent, in order of time.

    Leaving some of them out keeps the promise for the rest.
    """
    pools = [_Pool(campaign) for campaign in tenant.campaigns]
    visits: list[DemoVisit] = []
    for offset in range(DAYS):
        day = first_day + timedelta(days=offset)
        for agent in tenant.agents:
            rng = stream(seed, f"day:{agent.key}:{day}")
            for round_ in _rounds(tenant, agent, day):
                visits += _fill(
                    rng, round_, [pool for pool in pools if pool.serves(agent)], offset < CONFIRMED_DAYS
                )
    return sorted(visits, key=lambda visit: (visit.agent, visit.start))


@dataclass(slots=True)
class _Round:
    """One agent's shift on one day while it is being filled: where and when the agent is free next."""

    agent: DemoAgent
    place: LatLng
    free: datetime
    end: datetime
    rest: tuple[datetime, datetime] | None

    def fits(self, to: LatLng, buffer: timedelta, pause: timedelta, duration: timedelta) -> datetime | None:
        """The first start on the grid that keeps the promise, or None when the shift is over before."""
        there = bound(self.place, to, self.agent.mode)
        start = _on_grid(self.free + there + buffer + pause)
        if self.rest and start + duration > self.rest[0]:
            start = max(start, _on_grid(self.rest[1] + there + buffer))
        back = bound(to, self.agent.base, self.agent.mode) if self.agent.returns_to_base else timedelta(0)
        return start if start + duration + back <= self.end else None

    def take(self, to: LatLng, start: datetime, duration: timedelta) -> None:
        """The agent is there until the visit's end."""
        self.place, self.free = to, start + duration
        if self.rest and self.rest[0] < start:
            self.rest = None


class _Pool:
    """The people of one campaign who are not visited yet."""

    def __init__(self, campaign: DemoCampaign) -> None:
        self.campaign = campaign
        self.left = list(campaign.contacts)
        self._lats = np.array([contact.point.lat for contact in campaign.contacts])
        self._lngs = np.array([contact.point.lng for contact in campaign.contacts])

    def serves(self, agent: DemoAgent) -> bool:
        """Whether the agent may be sent to these people."""
        return agent.key in self.campaign.agents and set(self.campaign.skills) <= set(agent.skills)

    def near(self, place: LatLng, count: int) -> list[DemoContact]:
        """The people nearest to a place, nearest first."""
        metres: npt.NDArray[np.float64] = haversine_m_many(place.lat, place.lng, self._lats, self._lngs)
        return [self.left[index] for index in np.argsort(metres, kind="stable")[:count]]

    def remove(self, contact: DemoContact) -> None:
        """This person has a visit now."""
        index = self.left.index(contact)
        del self.left[index]
        self._lats, self._lngs = np.delete(self._lats, index), np.delete(self._lngs, index)


def _rounds(tenant: DemoTenant, agent: DemoAgent, day: date) -> Iterator[_Round]:
    zone = ZoneInfo(tenant.time_zone)
    for shift in agent.shifts:
        if shift.weekday != day.isoweekday():
            continue
        start, end, rest = _times(shift, day, zone)
        yield _Round(agent, agent.base, start, end, rest)


def _times(
    shift: DemoShift, day: date, zone: ZoneInfo
) -> tuple[datetime, datetime, tuple[datetime, datetime] | None]:
    start, end = _instant(day, shift.start, zone), _instant(day, shift.end, zone)
    rest = (_instant(day, shift.rest[0], zone), _instant(day, shift.rest[1], zone)) if shift.rest else None
    return start, end, rest


def _instant(day: date, wall: str, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.fromisoformat(wall), zone).astimezone(UTC)


def _fill(
    rng: random.Random, round_: _Round, pools: Sequence[_Pool], may_be_confirmed: bool
) -> list[DemoVisit]:
    visits: list[DemoVisit] = []
    for _ in range(rng.randint(*round_.agent.visits_a_day)):
        pool = rng.choice(pools)
        confirmed = may_be_confirmed and rng.random() < CONFIRMED_SHARE
        visit = _next_visit(rng, round_, pool, confirmed)
        if visit is None:
            break
        pool.remove(visit.contact)
        visits.append(visit)
    return visits


def _next_visit(rng: random.Random, round_: _Round, pool: _Pool, confirmed: bool) -> DemoVisit | None:
    candidates = pool.near(round_.place, NEAREST[round_.agent.mode])
    if not candidates:
        return None
    contact = rng.choice(candidates)
    duration, pause = rng.choice(DURATIONS), rng.choice(PAUSES)
    buffer = max(round_.agent.buffer, pool.campaign.buffer)
    start = round_.fits(contact.point, buffer, pause, duration)
    if start is None:
        return None
    round_.take(contact.point, start, duration)
    return DemoVisit(round_.agent.key, pool.campaign.key, contact, start, duration, confirmed)


def _on_grid(moment: datetime) -> datetime:
    late = (moment - datetime.min.replace(tzinfo=UTC)) % GRID
    return moment + (GRID - late) if late else moment
