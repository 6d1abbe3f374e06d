"""What was taken from an agent: a calendar reads its window alone, and the last change of a card counts."""

from datetime import timedelta

import psycopg
import pytest
from booking_house import House
from house_clock import soon

from booking.storage import calendars
from kit.testing.databases import DatabaseUrls
from kit.values.window import Window

DAY = timedelta(days=1)


@pytest.mark.asyncio(loop_scope="session")
async def test_the_last_time_that_it_was_taken_away_counts(house: House) -> None:
    start = soon(48)
    card = await house.booked(start)
    mine, other = house.agents[:2]
    await house.reassign(card, other)
    await house.reassign(card, mine)
    later = start + 2 * DAY
    await house.postpone(card, later)
    await house.reassign(card, other)
    shown = []
    async with house.desk.db.uow(house.tenant) as tx:
        for first in (start, later):
            found = await calendars.visits(tx, mine, Window(first, first + DAY), 10)
            shown.append([visit.appointment.window.start for visit in found])
        assert not await calendars.visits(tx, mine, Window(later - DAY, later), 10)
    assert shown == [[], [later]]


def test_what_was_taken_away_is_found_by_its_start(urls: DatabaseUrls) -> None:
    with psycopg.connect(urls.admin) as connection:
        query = (
            "SELECT indexdef FROM pg_indexes"
            " WHERE schemaname = 'booking' AND indexname = 'appointment_events_left_starts'"
        )
        (found,) = connection.execute(query).fetchall()
    assert "(tenant_id, left_agent_id, left_starts_at)" in found[0]
