"""Events wait in the outbox, a table of the transaction that they tell about, until NATS has them."""

# ruff: noqa: S608 - what is put in is the schema's name, which Database has checked

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


def insert_statement(schema: str) -> str:
    """One statement for any number of events; they are numbered in the order given."""
    return (
        f"INSERT INTO {schema}.outbox (tenant_id, event_id, subject, entity_id, headers, payload)"
        " SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::jsonb[], %s::bytea[])"
    )


async def write(
    connection: Connection,
    statement: str,
    tenant: str,
    events: Sequence[Outgoing],
) -> None:
    """Writes the events of one transaction."""
    columns = (
        [event.event_id for event in events],
        [event.subject for event in events],
        [event.entity_id for event in events],
        [Jsonb(event.headers) for event in events],
        [event.payload for event in events],
    )
    await connection.execute(statement, (tenant, *columns))
