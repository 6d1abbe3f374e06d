"""Feeds of agents' calendars over HTTP: who gets them, what nobody gets, and what is sent again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
import pytest_asyncio
from booking_house import House, claim
from calendar_judges import events, require_valid
from sqlalchemy import text

from booking.domain.agent_calendar import FeedSecrets
from booking.transport.feeds import Feeds, FeedServer, feed_path
from booking.usecases import agent_calendar
from booking.usecases.agent_calendar import NewFeed, revoke_feed, rotate_feed
from kit import failpoints
from kit.db.claims import Claim
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECRETS = FeedSecrets(b"k" * 32)


@pytest_asyncio.fixture
async def address(house: House) -> AsyncIterator[str]:
    """Where this house's feeds are served."""
    server = FeedServer(Feeds(house.desk).application(), "127.0.0.1", 0)
    yield await server.start()
    await server.stop()


async def fetch(address: str, path: str) -> tuple[int, bytes, str]:
    async with aiohttp.ClientSession() as session, session.get(address + path) as answer:
        return answer.status, await answer.read(), answer.headers["content-type"]


async def rotate(house: House, key: Claim | None = None) -> NewFeed:
    return await rotate_feed(house.desk, SECRETS, house.agents[0], key or claim())


async def test_a_feed_is_read_by_its_address_until_it_is_rotated(house: House, address: str) -> None:
    card = await house.booked()
    key = claim()
    first = await rotate(house, key)
    assert await rotate(house, key) == first
    path = feed_path(house.tenant, first.secret)
    status, body, kind = await fetch(address, path)
    assert (status, kind) == (200, "text/calendar; charset=utf-8")
    require_valid(body)
    assert list(events(body)) == [f"{card.appointment.appointment_id}@giro"]
    assert len(events((await fetch(address, f"{path}?travel=1"))[1])) == 2
    second = await rotate(house)
    assert second.secret != first.secret
    assert (await fetch(address, path))[0] == 404
    assert (await fetch(address, feed_path(house.tenant, second.secret)))[0] == 200
    await rotate(house, key)  # a late repetition does not bring the old address back
    assert (await fetch(address, path))[0] == 404
    await revoke_feed(house.desk, house.agents[0])
    await revoke_feed(house.desk, house.agents[0])
    assert (await fetch(address, feed_path(house.tenant, second.secret)))[0] == 404


async def test_a_request_that_is_forgotten_brings_no_old_address_back(house: House, address: str) -> None:
    key = claim()
    first = await rotate(house, key)
    second = await rotate(house)
    async with house.desk.db.uow(house.tenant) as tx:  # as the worker does after 30 days
        await tx.run(text("DELETE FROM booking.claims WHERE tenant_id = :t"), {"t": house.tenant})
    third = await rotate(house, key)
    assert await rotate(house, key) == third
    statuses = [
        (await fetch(address, feed_path(house.tenant, each.secret)))[0] for each in (first, second, third)
    ]
    assert statuses == [404, 404, 200]


async def test_a_guess_and_another_tenants_address_are_the_same_404(house: House, address: str) -> None:
    gone = await rotate(house)
    await revoke_feed(house.desk, house.agents[0])
    made = await rotate(house)
    answers = [
        await fetch(address, path)
        for path in (
            feed_path(new_id("ten"), made.secret),
            feed_path(house.tenant, gone.secret),
            feed_path(house.tenant, "A" * 43),
            feed_path(house.tenant, made.secret[:-1]),
            feed_path("ten_'--", made.secret),
            feed_path(house.tenant, made.secret).removesuffix(".ics"),
        )
    ]
    assert {answer[:2] for answer in answers} == {(404, b"NOT_FOUND: no such calendar\n")}


async def test_a_feed_says_later_while_geo_is_away(house: House, address: str) -> None:
    await house.booked()
    path = feed_path(house.tenant, (await rotate(house)).secret)
    house.ledger.down = True
    status, body, _ = await fetch(address, f"{path}?travel=1")
    assert (status, body) == (503, b"SERVICE_UNAVAILABLE: try again\n")
    assert (await fetch(address, path))[0] == 200


