"""Nobody waits for a time that has passed."""

from datetime import timedelta

import pytest
from booking_house import VISIT, House
from house_clock import soon
from waiting_queue import Queue

from booking.usecases.waitlist import end_past_entries
from kit.errors import InvalidInput

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINUTE = timedelta(minutes=1)


async def test_joining_for_a_time_that_has_passed_is_refused(house: House) -> None:
    queue = await Queue.of(house, 0)
    for not_after in (soon(-1), soon(0) + VISIT - MINUTE):
        for bounds in ({}, {"not_before": soon(-5)}):
            with pytest.raises(InvalidInput) as error:
                await queue.join(not_after=not_after, **bounds)
            assert [violation.field for violation in error.value.violations] == ["not_after"]
    await queue.join(not_after=soon(0) + VISIT + MINUTE)


async def test_who_waits_ends_once_the_visit_cannot_begin_any_more(house: House) -> None:
    queue = await Queue.of(house, 1)
    queue.entries.append(await queue.join(not_after=queue.start))
    await house.advance(queue.start - VISIT - MINUTE - soon(0))
    await end_past_entries(house.desk)
    assert [await queue.state(n) for n in range(2)] == ["WAITING", "WAITING"]
    await house.advance(2 * MINUTE)
    await end_past_entries(house.desk)
    assert [await queue.state(n) for n in range(2)] == ["WAITING", "LEFT"]
    again = await queue.join(queue.entries[1].contact_id)
    assert again.entry_id != queue.entries[1].entry_id


async def test_who_has_an_offer_keeps_it(house: House) -> None:
    queue = await Queue.of(house, 0)
    queue.entries = [await queue.join(not_after=queue.start + VISIT)]
    await queue.free()
    await house.advance(queue.start + MINUTE - soon(0))
    await end_past_entries(house.desk)
    assert await queue.state(0) == "OFFERED"
