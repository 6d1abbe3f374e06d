"""What a voice provider must not forget: each reference it was asked for, and what was told of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from kit.failpoints import failpoint
from reminders.usecases.ports import Call, CallEnding, CallReport, CallState


@dataclass(frozen=True, slots=True)
class Entry:
    """One reference. `call` is None where it was looked up, and thereby fenced, before it was ever placed."""

    tenant: str
    report: CallReport
    call: Call | None = None
    asked_at: datetime | None = None
    """When the provider was first asked, by the caller's clock."""


class CallJournal(Protocol):
    """Entries by tenant and reference, each operation atomic; kept as long as attempts are looked up."""

    async def begin(self, entry: Entry) -> Entry | None:
        """Keeps a new entry and answers None, or answers what is there already and changes nothing."""

    async def find(self, tenant: str, reference: str) -> Entry | None:
        """The entry of this tenant's reference."""

    async def learn(self, tenant: str, report: CallReport) -> Entry:
        """Merges a report into its entry (`merged`) and answers the entry. Raises KeyError without one."""

    async def owner(self, tenant: str, provider_reference: str) -> str | None:
        """Our reference of the call that the provider calls so."""


def merged(known: CallReport, told: CallReport) -> CallReport:
    """What is known after one more report, in whatever order and number reports come.

    An ended call stays ended, and evidence of a call beats its absence. Once it was said that it was never
    placed, another one may have taken its place: it stays so, whatever begins after that, until it is told
    that it ended. An answered call stays answered, unless it was a machine that took it (R-148); the first
    key, provider's reference and instants stay.
    """
    return CallReport(
        reference=known.reference,
        state=_state(known, told),
        ending=_ending(known.ending, told.ending),
        digit=known.digit if known.digit is not None else told.digit,
        provider_reference=known.provider_reference or told.provider_reference,
        answered_at=known.answered_at or told.answered_at,
        ended_at=known.ended_at or told.ended_at,
    )


def _state(known: CallReport, told: CallReport) -> CallState:
    if CallState.ENDED in {known.state, told.state}:
        return CallState.ENDED
    if known.state is CallState.NEVER_PLACED:
        return known.state
    return known.state if known.provider_reference else told.state


def _ending(known: CallEnding | None, told: CallEnding | None) -> CallEnding | None:
    strong = (each for each in (CallEnding.MACHINE, CallEnding.ANSWERED) if each in {known, told})
    return next(strong, known or told)


async def begin(journal: CallJournal, call: Call, now: datetime) -> CallReport | None:
    """Enters a call that is about to be placed; None means go on, a report means: not again, or too late.

    A call whose `give_up_at` has come is entered as never placed, so that it stays so.
    """
    late = now >= call.give_up_at
    report = CallReport(call.reference, CallState.NEVER_PLACED if late else CallState.UNDER_WAY)
    earlier = await journal.begin(Entry(call.tenant, report, call, now))
    if earlier is not None:
        return earlier.report
    await failpoint("reminders.provider.after_journal")
    return report if late else None


async def given_up(journal: CallJournal, call: Call, now: datetime) -> CallReport | None:
    """To be asked right before a provider is: None means go on, a report means no ring any more.

    Whoever was frozen since `begin` finds its call settled by a look-up, or its time over.
    """
    if now >= call.give_up_at:
        return (await journal.learn(call.tenant, CallReport(call.reference, CallState.NEVER_PLACED))).report
    entry = await journal.find(call.tenant, call.reference)
    if entry is None or entry.report.state is not CallState.UNDER_WAY:
        return entry.report if entry else CallReport(call.reference, CallState.NEVER_PLACED)
    return None


async def fence(journal: CallJournal, tenant: str, reference: str) -> Entry:
    """The entry of a reference; one that nobody placed is entered as never placed, and stays so."""
    fenced = Entry(tenant, CallReport(reference, CallState.NEVER_PLACED))
    return await journal.begin(fenced) or fenced


class MemoryJournal:
    """A journal for tests and for a single process that may forget."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], Entry] = {}

    async def begin(self, entry: Entry) -> Entry | None:
        """See CallJournal."""
        kept = self._entries.setdefault((entry.tenant, entry.report.reference), entry)
        return None if kept is entry else kept

    async def find(self, tenant: str, reference: str) -> Entry | None:
        """See CallJournal."""
        return self._entries.get((tenant, reference))

    async def learn(self, tenant: str, report: CallReport) -> Entry:
        """See CallJournal."""
        entry = self._entries[tenant, report.reference]
        self._entries[tenant, report.reference] = entry = replace(entry, report=merged(entry.report, report))
        return entry

    async def owner(self, tenant: str, provider_reference: str) -> str | None:
        """See CallJournal."""
        for (of, reference), entry in self._entries.items():
            if of == tenant and entry.report.provider_reference == provider_reference:
                return reference
        return None
