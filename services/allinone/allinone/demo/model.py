"""What the demo consists of, before anything is loaded: plain values, equal for equal seeds."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kit.values.latlng import LatLng


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A person who signs in. `role` is a name of `giro.common.v1.Role` without its prefix.

    `campaign` limits the role to a campaign, `agent` says which travelling agent this is; both are demo keys.
    """

    key: str
    role: str
    email: str
    password: str = field(repr=False)
    name: str
    campaign: str | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class DemoShift:
    """Wall times "HH:MM" on a weekday, Monday 1 to Sunday 7, with the break inside it, if any."""

    weekday: int
    start: str
    end: str
    rest: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class DemoAgent:
    """Somebody who travels. `visits_a_day` are the fewest and the most visits booked on a day, `mode` is as
    `giro.common.v1.TravelMode` names it without its prefix."""

    key: str
    name: str
    base: LatLng
    town: str
    skills: tuple[str, ...]
    buffer: timedelta
    shifts: tuple[DemoShift, ...]
    visits_a_day: tuple[int, int]
    returns_to_base: bool = True
    mode: str = "CAR"


@dataclass(frozen=True, slots=True)
class DemoContact:
    """A person to visit."""

    key: str
    name: str
    phone: str
    address: str
    postcode: str
    point: LatLng


@dataclass(frozen=True, slots=True)
class DemoCampaign:
    """A customer's campaign; `agents` are demo keys."""

    key: str
    name: str
    purchased: int
    skills: tuple[str, ...]
    buffer: timedelta
    agents: tuple[str, ...]
    contacts: tuple[DemoContact, ...]


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A call centre with all that it has; the first user is its first administrator."""

    key: str
    name: str
    time_zone: str
    users: tuple[DemoUser, ...]
    agents: tuple[DemoAgent, ...]
    campaigns: tuple[DemoCampaign, ...]
    reminders: bool = False
    """Whether its contacts are called a day before a visit."""


@dataclass(frozen=True, slots=True)
class DemoVisit:
    """A visit booked in advance; keys of the demo, an aware UTC start on a full five minutes."""

    agent: str
    campaign: str
    contact: DemoContact
    start: datetime
    duration: timedelta
    confirmed: bool

    @property
    def end(self) -> datetime:
        """When it ends."""
        return self.start + self.duration
