"""Outbox, relay and consumer on real PostgreSQL and nats-server, which is stopped, killed and wiped."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from bus_world import World, until
from google.protobuf.wrappers_pb2 import StringValue
from probe.storage.tables import things
from sqlalchemy import insert, text

from kit import failpoints, subjects, telemetry
from kit.bus import consumer, relay
from kit.bus.connect import Bus, ensure_stream
from kit.bus.dead_letters import dead_letters
from kit.bus.events import Event
from kit.db.claims import Claim
from kit.errors import InvalidInput, Reason, Unavailable

pytestmark = pytest.mark.asyncio

ADD = insert(things)


async def _together(world: World, events: Sequence[Event], fault: Exception | None = None) -> None:
    """The effect of each in one transaction; none with a fault at its end."""
    async with world.db.uow(events[0].tenant) as tx:
        fresh = await tx.claim_all([event.claim for event in events])
        for event in events:
            if event.claim.key in fresh:
                value = StringValue.FromString(event.data).value
                await tx.run(ADD, {"tenant_id": event.tenant, "id": value, "n": 1})
        if fault is not None:
            raise fault


async def test_events_that_came_together_are_handled_together(world: World, tenant: str) -> None:
    """Of each entity one at a time; what the handler leaves, and what is later of its entity, goes alone."""
    batches: list[list[str]] = []

    async def together(events: Sequence[Event]) -> Sequence[Event]:
        values = [StringValue.FromString(event.data).value for event in events]
        batches.append(values)
        left = [event for event, value in zip(events, values, strict=True) if value == "left"]
        await _together(world, [event for event in events if event not in left])
        return left

    world.relay()
    await world.tell(tenant, "a1", "a2", entity="a")
    await world.tell(tenant, "b", "c", "left")
    await until(lambda: _empty(world, tenant))
    world.consume(tenant, together=together)
    await until(lambda: world.has_effects(tenant, "a1", "a2", "b", "c", "left"))
    assert sorted(batches[0]) == ["a1", "b", "c", "left"]
    alone = {StringValue.FromString(event.data).value for event in world.seen}
    assert alone == {"a2", "left"}
    assert set((await world.effects(tenant)).values()) == {1}


class Told:
    """Stands in for the consumer's log: under which trace each handled event was told."""

    def __init__(self) -> None:
        self.traces: dict[str, str] = {}

    def info(self, said: str, **more: Any) -> None:
        work = telemetry.current()
        if said == "event" and work is not None:
            self.traces[more["event_id"]] = work.trace.trace_id

    warning = error = info


async def test_each_of_those_handled_together_is_told_under_the_trace_of_its_call(
    world: World, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, str] = {}

    async def together(events: Sequence[Event]) -> Sequence[Event]:
        made.update({event.id: event.traceparent.split("-")[1] for event in events})
        await _together(world, events)
        return ()

    told = Told()
    monkeypatch.setattr(consumer, "_log", told)
    world.relay()
    for number, value in enumerate("ab", start=1):
        with telemetry.work(f"00-{number:032x}-{number:016x}-01", None):
            await world.tell(tenant, value)
    await until(lambda: _empty(world, tenant))
    world.consume(tenant, together=together)
    await until(lambda: world.has_effects(tenant, "a", "b"))

    async def all_told() -> bool:
        return len(told.traces) == 2

    await until(all_told)
    assert sorted(made.values()) == [f"{1:032x}", f"{2:032x}"]
    assert told.traces == made


async def test_one_that_cannot_be_handled_keeps_none_of_its_batch(world: World, tenant: str) -> None:
    """The batch leaves nothing behind; alone each of the others has its effect, and the bad one is dead."""

    async def together(events: Sequence[Event]) -> Sequence[Event]:
        await _together(world, events, ValueError("one of them is bad"))
        return ()

    async def alone(event: Event) -> None:
        if StringValue.FromString(event.data).value == "bad":
            raise ValueError("bad")
        await world.effect(event)

    world.relay()
    await world.tell(tenant, "a", "bad", "b")
    await until(lambda: _empty(world, tenant))
    world.consume(tenant, alone, together=together, max_deliver=2)
    await until(lambda: world.has_effects(tenant, "a", "b"))
    await until(lambda: _buried(world, tenant, 1))
    assert await world.effects(tenant) == {"a": 1, "b": 1}


