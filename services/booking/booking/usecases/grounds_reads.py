"""What suggestions stand on, read once for all who ask at the same moment.

Many operators ask for slots of one campaign at once. Who asks while a read of that campaign is under way
waits for the next one, which serves all who wait: nobody gets anything read before it asked, and the database
is asked as often as it can answer, not as often as operators ask.
"""

import asyncio
from collections.abc import Collection
from contextvars import Context
from dataclasses import dataclass, field

from booking.domain.grounds import Grounds
from booking.storage import campaigns
from booking.storage.campaigns import Read
from kit.db.engine import Database

_Found = Read | None


@dataclass(slots=True)
class _Line:
    """Those who wait for the next read of one campaign."""

    waiting: list[tuple[str, "asyncio.Future[_Found]"]] = field(default_factory=list)
    reading: "asyncio.Task[None] | None" = None


class GroundsReads:
    """Reads grounds for suggestions."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lines: dict[tuple[str, str], _Line] = {}

    async def of(self, tenant: str, campaign_id: str, contact_id: str) -> Grounds | None:
        """The grounds, read after this was called, with the contact's place; None for an unknown campaign."""
        line = self._lines.setdefault((tenant, campaign_id), _Line())
        answer: asyncio.Future[_Found] = asyncio.get_running_loop().create_future()
        line.waiting.append((contact_id, answer))
        if line.reading is None:
            # a context of its own: one caller's deadline or end is not the others'
            line.reading = asyncio.create_task(self._serve(tenant, campaign_id, line), context=Context())
        found = await answer
        return None if found is None else found.of(contact_id)

    async def _serve(self, tenant: str, campaign_id: str, line: _Line) -> None:
        while line.waiting:
            asked, line.waiting = line.waiting, []
            try:
                found = await self._read(tenant, campaign_id, {contact for contact, _ in asked if contact})
            except Exception as error:
                _tell([answer for _, answer in asked], error)
            else:
                _tell([answer for _, answer in asked], found)
        del self._lines[tenant, campaign_id]

    async def _read(self, tenant: str, campaign_id: str, contacts: Collection[str]) -> _Found:
        async with self._db.uow(tenant) as tx:
            return await campaigns.grounds_to_suggest(tx, campaign_id, contacts, sandbox=self._db.sandbox)


def _tell(answers: "list[asyncio.Future[_Found]]", found: _Found | Exception) -> None:
    for answer in answers:
        if answer.done():  # its caller has gone
            continue
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)
