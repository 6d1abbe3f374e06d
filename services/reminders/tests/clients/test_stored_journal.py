"""The journal in the database: copies of a webhook at once are one answer, and a reference is placed once."""

import asyncio

import pytest

from kit.db.engine import Database
from kit.values.ids import new_id
from reminders.clients.journal import Entry, fence
from reminders.clients.stored_journal import StoredJournal
from reminders.usecases.ports import CallReport, CallState

pytestmark = pytest.mark.asyncio


def report(reference: str, state: CallState = CallState.UNDER_WAY, **known: str) -> CallReport:
    return CallReport(reference, state, **known)  # type: ignore[arg-type]


async def test_copies_at_once_are_one_answer(db: Database) -> None:
    journal, tenant, reference = StoredJournal(db), new_id("ten"), new_id("att")
    await journal.begin(Entry(tenant, report(reference)))
    told = [report(reference, digit="1", provider_reference="CA1") for _ in range(5)]
    other = report(reference, digit="2", provider_reference="CA1")
    entries = await asyncio.gather(*(journal.learn(tenant, each) for each in told))
    await journal.learn(tenant, other)
    found = await journal.find(tenant, reference)
    assert found is not None
    assert {entry.report for entry in (*entries, found)} == {told[0]}
    assert await journal.owner(tenant, "CA1") == reference


async def test_one_of_many_that_begin_at_once_goes_on(db: Database) -> None:
    journal, tenant, reference = StoredJournal(db), new_id("ten"), new_id("att")
    entry = Entry(tenant, report(reference))
    begun = await asyncio.gather(*(journal.begin(entry) for _ in range(5)))
    assert begun.count(None) == 1


async def test_a_fence_and_a_beginning_at_once_agree(db: Database) -> None:
    journal, tenant = StoredJournal(db), new_id("ten")
    for _ in range(10):
        reference = new_id("att")
        fenced, begun = await asyncio.gather(
            fence(journal, tenant, reference), journal.begin(Entry(tenant, report(reference)))
        )
        goes_on = begun is None
        assert (fenced.report.state is CallState.UNDER_WAY) == goes_on


async def test_another_tenants_reference_is_not_there(db: Database) -> None:
    journal, tenant, reference = StoredJournal(db), new_id("ten"), new_id("att")
    await journal.begin(Entry(tenant, report(reference)))
    assert await journal.find(new_id("ten"), reference) is None
    with pytest.raises(KeyError):
        await journal.learn(new_id("ten"), report(reference, digit="1"))