async def test_claims_of_many_are_fresh_once_and_bound_to_their_bodies(world: World, tenant: str) -> None:
    first, second, third = (Claim(f"evt:{name}", b"") for name in "abc")
    async with world.db.uow(tenant) as tx:
        assert await tx.claim_all([second, first]) == {"evt:a", "evt:b"}
    async with world.db.uow(tenant) as tx:
        assert await tx.claim_all([first, third]) == {"evt:c"}
    with pytest.raises(InvalidInput) as refused:
        async with world.db.uow(tenant) as tx:
            await tx.claim_all([third, Claim("evt:a", b"another"), Claim("evt:d", b"")])
    assert refused.value.reason is Reason.REQUEST_ID_REUSED
    async with world.db.uow(tenant) as tx:
        assert await tx.claim_all([Claim("evt:d", b"")]) == {"evt:d"}


async def test_an_event_goes_from_a_commit_to_its_effect(world: World, tenant: str) -> None:
    world.relay()
    world.consume(tenant)
    work = telemetry.enter(None, "req-7", tenant)
    await world.tell(tenant, "a")
    trace = telemetry.current()
    telemetry.leave(work)
    await until(lambda: world.has_effects(tenant, "a"))
    event = world.seen[0]
    assert event.subject == f"giro.evt.{tenant}.probe.v1.thing.made"
    assert (event.tenant, event.entity_id, event.request_id) == (tenant, "a", "req-7")
    assert trace is not None
    assert trace.trace.trace_id in event.traceparent
    await until(lambda: _empty(world, tenant))


async def _empty(world: World, tenant: str) -> bool:
    return await world.stored("outbox", tenant) == 0


async def test_a_rolled_back_transaction_tells_nothing(world: World, tenant: str) -> None:
    world.relay()
    world.consume(tenant)
    with pytest.raises(KeyError):
        await _tell_and_fail(world, tenant)
    await world.tell(tenant, "b")
    await until(lambda: world.has_effects(tenant, "b"))
    assert await world.effects(tenant) == {"b": 1}


async def _tell_and_fail(world: World, tenant: str) -> None:
    async with world.db.uow(tenant) as tx:
        tx.emit("thing.made", "a", StringValue(value="a"))
        raise KeyError("a")


async def test_events_of_an_entity_arrive_in_commit_order(world: World, tenant: str) -> None:
    numbers = [str(n) for n in range(60)]
    writers = [world.tell(tenant, *[f"{entity}:{n}" for n in numbers], entity=entity) for entity in "xyz"]
    await asyncio.gather(*writers)
    world.relay()
    world.consume(tenant)
    await until(lambda: len(world.seen) >= 180)
    for entity in "xyz":
        came = [StringValue.FromString(event.data).value for event in world.seen if event.entity_id == entity]
        assert came == [f"{entity}:{n}" for n in numbers]


async def test_order_holds_when_an_event_is_tried_again(world: World, tenant: str) -> None:
    done: list[str] = []
    failures_left = {"x:0": 2, "x:2": 1}

    async def handler(event: Event) -> None:
        value = StringValue.FromString(event.data).value
        if failures_left.get(value, 0):
            failures_left[value] -= 1
            raise Unavailable("DATABASE_UNAVAILABLE", "away")  # type: ignore[arg-type]
        done.append(value)

    await world.tell(tenant, *[f"x:{n}" for n in range(6)], entity="x")
    world.relay()
    world.consume(tenant, handler)
    await until(lambda: len(done) >= 6)
    assert done == [f"x:{n}" for n in range(6)]


