"""Events wait in the outbox, a table of the transaction that they tell about, until NATS has them."""

# ruff: noqa: S608 - what is put in is the schema's name, which Database has checked

import json
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from kit.db.pool import Connection

MAX_EVENT_BYTES = 512 * 1024
"""Largest payload of an event; NATS itself refuses 1 MiB."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event to be written with its transaction."""

    event_id: str
    subject: str
    entity_id: str
    headers: dict[str, str]
    payload: bytes


class OutboxStatements:
    """The SQL on one schema's outbox; any number of events is one statement, numbered in the order given."""

    def __init__(self, schema: str, settle_claim: str) -> None:
        insert = f"INSERT INTO {schema}.outbox (tenant_id, event_id, subject, entity_id, headers, payload)"
        self.one = f"{insert} VALUES (%s, %s, %s, %s, %s::jsonb, %s)"
        self.many = (
            f"{insert} SELECT %s, * FROM unnest(%b::text[], %b::text[], %b::text[], %b::jsonb[], %b::bytea[])"
        )
        self.settle_and_one = f"WITH settled AS ({settle_claim}) {self.one}"


async def write(
    connection: Connection, statements: OutboxStatements, tenant: str, events: Sequence[Outgoing]
) -> None:
    """Writes the events of one transaction."""
    if len(events) == 1:
        await connection.execute(statements.one, values(tenant, events[0]))
        return
    columns = (
        [event.event_id for event in events],
        [event.subject for event in events],
        [event.entity_id for event in events],
        [Jsonb(event.headers) for event in events],
        [event.payload for event in events],
    )
    await connection.execute(statements.many, (tenant, *columns))


def values(tenant: str, event: Outgoing) -> tuple[object, ...]:
    """What `OutboxStatements.one` takes."""
    headers = json.dumps(event.headers)
    return tenant, event.event_id, event.subject, event.entity_id, headers, event.payload
