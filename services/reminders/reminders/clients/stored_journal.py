"""The journal of calls and the sandbox's scripted answers, kept in the database: they outlive the process."""

from datetime import timedelta
from typing import Final

from pydantic import TypeAdapter

from kit.db.engine import Database
from reminders.clients.journal import Entry, merged
from reminders.clients.simulated import Answer, Outcome
from reminders.storage import provider_calls
from reminders.storage.provider_calls import ProviderCall
from reminders.usecases.ports import Call, CallReport

_CALL: Final[TypeAdapter[Call]] = TypeAdapter(Call)
_REPORT: Final[TypeAdapter[CallReport]] = TypeAdapter(CallReport)


class StoredJournal:
    """A `CallJournal` in the database; each operation is one transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def begin(self, entry: Entry) -> Entry | None:
        """See CallJournal."""
        report = entry.report
        new = ProviderCall(
            reference=report.reference,
            provider_reference=report.provider_reference,
            call=None if entry.call is None else _CALL.dump_python(entry.call, mode="json"),
            report=_REPORT.dump_python(report, mode="json"),
            asked_at=entry.asked_at,
        )
        async with self._db.uow(entry.tenant) as tx:
            if await provider_calls.begin(tx, new):
                return None
            found = await provider_calls.find(tx, report.reference)
        return None if found is None else _entry(entry.tenant, found)

    async def find(self, tenant: str, reference: str) -> Entry | None:
        """See CallJournal."""
        async with self._db.uow(tenant) as tx:
            found = await provider_calls.find(tx, reference)
        return None if found is None else _entry(tenant, found)

    async def learn(self, tenant: str, report: CallReport) -> Entry:
        """See CallJournal."""
        async with self._db.uow(tenant) as tx:
            found = await provider_calls.find(tx, report.reference, lock=True)
            if found is None:
                raise KeyError(report.reference)
            known = _entry(tenant, found)
            now = merged(known.report, report)
            stored = _REPORT.dump_python(now, mode="json")
            await provider_calls.learn(tx, report.reference, now.provider_reference, stored)
        return Entry(tenant, now, known.call, known.asked_at)

    async def owner(self, tenant: str, provider_reference: str) -> str | None:
        """See CallJournal."""
        async with self._db.uow(tenant) as tx:
            return await provider_calls.owner(tx, provider_reference)


class StoredAnswers:
    """An `AnswerBook` in the database; a number that nothing is scripted for answers with key 1."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def next_answer(self, tenant: str, number: str) -> Answer:
        """See AnswerBook."""
        async with self._db.uow(tenant) as tx:
            found = await provider_calls.next_answer(tx, number)
        if not isinstance(found, dict):
            return Answer()
        return Answer(Outcome(found["outcome"]), found["keys"], timedelta(seconds=5))


def _entry(tenant: str, found: ProviderCall) -> Entry:
    call = None if found.call is None else _CALL.validate_python(found.call)
    return Entry(tenant, _REPORT.validate_python(found.report), call, found.asked_at)
