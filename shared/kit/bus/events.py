"""An event as its consumer sees it."""

from collections.abc import Mapping
from dataclasses import dataclass

from kit import subjects
from kit.bus.relay import ENTITY_HEADER, MESSAGE_ID
from kit.db.claims import Claim


@dataclass(frozen=True, slots=True)
class Event:
    """One delivery of an event. `data` is the serialized message that the subject's contract names."""

    id: str
    tenant: str
    subject: str
    entity_id: str
    data: bytes
    traceparent: str
    request_id: str
    durable: str = ""
    """The consumer that this delivery is for."""

    @property
    def claim(self) -> Claim:
        """What the handler's unit of work claims, so that the event has one effect however often it comes:
        `async with db.uow(event.tenant, event.claim) as tx: if tx.duplicate: return`.
        """
        return Claim(f"evt:{self.durable}:{self.id}", b"")


def read(subject: str, headers: Mapping[str, str], data: bytes, durable: str) -> Event | None:
    """The event of a message, or None when the message is none of Giro's."""
    parts = subjects.parse(subject)
    event_id = headers.get(MESSAGE_ID)
    if parts is None or not event_id:
        return None
    return Event(
        id=event_id,
        tenant=parts.tenant,
        subject=subject,
        entity_id=headers.get(ENTITY_HEADER, ""),
        data=data,
        traceparent=headers.get("traceparent", ""),
        request_id=headers.get("x-request-id", ""),
        durable=durable,
    )