async def test_rotations_at_once_leave_one_address(house: House, address: str) -> None:
    made = await asyncio.gather(*(rotate(house) for _ in range(8)))
    statuses = [(await fetch(address, feed_path(house.tenant, each.secret)))[0] for each in made]
    assert sorted(statuses) == [200] + [404] * 7


async def ask(address: str, path: str, method: str = "GET", mark: str = "") -> aiohttp.ClientResponse:
    headers = {"if-none-match": mark} if mark else {}
    async with aiohttp.ClientSession() as session:
        answer = await session.request(method, address + path, headers=headers)
        await answer.read()
        return answer


async def test_who_has_it_already_is_sent_nothing_until_it_changes(house: House, address: str) -> None:
    card = await house.booked()
    for travel in ("", "?travel=1"):
        path = feed_path(house.tenant, (await rotate(house)).secret) + travel
        first = await ask(address, path)
        mark = first.headers["etag"]
        assert (first.status, first.headers["cache-control"]) == (200, "private, max-age=300")
        await house.advance(timedelta(seconds=3))
        for known in (mark, f'"another", W/{mark}', "*"):
            again = await ask(address, path, mark=known)
            assert (again.status, await again.read(), again.headers["etag"]) == (304, b"", mark), known
        assert (await ask(address, path, mark='"another"')).status == 200
        card = await house.postpone(card, card.appointment.window.start + timedelta(hours=2))
        changed = await ask(address, path, mark=mark)
        assert (changed.status, changed.headers["etag"] != mark) == (200, True)
        await revoke_feed(house.desk, house.agents[0])
        gone = await ask(address, path, mark=changed.headers["etag"])
        assert (gone.status, gone.headers["cache-control"]) == (404, "no-store"), "a mark opens nothing"


async def test_heads_are_as_the_whole_and_nothing_else_is_done_here(house: House, address: str) -> None:
    await house.booked()
    path = feed_path(house.tenant, (await rotate(house)).secret)
    whole, head = await ask(address, path), await ask(address, path, "HEAD")
    assert (head.status, await head.read()) == (200, b"")
    for name in ("content-type", "content-length", "etag", "cache-control"):
        assert head.headers[name] == whole.headers[name], name
    assert (await ask(address, feed_path(house.tenant, "A" * 43), "HEAD")).status == 404
    for method in ("POST", "PUT", "DELETE"):
        assert (await ask(address, path, method)).status == 405


async def test_what_a_feed_leaves_out_is_told(
    house: House, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_calendar, "MOST_FED", 20)
    card = await house.booked()
    path = feed_path(house.tenant, (await rotate(house)).secret)
    await _copies(house, card.appointment.appointment_id, 19)
    status, whole, _ = await fetch(address, path)
    assert (status, whole.count(b"BEGIN:VEVENT"), b"Not all visits" in whole) == (200, 20, False)
    await _copies(house, card.appointment.appointment_id, 1)
    for travel in ("", "?travel=1"):
        status, part, _ = await fetch(address, path + travel)
        require_valid(part)
        shown = part.count(b"SUMMARY") - part.count(b"SUMMARY:Drive")
        assert (status, shown, b"Not all visits" in part) == (200, 20, True)


async def _copies(house: House, ident: str, many: int) -> None:
    async with house.desk.db.uow(house.tenant) as tx:
        await tx.run(
            text(
                """
                INSERT INTO booking.appointments
                SELECT (jsonb_populate_record(a, jsonb_build_object(
                    'appointment_id', gen_random_uuid()::text, 'claim_key', gen_random_uuid()::text,
                    'state', 'CANCELLED',
                    'starts_at', a.starts_at + n * interval '20 minutes',
                    'ends_at', a.ends_at + n * interval '20 minutes'))).*
                FROM booking.appointments a, generate_series(1, :many) n WHERE a.appointment_id = :ident
                """
            ),
            {"ident": ident, "many": many},
        )


class Died(BaseException):
    """A process that is gone."""


async def test_death_before_the_commit_keeps_the_old_address(house: House, address: str) -> None:
    old = await rotate(house)

    async def die() -> None:
        failpoints.disarm("booking.feed.before_commit")
        raise Died

    failpoints.arm("booking.feed.before_commit", die)
    with pytest.raises(Died):
        await rotate(house)
    assert (await fetch(address, feed_path(house.tenant, old.secret)))[0] == 200
