"""The gRPC face of slot search and travel data: message to command, domain to message."""

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from geo.domain.drives import UNREACHABLE
from geo.domain.grades import Grade, Thresholds
from geo.domain.legs import Pair
from geo.domain.matrix import Entry
from geo.domain.promise import InfeasiblePair
from geo.domain.refusals import Refused
from geo.domain.slot_search import Slot
from geo.domain.stop import Leg
from geo.storage.at_risk import PageStart
from geo.transport import messages
from geo.usecases.import_matrix import TravelData, import_matrix
from geo.usecases.list_now_infeasible import list_now_infeasible
from geo.usecases.search_slots import LONGEST_HORIZON_DAYS, Found, SearchSlots, SlotSearch
from giro.common.v1 import travel_pb2
from giro.geo.v1 import geo_pb2, ledger_pb2
from kit.db.claims import Claim
from kit.rpc.context import caller

_PAGE: Final = 50
_LONGEST_WINDOW: Final = timedelta(days=LONGEST_HORIZON_DAYS)
_NO_GRADE: Final = travel_pb2.GRADE_UNSPECIFIED
_GRADES: Final = {grade: travel_pb2.Grade.Value(f"GRADE_{grade}") for grade in Grade}


class SearchRpc:
    """What `LedgerService` and `GeoService` hand on."""

    def __init__(self, search: SlotSearch, data: TravelData) -> None:
        self._search, self._data = search, data

    async def search_slots(self, request: ledger_pb2.SearchSlotsRequest) -> ledger_pb2.SearchSlotsResponse:
        """The starts that fit."""
        asked = _search(request)
        return _found(await self._search.search(caller().tenant, asked), asked.place)

    async def import_matrix(self, request: geo_pb2.ImportMatrixRequest) -> geo_pb2.ImportMatrixResponse:
        """Replaces the tenant's matrix."""
        claim = Claim(f"import_matrix:{request.request_id}", request.SerializeToString(deterministic=True))
        done = await import_matrix(self._data, caller().tenant, _entries(request), claim)
        return geo_pb2.ImportMatrixResponse(version=done.version, now_infeasible=done.now_infeasible)

    async def list_now_infeasible(
        self, request: geo_pb2.ListNowInfeasibleRequest
    ) -> geo_pb2.ListNowInfeasibleResponse:
        """A page of the pairs that no longer fit."""
        size = request.page_size or _PAGE
        after = _after(request.page_token)
        found = await list_now_infeasible(self._data, caller().tenant, after, size + 1)
        token = _token(found[size - 1]) if len(found) > size else ""
        pairs = [_pair(pair) for pair in found[:size]]
        return geo_pb2.ListNowInfeasibleResponse(pairs=pairs, next_page_token=token)


# --- in


def _search(request: ledger_pb2.SearchSlotsRequest) -> SearchSlots:
    return SearchSlots(
        place=messages.place(request.point, "point"),
        duration=_whole(request.duration, "duration"),
        windows=tuple(
            messages.window(window, f"windows[{index}]", _LONGEST_WINDOW)
            for index, window in enumerate(request.windows)
        ),
        as_of=_moment(request.as_of),
        agent_ids=tuple(request.agent_ids),
        not_before=messages.instant(request.not_before, "not_before")
        if request.HasField("not_before")
        else None,
        skills=frozenset(request.skills),
        buffer=_whole(request.buffer, "buffer"),
        granularity=_whole(request.granularity, "granularity"),
        limit=request.limit,
        explain=request.explain,
        thresholds=_thresholds(request),
    )


def _moment(stamp: Timestamp) -> datetime:
    """An instant of a clock: the second it is in."""
    return messages.instant(Timestamp(seconds=stamp.seconds), "as_of")


def _whole(duration: Duration, field: str) -> int:
    if duration.seconds > 86_400:
        raise messages.invalid(field, "must be at most 24 hours")
    return int(messages.span(duration, field).total_seconds())


def _thresholds(request: ledger_pb2.SearchSlotsRequest) -> Thresholds | None:
    if not (request.HasField("ideal_up_to") and request.HasField("ok_up_to")):
        return None
    ideal, fine = _whole(request.ideal_up_to, "ideal_up_to"), _whole(request.ok_up_to, "ok_up_to")
    if ideal > fine:
        raise messages.invalid("ideal_up_to", "must be at most ok_up_to")
    return Thresholds(ideal, fine)


