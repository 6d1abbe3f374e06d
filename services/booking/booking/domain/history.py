"""An appointment's history: append only (R-041)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum


class HistoryKind(StrEnum):
    """What an entry tells; equal to giro.booking.v1.HistoryKind."""

    OUTCOME = "OUTCOME"
    NOTE = "NOTE"
    REFIXED = "REFIXED"
    SUPERSEDED = "SUPERSEDED"
    SUPERSEDES = "SUPERSEDES"
    OWNER = "OWNER"
    EXCEPTION = "EXCEPTION"


LINKS = frozenset({HistoryKind.SUPERSEDED, HistoryKind.SUPERSEDES})
"""Entries that tell the link between two cards, which may be hidden (R-052); their notes stay."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; `number` is 0 until it is stored, `facts` are short texts by name."""

    appointment_id: str
    kind: HistoryKind
    at: datetime
    actor_id: str
    version: int
    state_id: str = ""
    note: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    number: int = 0


def without_link(entry: Entry) -> Entry:
    """An entry for somebody from whom the link between two cards is hidden: what was agreed stays (R-041)."""
    if entry.kind not in LINKS:
        return entry
    return replace(entry, kind=HistoryKind.NOTE, state_id="", facts={})
