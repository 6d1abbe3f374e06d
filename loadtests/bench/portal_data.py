"""What the portal's measurement reads: a long campaign, its neighbours in the tenant, and another tenant.

The campaign has 100,000 appointments of 40 agents over 540 days that are past and 45 to come, in no order of
their starts, for 85,000 people in 12 zones. Two campaigns of the same tenant and one of another tenant have
as many. Of what is past seven in ten were held; of all, one in seven was cancelled, one in twenty has
a new card in its place.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from kit.values.ids import new_id
from kit.values.latlng import LatLng

TENANT: Final = "ten_bench_portal"
CAMPAIGN: Final = "cmp_bench_portal_0"
ZONES: Final = tuple(f"zone {number:02d}" for number in range(12))
AGENTS: Final = tuple(f"agt_bench_portal_{number:02d}" for number in range(40))
_PEOPLE: Final = 85_000
_PAST, _TO_COME = 540, 45
_NAMES: Final = ("Ada Neri", "Luca Ferraris", "Giulia Dell'Acqua", "Paolo Bianchi", "Maria Grazia Colombo")
_STREETS: Final = ("Via Roma", "Corso Vittorio Emanuele II", "Piazza San Carlo", "Strada del Nobile")
_NOTES: Final = (
    "",
    "rings at the second door on the left; the dog is friendly",
    "asks for the offer in writing",
)

_CAMPAIGN = """
    INSERT INTO booking.campaigns (tenant_id, campaign_id, display_name, purchased, skills, time_zone,
                                   buffer_seconds)
    VALUES (%(tenant)s, %(campaign)s, 'Roofs', 1000000, '{pv}', 'Europe/Rome', 300)
"""

_HELD = """
    INSERT INTO booking.outcome_states (tenant_id, state_id, display_name, result, list_state, recall,
                                        mandatory, visible, refix, note_required)
    VALUES (%(tenant)s, 'held', 'Held', 'HELD', '', 'NONE', '{}', '{}', false, false)
    ON CONFLICT DO NOTHING
"""

_CONTACTS = """
    COPY booking.contacts (tenant_id, contact_id, campaign_id, display_name, phone, address, place, zone)
    FROM STDIN
"""

_COLUMNS = """
    contact_id, agent_id, starts_at, ends_at, place, state, version, operator_id, note, created_at,
    updated_at, failure, cancel_note, settled, outcome_state_id, characteristics, superseded_by, supersedes,
    refix, linked, zone
"""

_APPOINTMENTS = f"""
    COPY booking.appointments (tenant_id, appointment_id, campaign_id, claim_key, {_COLUMNS}) FROM STDIN
"""

_COPIED_CONTACTS = """
    INSERT INTO booking.contacts (tenant_id, contact_id, campaign_id, display_name, phone, address, place,
                                  zone)
    SELECT %(tenant)s, 'cnt_' || md5(contact_id || %(campaign)s), %(campaign)s, display_name, phone, address,
           place, zone
    FROM booking.contacts WHERE tenant_id = %(of_tenant)s AND campaign_id = %(of_campaign)s
"""

_COPIED = f"""
    INSERT INTO booking.appointments (tenant_id, appointment_id, campaign_id, claim_key, {_COLUMNS})
    SELECT %(tenant)s, 'apt_' || md5(appointment_id || %(campaign)s), %(campaign)s, claim_key || %(campaign)s,
           'cnt_' || md5(contact_id || %(campaign)s), agent_id, starts_at + interval '1 minute',
           ends_at + interval '1 minute', place, state, version, operator_id, note, created_at, updated_at,
           failure, cancel_note, settled, outcome_state_id, characteristics,
           'apt_' || md5(superseded_by || %(campaign)s), 'apt_' || md5(supersedes || %(campaign)s), refix,
           linked, zone
    FROM booking.appointments WHERE tenant_id = %(of_tenant)s AND campaign_id = %(of_campaign)s
"""

_COUNTERS = """
    UPDATE booking.campaigns c SET (taken, to_confirm, cancelled_in_step) =
        (SELECT count(*) FILTER (WHERE state IN ('TO_CONFIRM', 'CONFIRMED', 'HELD')),
                count(*) FILTER (WHERE state = 'TO_CONFIRM'), count(*) FILTER (WHERE state = 'CANCELLED')
         FROM booking.appointments a WHERE a.tenant_id = c.tenant_id AND a.campaign_id = c.campaign_id)
    WHERE campaign_id LIKE 'cmp_bench_portal%'
