"""The two call centres of the demo, with their agents, campaigns, people and users."""

import random
from datetime import timedelta

from allinone.demo.model import DemoAgent, DemoCampaign, DemoContact, DemoShift, DemoTenant, DemoUser
from allinone.demo.people import Snap, contacts, full_name, place_in
from allinone.demo.region import Region
from allinone.demo.seed import stream

AGENTS = 20
SOLAR_CONTACTS = 1_200
HEATING_CONTACTS = 800
FIRST_HEATING_AGENT = 12
LAST_SOLAR_AGENT = 14
TRAINEE = 14
"""In the solar campaign without its skill: `explain` shows NO_SKILL for this agent."""
SATURDAY_AGENTS = frozenset({3, 8, 15})
FREE_ENDING_AGENT = 11
"""Has no base to be back at (R-088)."""
PART_TIME_AGENT = 9
CYCLIST = 6
"""Promised less a day than who drives: each agent travels in a way of its own."""
LATE_AGENT = 10

EMAIL_DOMAIN = "giro.example"
PLATFORM_KEY = "platform"
WEEKDAYS = range(1, 6)

OFFICE_DAYS = (
    ("09:00", "18:00", ("13:00", "14:00")),
    ("08:30", "17:30", ("12:30", "13:15")),
    ("08:00", "16:30", ("12:00", "12:30")),
    ("09:30", "18:30", ("13:30", "14:15")),
)


def first_tenant(seed: int, region: Region, snap: Snap) -> DemoTenant:
    """A call centre that sells for two customers: 20 agents, two campaigns, 2,000 people to visit."""
    agents = tuple(_agent(seed, region, number, snap) for number in range(1, AGENTS + 1))
    campaigns = (
        DemoCampaign(
            key="solar",
            name="Sole Mio: solar panels",
            purchased=2_000,
            skills=("solar",),
            buffer=timedelta(minutes=5),
            agents=tuple(agent.key for agent in agents[:LAST_SOLAR_AGENT]),
            contacts=contacts(stream(seed, "solar"), region, "s", SOLAR_CONTACTS, snap),
        ),
        DemoCampaign(
            key="heating",
            name="Calore: heat pumps",
            purchased=1_200,
            skills=("heating",),
            buffer=timedelta(0),
            agents=tuple(agent.key for agent in agents[FIRST_HEATING_AGENT - 1 :]),
            contacts=contacts(stream(seed, "heating"), region, "h", HEATING_CONTACTS, snap),
        ),
    )
    return DemoTenant("voce", "Voce Call Centre", region.time_zone, _users(agents[0]), agents, campaigns)


def second_tenant(seed: int, region: Region, snap: Snap) -> DemoTenant:
    """A small neighbour in the same towns: 2 agents, one campaign, 20 people; it never sees the first one."""
    agents = tuple(
        DemoAgent(
            key=f"n{number}",
            name=full_name(stream(seed, f"neighbour{number}")),
            base=place_in(stream(seed, f"neighbour-base{number}"), region.towns[number], snap),
            town=region.towns[number].name,
            skills=("windows",),
            buffer=timedelta(minutes=5),
            shifts=_office_shifts(OFFICE_DAYS[number - 1]),
            visits_a_day=(0, 1),
        )
        for number in (1, 2)
    )
    people = contacts(stream(seed, "windows"), region, "w", 20, snap)
    campaign = DemoCampaign(
        "windows", "Finestra: new windows", 50, (), timedelta(0), tuple(each.key for each in agents), people
    )
    users = (
        _user("neighbour_administrator", "ADMINISTRATOR", "Nora Neri"),
        _user("neighbour_operator", "OPERATOR", "Omar Neri"),
    )
    name, zone = "Vicino Call Centre", region.time_zone
    return DemoTenant("vicino", name, zone, users, agents, (campaign,), reminders=True)


def platform_user() -> DemoUser:
    """The platform's own user, who makes tenants."""
    return _user(PLATFORM_KEY, "PLATFORM", "Platform team")


def all_contacts(tenant: DemoTenant) -> tuple[DemoContact, ...]:
    """The people of all campaigns."""
    return tuple(contact for campaign in tenant.campaigns for contact in campaign.contacts)


def _users(first_agent: DemoAgent) -> tuple[DemoUser, ...]:
    return (
        _user("administrator", "ADMINISTRATOR", "Ada Rossi"),
        _user("project_manager", "PROJECT_MANAGER", "Paolo Manera"),
        _user("operator", "OPERATOR", "Olga Ferri"),
        _user("operator_solar", "OPERATOR", "Oscar Sala", campaign="solar"),
        _user("agent", "AGENT", first_agent.name, agent=first_agent.key),
        _user("agent_supervisor", "AGENT_SUPERVISOR", "Sandra Villa"),
        _user("customer", "CUSTOMER", "Carlo Sole", campaign="solar"),
        _user("sre", "SRE", "Rita Serra"),
        _user("partner", "PARTNER", "Partner program"),
    )


def _user(
    key: str, role: str, name: str, *, campaign: str | None = None, agent: str | None = None
) -> DemoUser:
    spoken = key.replace("_", "-")
    return DemoUser(key, role, f"{spoken}@{EMAIL_DOMAIN}", f"giro-demo-{spoken}", name, campaign, agent)


def _agent(seed: int, region: Region, number: int, snap: Snap) -> DemoAgent:
    rng = stream(seed, f"agent{number}")
    town = region.towns[(number - 1) % len(region.towns)]
    return DemoAgent(
        key=f"a{number:02d}",
        name=full_name(rng),
        base=place_in(rng, town, snap),
        town=town.name,
        skills=_skills(number),
        buffer=timedelta(minutes=rng.choice((0, 5, 5, 10))),
        shifts=_shifts(rng, number),
        visits_a_day=(2, 3) if number in {PART_TIME_AGENT, CYCLIST} else (4, 5),
        returns_to_base=number != FREE_ENDING_AGENT,
        mode="BICYCLE" if number == CYCLIST else "CAR",
    )


def _skills(number: int) -> tuple[str, ...]:
    solar = number <= LAST_SOLAR_AGENT and number != TRAINEE
    heating = number >= FIRST_HEATING_AGENT
    return tuple(skill for skill, has in (("heating", heating), ("solar", solar)) if has)


def _shifts(rng: random.Random, number: int) -> tuple[DemoShift, ...]:
    if number == PART_TIME_AGENT:
        return tuple(DemoShift(day, "09:00", "13:00") for day in WEEKDAYS)
    if number == LATE_AGENT:
        return tuple(DemoShift(day, "14:00", "22:30", ("18:00", "18:30")) for day in WEEKDAYS)
    weekdays = _office_shifts(rng.choice(OFFICE_DAYS))
    saturday = (DemoShift(6, "09:00", "13:00"),) if number in SATURDAY_AGENTS else ()
    return weekdays + saturday


def _office_shifts(day: tuple[str, str, tuple[str, str]]) -> tuple[DemoShift, ...]:
    start, end, rest = day
    return tuple(DemoShift(weekday, start, end, rest) for weekday in WEEKDAYS)
