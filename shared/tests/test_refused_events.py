"""An event that NATS refuses for good: it stops nobody else, is not overtaken and not lost."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from bus_world import World, until
from google.protobuf.wrappers_pb2 import StringValue
from sqlalchemy import text

from kit.bus import relay

pytestmark = pytest.mark.asyncio

Poison = Callable[[World, str], Coroutine[Any, Any, None]]


async def _change(world: World, tenant: str, setting: str) -> None:
    async with world.db.uow(tenant) as tx:
        await tx.run(
            text(f"UPDATE probe.outbox SET {setting} WHERE tenant_id = :t AND entity_id = 'bad'"),
            {"t": tenant},
        )


async def too_long(world: World, tenant: str) -> None:
    await _change(world, tenant, "payload = convert_to(repeat('x', 1100000), 'UTF8')")


async def no_subject(world: World, tenant: str) -> None:
    await _change(world, tenant, "subject = 'giro evt'")


async def no_header(world: World, tenant: str) -> None:
    await _change(world, tenant, """headers = '{"traceparent": null}'""")


async def longer_than_the_stream_takes(world: World, tenant: str) -> None:
    config = (await world.bus.jetstream.stream_info("GIRO_PROBE")).config
    config.max_msg_size = 400
    await world.bus.jetstream.update_stream(config)
    await _change(world, tenant, "payload = convert_to(repeat('x', 500), 'UTF8')")


@pytest.mark.parametrize("poison", [too_long, no_subject, no_header, longer_than_the_stream_takes])
async def test_others_go_on_and_nothing_is_overtaken_or_lost(
    world: World, tenant: str, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "REFUSED_SECONDS", 0.2)
    monkeypatch.setattr(relay, "BATCH", 5)
    await world.tell(tenant, "first", entity="bad")
    await poison(world, tenant)
    kept = (await _outbox(world, tenant))[0]
    later = [f"later {number}" for number in range(6)]  # more than a batch waits behind it
    await world.tell(tenant, *later, entity="bad")
    await world.tell(tenant, "a", "b", "c")
    world.relay()
    world.consume(tenant)
    await until(lambda: world.has_effects(tenant, "a", "b", "c"), seconds=20)
    await until(lambda: relay.refused.labels("probe")._value.get() == 1)
    await world.tell(tenant, "d")
    await until(lambda: world.has_effects(tenant, "d"), seconds=20)
    assert set(await world.effects(tenant)) == {"a", "b", "c", "d"}, "what is behind it was sent"
    waiting = await _outbox(world, tenant)
    assert (len(waiting), waiting[0]) == (7, kept)
    assert relay.pending.labels("probe")._value.get() >= 7

    await _mend(world, tenant)
    await until(lambda: world.has_effects(tenant, "first", *later), seconds=20)
    of_bad = [StringValue.FromString(each.data).value for each in world.seen if each.entity_id == "bad"]
    assert of_bad == ["first", *later]
    await until(lambda: relay.refused.labels("probe")._value.get() == 0)


async def test_who_leads_no_more_tells_nothing_of_the_outbox(world: World, tenant: str) -> None:
    """The next leader tells it: what waits is not counted twice, and not for ever by who is idle."""
    await world.tell(tenant, "first", entity="bad")
    await no_subject(world, tenant)
    running = world.relay()
    gauges = [each.labels("probe")._value for each in (relay.refused, relay.pending, relay.age)]
    await until(lambda: all(each.get() > 0 for each in gauges), seconds=20)
    running.cancel()
    await until(running.done)
    assert [each.get() for each in gauges] == [0, 0, 0]
    await _mend(world, tenant)
    world.relay()
    await until(lambda: _is_empty(world, tenant), seconds=20)


async def _is_empty(world: World, tenant: str) -> bool:
    return not await _outbox(world, tenant)


async def _outbox(world: World, tenant: str) -> list[tuple[Any, ...]]:
    async with world.db.uow(tenant) as tx:
        found = await tx.run(text("SELECT id, event_id, subject, payload FROM probe.outbox ORDER BY id"))
        return [(row.id, row.event_id, row.subject, bytes(row.payload)) for row in found]


async def _mend(world: World, tenant: str) -> None:
    params = {
        "payload": StringValue(value="first").SerializeToString(),
        "subject": f"giro.evt.{tenant}.probe.v1.thing.made",
    }
    statement = text(
        "UPDATE probe.outbox SET payload = :payload, subject = :subject, headers = '{}'::jsonb"
        " WHERE id = (SELECT min(id) FROM probe.outbox)"
    )
    async with world.db.uow(tenant) as tx:
        await tx.run(statement, params)
