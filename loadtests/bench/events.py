"""How long after a change began its event is on NATS; since its commit it is less (BK-45)."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import nats
from nats.aio.msg import Msg

from giro.booking.v1.contact_events_pb2 import ContactUpdated
from loadtests.bench.loop import Call

AIM_MS: Final = 1_000
"""Within which an event has to be on NATS after its commit."""
_SUBJECT: Final = "giro.evt.*.booking.v1.contact_updated"

Version = tuple[str, int]


@asynccontextmanager
async def heard(nats_url: str, change: Callable[[int], Awaitable[Version]]) -> AsyncIterator[Call]:
    """A call that makes a change and ends when NATS has told others of the version that it made."""
    told: defaultdict[Version, asyncio.Event] = defaultdict(asyncio.Event)

    async def hear(message: Msg) -> None:
        event = ContactUpdated.FromString(message.data)
        told[event.contact_id, event.version].set()

    async def call(number: int) -> None:
        made = await change(number)
        await told[made].wait()
        del told[made]

    client = await nats.connect(nats_url)
    try:
        await client.subscribe(_SUBJECT, cb=hear)
        await client.flush()
        yield call
    finally:
        await client.close()
