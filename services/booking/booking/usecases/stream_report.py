"""All rows of a report, however slowly they are read (R-005, R-006).

The rows are taken from the database in one look, as fast as it gives them, into a file without a name, and
sent from there: so all are as they were at one instant, their counts are those of these very rows, and no
connection waits for a reader.
"""

import asyncio
import pickle
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final

from booking.domain.appointment import State
from booking.domain.report import Report, ReportRow, Tally
from booking.storage import campaigns, reports
from booking.storage.reports import Part
from booking.usecases.desk import Desk
from booking.usecases.reach import reach, reach_as
from booking.usecases.views import CLIENTS, record_for_clients
from kit.db.uow import Timeouts
from kit.errors import Exhausted, Reason
from kit.rpc.context import caller

_TAKING: Final = Timeouts(statement=30.0, idle=30.0)
"""A report of many rows is long work; its transaction holds no lock that anybody waits for."""
_TAKEN_AT_ONCE: Final = 2
_MOST_OPEN: Final = 64
_IN_MEMORY: Final = 256 * 1024


class ReportLimits:
    """What reports may use of one process: connections while they are taken, files while they are read."""

    def __init__(self, most_open: int = _MOST_OPEN) -> None:
        self.turns = asyncio.Semaphore(_TAKEN_AT_ONCE)
        self._most, self.open = most_open, 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Room for one more report. Raises Exhausted (RATE_LIMITED) where there is none."""
        if self.open >= self._most:
            message = f"{self._most} reports are being read; ask again when one has ended"
            raise Exhausted(Reason.RATE_LIMITED, message)
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


async def stream_report(
    desk: Desk, limits: ReportLimits, part: Part
) -> AsyncGenerator[Sequence[ReportRow] | Report, None]:
    """All rows by start, in batches of which one is in memory at a time, and last what they count up to.
    What a customer is shown is kept, batch by batch (R-017).

    Raises NotFound, NotAllowed, Exhausted.
    """
    reach().require_campaign(part.campaign_id)
    with limits.place(), tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        async with limits.turns:
            batches, summary = await _take(desk, part, file)
        file.seek(0)
        for _ in range(batches):
            rows = reports.report_rows(await asyncio.to_thread(pickle.load, file))
            await _keep_views(desk, part, rows)
            yield rows
        yield summary


async def _keep_views(desk: Desk, part: Part, rows: Sequence[ReportRow]) -> None:
    if reach_as(*CLIENTS).covers(part.campaign_id):
        async with desk.db.uow(caller().tenant) as tx:
            await record_for_clients(tx, [row.appointment for row in rows])


async def _take(desk: Desk, part: Part, file: IO[bytes]) -> tuple[int, Report]:
    """Writes the batches; how many they are, and the counts of their rows."""
    batches, counts = 0, Counter[tuple[str, str, str]]()
    async with desk.db.uow(caller().tenant, timeouts=_TAKING) as tx:
        await campaigns.require(tx, part.campaign_id)
        async for batch in reports.stream(tx, part):
            counts.update(reports.tallied(batch))
            await asyncio.to_thread(pickle.dump, batch, file, pickle.HIGHEST_PROTOCOL)
            batches += 1
    tallies = [Tally(agent, zone, State(state), number) for (agent, zone, state), number in counts.items()]
    return batches, Report.of(tallies)