"""

_CHANGES = """
    INSERT INTO booking.recent_changes (tenant_id, event_id, change, appointment_id, campaign_id, agent_id,
                                        starts_at, version, happened_at)
    SELECT tenant_id, 'evt_' || substr(appointment_id, 5), 'appointment_booked', appointment_id, campaign_id,
           agent_id, starts_at, version, created_at
    FROM booking.appointments WHERE campaign_id LIKE 'cmp_bench_portal%'
"""


@dataclass(frozen=True, slots=True)
class _Visit:
    """Who visits whom, when, and what became of it."""

    appointment_id: str
    contact: int
    agent: str
    start: datetime
    state: str


def fill(database: str, rows: int) -> Counter[str]:
    """Writes everything; the states of the campaign's appointments."""
    chance = random.Random(1)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with psycopg.connect(database) as connection:
        connection.execute("SET session_replication_role = replica")  # every reference is there
        for tenant in (TENANT, f"{TENANT}_2"):
            connection.execute(_HELD, {"tenant": tenant})
        connection.execute(_CAMPAIGN, {"tenant": TENANT, "campaign": CAMPAIGN})
        people = [new_id("cnt") for _ in range(min(rows, _PEOPLE))]
        _copy(connection, _CONTACTS, (_contact(chance, number, each) for number, each in enumerate(people)))
        visits = [_visit(chance, now, len(people)) for _ in range(rows)]
        _copy(connection, _APPOINTMENTS, _rows(chance, visits, people))
        for number, tenant in enumerate((TENANT, TENANT, f"{TENANT}_2"), start=1):
            made = {"tenant": tenant, "campaign": f"cmp_bench_portal_{number}"}
            origin = {"of_tenant": TENANT, "of_campaign": CAMPAIGN}
            for statement in (_CAMPAIGN, _COPIED_CONTACTS, _COPIED):
                connection.execute(statement, made | origin)
        connection.execute(_COUNTERS)
        connection.execute(_CHANGES)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE booking.appointments, booking.contacts, booking.recent_changes")
    return Counter(visit.state for visit in visits)


def _copy(connection: Any, statement: str, rows: Iterator[tuple[Any, ...]]) -> None:
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _contact(chance: random.Random, number: int, contact_id: str) -> tuple[Any, ...]:
    place = LatLng(45.07 + chance.uniform(-0.3, 0.3), 7.69 + chance.uniform(-0.3, 0.3)).key
    address = f"{chance.choice(_STREETS)} {chance.randrange(1, 200)}, 10121 Torino"
    name = chance.choice(_NAMES)
    zone = ZONES[number % len(ZONES)]
    return TENANT, contact_id, CAMPAIGN, name, f"+3901{number:08d}", address, place, zone


def _visit(chance: random.Random, now: datetime, people: int) -> _Visit:
    start = now + timedelta(minutes=15 * chance.randrange(-_PAST * 96, _TO_COME * 96))
    past = ("HELD",) * 14 + ("CONFIRMED",) * 2 + ("CANCELLED",) * 3 + ("FAILED",)
    state = chance.choice(past if start < now else ("TO_CONFIRM", "CONFIRMED", "CONFIRMED", "CANCELLED"))
    return _Visit(new_id("apt"), chance.randrange(people), chance.choice(AGENTS), start, state)


def _rows(chance: random.Random, visits: list[_Visit], people: list[str]) -> Iterator[tuple[Any, ...]]:
    """Each twentieth visit was made a new card of, the one after it."""
    for number, visit in enumerate(visits):
        before, after = visits[number - 1].appointment_id, visits[(number + 1) % len(visits)].appointment_id
        state = "SUPERSEDED" if number % 20 == 0 else visit.state
        booked = visit.start - timedelta(days=chance.randrange(2, 40))
        traits = {"roof": "flat", "kwh": str(chance.randrange(1500, 6000))}
        yield (
            TENANT,
            visit.appointment_id,
            CAMPAIGN,
            f"bench:{number}",
            people[visit.contact],
            visit.agent,
            visit.start,
            visit.start + timedelta(minutes=45),
            LatLng(45.07, 7.69).key,
            state,
            chance.randrange(1, 6),
            f"usr_bench_{number % 60:02d}",
            chance.choice(_NOTES),
            booked,
            booked,
            "{}" if state == "FAILED" else None,
            "changed their mind" if state == "CANCELLED" else "",
            True,
            "held" if state == "HELD" else None,
            json.dumps(traits if state == "HELD" else {}),
            after if state == "SUPERSEDED" else None,
            before if number % 20 == 1 else None,
            "{}" if number % 20 == 1 else None,
            number % 20 == 1,
            ZONES[visit.contact % len(ZONES)],
        )