async def test_nats_may_be_away_while_events_are_committed(world: World, tenant: str) -> None:
    world.relay()
    world.consume(tenant)
    await world.tell(tenant, "before")
    await until(lambda: world.has_effects(tenant, "before"))
    world.nats.stop()
    values = [f"v{n}" for n in range(30)]
    await world.tell(tenant, *values)
    await until(lambda: relay.pending.labels("probe")._value.get() >= 30)
    assert relay.age.labels("probe")._value.get() > 0
    world.nats.start()
    await until(lambda: world.has_effects(tenant, *values))
    assert await world.effects(tenant) == dict.fromkeys(["before", *values], 1)
    await until(lambda: relay.pending.labels("probe")._value.get() == 0)


async def test_a_service_starts_without_nats(world: World, tenant: str) -> None:
    world.nats.stop()
    bus = Bus(world.nats.url)
    await bus.start(patience=0.05)
    await ensure_stream(bus, "probe")
    assert not bus.is_connected
    world.nats.start()
    await bus.wait_connected(10)
    await bus.stop()


async def test_nats_may_lose_all_that_was_not_consumed_yet_stored(world: World, tenant: str) -> None:
    world.relay()
    world.consume(tenant)
    await world.tell(tenant, "a")
    await until(lambda: world.has_effects(tenant, "a"))
    world.nats.kill()
    world.nats.wipe()
    world.nats.start()
    await world.tell(tenant, "b")
    await until(lambda: world.has_effects(tenant, "b"))
    assert await world.effects(tenant) == {"a": 1, "b": 1}


async def test_a_relay_that_dies_before_it_deletes_sends_again_and_nothing_doubles(
    world: World, tenant: str
) -> None:
    async def die() -> None:
        failpoints.reset()
        raise OSError("gone")

    failpoints.arm("relay.before_delete", die)
    await world.tell(tenant, "a", "b")
    world.relay()
    world.consume(tenant)
    await until(lambda: world.has_effects(tenant, "a", "b"))
    await until(lambda: _empty(world, tenant))
    assert await world.effects(tenant) == {"a": 1, "b": 1}


async def test_a_message_stored_twice_has_one_effect(world: World, tenant: str) -> None:
    jetstream = world.bus.jetstream
    config = (await jetstream.stream_info("GIRO_PROBE")).config
    config.duplicate_window = 0.1  # so that NATS itself does not notice
    await jetstream.update_stream(config)
    subject = subjects.evt(tenant, "probe", "thing.made")
    headers = {"Nats-Msg-Id": "evt_1", "giro-entity": "a"}
    data = StringValue(value="a").SerializeToString()

    async def stored_anew() -> bool:
        return not (await jetstream.publish(subject, data, headers=headers)).duplicate

    await until(stored_anew)
    await until(stored_anew)
    await ensure_stream(world.bus, "probe")
    world.consume(tenant)
    await until(lambda: len(world.seen) == 2)
    await until(lambda: world.has_effects(tenant, "a"))
    assert await world.effects(tenant) == {"a": 1}


async def test_a_handler_whose_ack_is_lost_runs_again_without_effect(world: World, tenant: str) -> None:
    async def twice(event: Event) -> None:
        await world.effect(event)
        if len(world.seen) == 1:
            raise Unavailable("DATABASE_UNAVAILABLE", "after the commit")  # type: ignore[arg-type]

    world.relay()
    world.consume(tenant, twice)
    await world.tell(tenant, "a")
    await until(lambda: len(world.seen) == 2)
    assert await world.effects(tenant) == {"a": 1}


