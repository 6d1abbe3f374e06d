"""Pages of slots: ideal ones first, then wider (GEO-08).

All pages show the agendas at the business time of the first one, so that with nothing booked in between they
are cuts of one list. A page token counts as long as a slot token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

from booking.domain import errors
from booking.domain.grounds import Grounds
from booking.domain.pages import PageTokens
from booking.usecases.ports import FoundSlot, SlotPosition
from kit.rpc.context import caller

_IDEAL: Final = 1


@dataclass(frozen=True, slots=True)
class Page:
    """Which page: the business time that its list is of, and the last slot of the page before (None: none).

    `first` is the first page of all.
    """

    as_of: datetime
    after: SlotPosition | None = None
    first: bool = True


def read(tokens: PageTokens, asked: Sequence[str], token: str, grounds: Grounds) -> Page:
    """The page of this token. Raises InvalidInput naming `page_token` for a foreign or an old one."""
    position = tokens.read(caller().tenant, asked, token)
    if position is None:
        return Page(grounds.now)
    as_of = datetime.fromtimestamp(int(position[0]), UTC)
    if grounds.now >= as_of + grounds.parameters.slot_token_ttl:
        raise errors.invalid("page_token", "is too old; ask for the first page again")
    if len(position) == 1:
        return Page(as_of, first=False)
    _, added, start, agent_id = position
    return Page(as_of, SlotPosition(int(added), int(start), str(agent_id)), first=False)


def cut(found: Sequence[FoundSlot], limit: int, page: Page, *, ideal_first: bool) -> list[FoundSlot]:
    """The slots of the page: at most `limit`; with `ideal_first` of one grade, on the first page IDEAL."""
    if not ideal_first or not found:
        return list(found[:limit])
    grade = _IDEAL if page.first else found[0].grade
    return list(takewhile(lambda slot: slot.grade == grade, found[:limit]))


def following(
    tokens: PageTokens,
    asked: Sequence[str],
    page: Page,
    shown: Sequence[FoundSlot],
    found: Sequence[FoundSlot],
) -> str:
    """The token of the next page; empty when nothing follows what is shown."""
    if len(found) == len(shown):
        return ""
    last = shown[-1].position if shown else ()
    return tokens.write(caller().tenant, asked, (int(page.as_of.timestamp()), *last))
