"""Who joined twice before keeps one entry; what had no room before is tried again (revision 0017)."""

import psycopg
import pytest
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from kit.db import migrate
from kit.db.pool import driver_url
from kit.testing.databases import Databases, DatabaseUrls

SETUP = """
    INSERT INTO booking.campaigns
        (tenant_id, campaign_id, display_name, purchased, skills, time_zone, buffer_seconds)
    SELECT tenant, 'cmp_1', 'Mattresses', 10, '{}', 'Europe/Rome', 0
    FROM unnest(ARRAY['ten_1', 'ten_2']) tenant;
    INSERT INTO booking.contacts (tenant_id, campaign_id, contact_id, display_name, place, phone, address)
    SELECT tenant, 'cmp_1', contact, 'Ada', 1, '', ''
    FROM unnest(ARRAY['ten_1', 'ten_2']) tenant, unnest(ARRAY['con_1', 'con_2', 'con_3']) contact;
    INSERT INTO booking.waitlist_entries
        (tenant_id, entry_id, campaign_id, contact_id, seconds, joined_at, state)
    SELECT tenant, entry, 'cmp_1', contact, 3600, CAST(joined AS timestamptz), state
    FROM unnest(ARRAY['ten_1', 'ten_2']) tenant, (VALUES
        ('wai_1', 'con_1', '2026-01-02Z', 'WAITING'), ('wai_2', 'con_1', '2026-01-01Z', 'WAITING'),
        ('wai_3', 'con_2', '2026-01-01Z', 'WAITING'), ('wai_4', 'con_2', '2026-01-02Z', 'OFFERED'),
        ('wai_5', 'con_3', '2026-01-01Z', 'LEFT'), ('wai_6', 'con_3', '2026-01-02Z', 'WAITING')
    ) given(entry, contact, joined, state);
    INSERT INTO booking.openings (tenant_id, opening_id, campaign_id, agent_id, starts_at, ends_at)
    SELECT tenant, 'opn_1', 'cmp_1', 'agt_1', '2026-02-01Z', '2026-02-01T01:00Z'
    FROM unnest(ARRAY['ten_1', 'ten_2']) tenant;
    INSERT INTO booking.offers
        (tenant_id, offer_id, opening_id, entry_id, agent_id, starts_at, ends_at, hold_id, expires_at, state)
    SELECT tenant, offer, 'opn_1', entry, 'agt_1', '2026-02-01Z', '2026-02-01T01:00Z', hold,
           CAST('2026-01-03Z' AS timestamptz), state
    FROM unnest(ARRAY['ten_1', 'ten_2']) tenant, (VALUES
        ('off_1', 'wai_1', '', 'PASSED'), ('off_2', 'wai_2', 'hld_2', 'PASSED'),
        ('off_4', 'wai_4', 'hld_4', 'OFFERED')
    ) given(offer, entry, hold, state);
"""
UNFORCED = """
    SELECT relname FROM pg_class WHERE relnamespace = 'booking'::regnamespace
      AND relname IN ('waitlist_entries', 'offers') AND NOT (relrowsecurity AND relforcerowsecurity)
"""


@pytest.fixture
def urls(make_database: Databases) -> DatabaseUrls:
    return make_database.bare(["booking"])


def test_one_entry_a_person_and_one_held_offer_an_opening(urls: DatabaseUrls) -> None:
    engine = create_engine(driver_url(urls.owner("booking")), poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(migrate._config(connection, "booking", "booking"), "0016")
    with psycopg.connect(urls.admin) as connection:
        connection.execute(SETUP)
    migrate.upgrade(urls.owner("booking"), "booking")
    with psycopg.connect(urls.admin) as connection:
        for tenant in ("ten_1", "ten_2"):
            entries = connection.execute(
                "SELECT state FROM booking.waitlist_entries WHERE tenant_id = %s ORDER BY entry_id", (tenant,)
            ).fetchall()
            assert [state for (state,) in entries] == [
                "LEFT", "WAITING", "LEFT", "OFFERED", "LEFT", "WAITING",
            ]  # fmt: skip
            offers = connection.execute(
                "SELECT offer_id, state, held FROM booking.offers WHERE tenant_id = %s ORDER BY 1", (tenant,)
            ).fetchall()
            assert offers == [
                ("off_1", "UNFIT", False),
                ("off_2", "PASSED", False),
                ("off_4", "OFFERED", True),
            ]
        assert connection.execute(UNFORCED).fetchall() == []
