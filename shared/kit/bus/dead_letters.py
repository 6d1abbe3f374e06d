"""What a consumer gives up on: kept with its bytes in the database and on `giro.dlq.…`, and counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter
from sqlalchemy import LargeBinary, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from kit import subjects, telemetry
from kit.bus.connect import Bus
from kit.bus.relay import MESSAGE_ID
from kit.db.engine import Database

dead_letters: Final = Counter("giro_dead_letters_total", "Events that a consumer gave up on", ["durable"])

NO_TENANT: Final = "unknown"
"""Tenant of what is no event of any tenant."""

_log = telemetry.logger("kit.bus.dead_letters")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message, and why it was given up."""

    durable: str
    event_id: str
    tenant: str
    subject: str
    headers: Mapping[str, str]
    data: bytes
    reason: str
    deliveries: int


async def bury(letter: DeadLetter, bus: Bus, db: Database | None) -> None:
    """Keeps the letter. Raises when it could be kept nowhere safe; burying twice leaves one."""
    if db is not None:
        await _store(letter, db)
    service = db.service if db is not None else letter.durable
    headers = {
        **letter.headers,
        MESSAGE_ID: f"dlq:{letter.durable}:{letter.event_id}",
        "giro-subject": letter.subject,
        "giro-reason": letter.reason.replace("\n", " ")[:500],
    }
    await bus.jetstream.publish(
        subjects.dlq(letter.tenant, service, letter.durable), letter.data, headers=headers
    )
    dead_letters.labels(letter.durable).inc()
    _log.error("dead letter", durable=letter.durable, event_id=letter.event_id, reason=letter.reason)


async def _store(letter: DeadLetter, db: Database) -> None:
    statement = text(
        f"INSERT INTO {db.schema}.dead_letters"  # noqa: S608
        " (tenant_id, durable, event_id, subject, headers, payload, reason, deliveries)"
        " VALUES (:tenant, :durable, :event_id, :subject, :headers, :payload, :reason, :deliveries)"
        " ON CONFLICT DO NOTHING"
    ).bindparams(bindparam("headers", type_=JSONB), bindparam("payload", type_=LargeBinary))
    async with db.uow(letter.tenant) as tx:
        await tx.run(
            statement,
            {
                "tenant": letter.tenant,
                "durable": letter.durable,
                "event_id": letter.event_id,
                "subject": letter.subject,
                "headers": dict(letter.headers),
                "payload": letter.data,
                "reason": letter.reason[:2000],
                "deliveries": letter.deliveries,
            },
        )