async def test_poison_is_buried_with_its_bytes_and_delays_nobody(world: World, tenant: str) -> None:
    tries: list[str] = []

    async def handler(event: Event) -> None:
        value = StringValue.FromString(event.data).value
        if value == "poison":
            tries.append(event.id)
            raise ZeroDivisionError("bad")
        await world.effect(event)

    before = dead_letters.labels(world.durable)._value.get()
    world.relay()
    world.consume(tenant, handler, max_deliver=3)
    await world.tell(tenant, "poison", "a", "b")
    await until(lambda: world.has_effects(tenant, "a", "b"), seconds=4)
    await until(lambda: dead_letters.labels(world.durable)._value.get() == before + 1)
    assert len(tries) == 3
    assert await _buried(world, tenant, 1)
    found = await _dead_letter(world, tenant)
    assert (bytes(found.payload), found.durable) == (
        StringValue(value="poison").SerializeToString(),
        world.durable,
    )
    assert "ZeroDivisionError" in found.reason
    last = await world.bus.jetstream.get_last_msg("GIRO_DLQ", subjects.dlq(tenant, "probe", world.durable))
    assert last.data == bytes(found.payload)


async def _buried(world: World, tenant: str, letters: int) -> bool:
    return await world.stored("dead_letters", tenant) == letters


async def _dead_letter(world: World, tenant: str) -> Any:
    async with world.db.uow(tenant) as tx:
        return (await tx.run(text("SELECT * FROM probe.dead_letters"))).one()


async def test_what_cannot_be_decoded_is_buried_at_once(world: World, tenant: str) -> None:
    world.consume(tenant)
    subject = subjects.evt(tenant, "probe", "thing.made")
    await world.bus.jetstream.publish(subject, b"\xff\xff", headers={"Nats-Msg-Id": "evt_x"})
    await until(lambda: _buried(world, tenant, 1))
    assert "DecodeError" in (await _dead_letter(world, tenant)).reason
    assert len(world.seen) == 1


async def test_a_message_without_an_id_is_buried_for_nobody(world: World, tenant: str) -> None:
    world.consume(tenant)
    subject = subjects.evt(tenant, "probe", "thing.made")
    await world.bus.jetstream.publish(subject, b"")
    await until(lambda: _buried(world, "unknown", 1))
    assert world.seen == []


async def test_what_is_away_is_waited_for_and_never_buried(world: World, tenant: str) -> None:
    async def handler(event: Event) -> None:
        world.seen.append(event)
        if len(world.seen) < 8:
            raise Unavailable("DATABASE_UNAVAILABLE", "away")  # type: ignore[arg-type]

    world.relay()
    world.consume(tenant, handler, max_deliver=2)
    await world.tell(tenant, "a")
    await until(lambda: len(world.seen) == 8)
    assert await _buried(world, tenant, 0)


async def test_two_relays_have_one_leader_and_the_other_takes_over(world: World, tenant: str) -> None:
    first = world.relay()
    world.consume(tenant)
    await world.tell(tenant, "a")
    await until(lambda: world.has_effects(tenant, "a"))
    world.relay()
    first.cancel()
    await world.tell(tenant, "b")
    await until(lambda: world.has_effects(tenant, "b"))
    assert await world.effects(tenant) == {"a": 1, "b": 1}


async def test_subjects() -> None:
    subject = subjects.evt("ten_1", "booking", "appointment.confirmed")
    assert subject == "giro.evt.ten_1.booking.v1.appointment.confirmed"
    assert subjects.parse(subject) == subjects.Subject("ten_1", "booking", "appointment.confirmed")
    assert subjects.evt("*", "booking", ">") == "giro.evt.*.booking.v1.>"
    assert subjects.parse("giro.cmd.ten_1.booking.v1.x") is None
    for bad in ("a.b", "", "a b", ">"):
        with pytest.raises(ValueError, match="part of a subject"):
            subjects.evt(bad, "booking", "x")


async def test_a_commit_wakes_the_relay_and_no_look_at_intervals_does(
    world: World, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BK-45: with intervals of an hour an event is with its consumer all the same, and so is the next one."""
    monkeypatch.setattr(relay, "POLL_SECONDS", 3600.0)
    world.relay()
    world.consume(tenant)
    for value in ("a", "b"):
        await world.tell(tenant, value)
        await until(lambda seen=value: world.has_effects(tenant, seen))
    await until(lambda: _empty(world, tenant))