def _entries(request: geo_pb2.ImportMatrixRequest) -> dict[Pair, Entry]:
    entries: dict[Pair, Entry] = {}
    for index, entry in enumerate(request.entries):
        field = f"entries[{index}]"
        pair = (
            messages.place(entry.from_point, f"{field}.from_point"),
            messages.place(entry.to_point, f"{field}.to_point"),
        )
        if pair in entries:
            raise messages.invalid(field, "names a pair for the second time")
        entries[pair] = _drive(entry, field)
    return entries


def _drive(entry: geo_pb2.MatrixEntry, field: str) -> Entry:
    if not entry.HasField("travel"):
        return UNREACHABLE, 0
    return int(messages.span(entry.travel, f"{field}.travel").total_seconds()), entry.metres


def _after(token: str) -> PageStart:
    if not token:
        return PageStart("", datetime(1970, 1, 1, tzinfo=UTC))
    agent_id, _, seconds = messages.page_after(token).rpartition("@")
    if not seconds.isdecimal() or len(seconds) > 11:
        raise messages.invalid("page_token", "is no token of a page")
    return PageStart(agent_id, datetime.fromtimestamp(int(seconds), UTC))


# --- out


def _found(found: Found, place: int) -> ledger_pb2.SearchSlotsResponse:
    points = {place: messages.point(place)}
    return ledger_pb2.SearchSlotsResponse(
        slots=[_slot(slot, grade, points) for slot, grade in found.slots],
        refused=[_refused(gap) for gap in found.refused],
        refused_truncated=found.refused_truncated,
        travel_version=found.travel_version,
    )


_Points = dict[int, travel_pb2.Point | None]


def _slot(slot: Slot, grade: Grade | None, points: _Points) -> travel_pb2.SlotAnatomy:
    return travel_pb2.SlotAnatomy(
        agent_id=slot.agent_id,
        start=Timestamp(seconds=slot.start),
        end=Timestamp(seconds=slot.end),
        leg_before=_leg(slot.leg_before, slot.buffer, points),
        leg_after=_leg(slot.leg_after, slot.buffer_after, points),
        leave_at=Timestamp(seconds=slot.leave_at),
        idle=None if slot.idle is None else Duration(seconds=slot.idle),
        added_travel=Duration(seconds=slot.added_travel),
        slack=Duration(seconds=slot.slack),
        grade=_NO_GRADE if grade is None else _GRADES[grade],
    )


def _leg(leg: Leg | None, buffer: int, points: _Points) -> travel_pb2.Leg | None:
    if leg is None:
        return None
    for place in (leg.from_place, leg.to_place):
        if place not in points:
            points[place] = messages.point(place)
    return travel_pb2.Leg(
        travel=Duration(seconds=leg.seconds),
        metres=leg.metres,
        source=_SOURCES[leg.source],
        version=leg.version,
        via=leg.via,
        buffer=Duration(seconds=buffer),
        from_point=points[leg.from_place],
        to_point=points[leg.to_place],
    )


_SOURCES: Final = {
    name.removeprefix("TRAVEL_SOURCE_"): value for name, value in travel_pb2.TravelSource.items()
}


def _refused(gap: Refused) -> travel_pb2.RefusedGap:
    window = travel_pb2.TimeWindow(start=Timestamp(seconds=gap.start), end=Timestamp(seconds=gap.end))
    return travel_pb2.RefusedGap(
        agent_id=gap.agent_id, gap=window, reason=gap.reason, short_seconds=gap.short_seconds
    )


def _pair(pair: InfeasiblePair) -> geo_pb2.InfeasiblePair:
    promise = pair.promise
    return geo_pb2.InfeasiblePair(
        agent_id=promise.agent_id,
        earlier_owner_id=promise.earlier_owner_id,
        later_owner_id=promise.later_owner_id,
        promised=messages.leg(promise.leg, promise.buffer),
        present=None if pair.present is None else messages.leg(pair.present, promise.buffer),
        short_seconds=pair.short_seconds,
    )


def _token(pair: InfeasiblePair) -> str:
    starts_at = int(pair.promise.later_starts_at.timestamp())
    return messages.page_token(f"{pair.promise.agent_id}@{starts_at}")
