"""The gRPC face of slot search and travel data: message to command, domain to message."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from geo.domain.detours import Detour
from geo.domain.drives import UNREACHABLE
from geo.domain.grades import Grade, Thresholds
from geo.domain.legs import Pair
from geo.domain.matrix import Entry
from geo.domain.modes import TravelMode
from geo.domain.places import degrees
from geo.domain.promise import InfeasiblePair
from geo.domain.refusals import Refused
from geo.domain.slot_search import Slot
from geo.domain.starts import Position, StartChoice
from geo.domain.stop import NOWHERE, Leg
from geo.domain.zones import plain_postcode
from geo.storage.at_risk import PageStart
from geo.transport import messages, profiles
from geo.usecases.check_promises import TravelData
from geo.usecases.explain_start import Explained, ExplainStart, explain_start
from geo.usecases.import_matrix import TravelImport, import_travel
from geo.usecases.ledger import Ledger
from geo.usecases.list_now_infeasible import list_now_infeasible
from geo.usecases.search_limits import LONGEST_HORIZON_DAYS
from geo.usecases.search_slots import Found, SearchSlots, SlotSearch
from giro.common.v1 import travel_pb2
from giro.geo.v1 import geo_pb2, ledger_pb2
from kit.db.claims import Claim
from kit.rpc.context import caller

_PAGE: Final = 50
_LONGEST_WINDOW: Final = timedelta(days=LONGEST_HORIZON_DAYS)
_NO_GRADE: Final = travel_pb2.GRADE_UNSPECIFIED
_EARLIEST: Final = frozenset({StartChoice.EARLIEST})
_CHOICES: Final = {travel_pb2.StartChoice.Value(f"START_CHOICE_{kind}"): kind for kind in StartChoice}
_GRADES: Final = {grade: travel_pb2.Grade.Value(f"GRADE_{grade}") for grade in Grade}


class SearchRpc:
    """What `LedgerService` and `GeoService` hand on."""

    def __init__(self, search: SlotSearch, data: TravelData, ledger: Ledger) -> None:
        self._search, self._data, self._ledger = search, data, ledger

    async def search_slots(self, request: ledger_pb2.SearchSlotsRequest) -> ledger_pb2.SearchSlotsResponse:
        """The starts that fit."""
        return _found(await self._search.search(caller().tenant, _search(request)))

    async def find_detours(self, request: ledger_pb2.FindDetoursRequest) -> ledger_pb2.FindDetoursResponse:
        """The best slot of each agent in each window."""
        asked = _search(request.search)
        if any(later.start < window.end for window, later in pairwise(asked.windows)):
            raise messages.invalid("search.windows", "must be in order and apart")
        found = await self._search.detours(caller().tenant, asked)
        response = ledger_pb2.FindDetoursResponse(
            travel_version=found.travel_version, left_out_agent_ids=found.left_out
        )
        for detour, grade in found.detours:
            _fill_detour(response.detours.add(), detour, grade)
        return response

    async def explain_start(self, request: ledger_pb2.ExplainStartRequest) -> ledger_pb2.ExplainStartResponse:
        """Why a start cannot be had, and what would open it."""
        asked = ExplainStart(
            plan=messages.plan(request.plan),
            windows=tuple(
                messages.window(window, f"windows[{index}]", _LONGEST_WINDOW)
                for index, window in enumerate(request.windows)
            ),
            agent_ids=tuple(request.agent_ids),
            as_of=_moment(request.as_of),
            granularity=_whole(request.granularity, "granularity"),
            postpone_up_to=_whole(request.postpone_up_to, "postpone_up_to"),
            refused=request.refused,
        )
        return _explained(await explain_start(self._ledger, self._search, caller().tenant, asked))

    async def import_matrix(self, request: geo_pb2.ImportMatrixRequest) -> geo_pb2.ImportMatrixResponse:
        """Replaces the tenant's matrix."""
        claim = Claim(f"import_matrix:{request.request_id}", request.SerializeToString(deterministic=True))
        week = profiles.profile_of(request.profile) if request.HasField("profile") else None
        mode = messages.mode(request.travel_mode)
        if week is not None and mode is not TravelMode.CAR:
            raise messages.invalid("profile", "is of cars: it cannot come with the drives of another mode")
        what = TravelImport(_entries(request), week, mode=mode)
        done = await import_travel(self._data, caller().tenant, what, claim)
        return geo_pb2.ImportMatrixResponse(version=done.version, now_infeasible=done.now_infeasible)

    async def list_now_infeasible(
        self, request: geo_pb2.ListNowInfeasibleRequest
    ) -> geo_pb2.ListNowInfeasibleResponse:
        """A page of the pairs that no longer fit."""
        size = request.page_size or _PAGE
        after = _after(request.page_token)
        found = await list_now_infeasible(self._data, caller().tenant, after, size + 1)
        token = _token(found.pairs[size - 1]) if len(found.pairs) > size else ""
        return geo_pb2.ListNowInfeasibleResponse(
            pairs=[_pair(pair) for pair in found.pairs[:size]],
            next_page_token=token,
            left_out_travel_modes=map(messages.mode_out, found.left_out),
        )


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
        starts=frozenset(map(_CHOICES.__getitem__, request.starts)) or _EARLIEST,
        near=tuple(messages.instant(near, f"near[{index}]") for index, near in enumerate(request.near)),
        after=_position(request.after) if request.HasField("after") else None,
        postcode=plain_postcode(request.postcode),
        arrival=request.arrival_windows,
    )


def _position(last: ledger_pb2.SlotPosition) -> Position:
    start = int(messages.instant(last.start, "after.start").timestamp())
    return Position(last.added_travel.seconds, start, last.agent_id)


def _moment(stamp: Timestamp) -> datetime:
    """An instant of a clock: the second it is in."""
    stamp.nanos = 0
    return messages.instant(stamp, "as_of")


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
        return PageStart()
    agent_id, _, seconds = messages.page_after(token).rpartition("@")
    if not seconds.isdecimal() or len(seconds) > 11:
        raise messages.invalid("page_token", "is no token of a page")
    return PageStart(agent_id, datetime.fromtimestamp(int(seconds), UTC))


# --- out


def _found(found: Found) -> ledger_pb2.SearchSlotsResponse:
    """Filled in place: making the nested messages first and copying them in takes four times as long."""
    response = ledger_pb2.SearchSlotsResponse(
        refused_truncated=found.refused_truncated,
        travel_version=found.travel_version,
        left_out_agent_ids=found.left_out,
    )
    for slot, grade in found.slots:
        _fill_slot(response.slots.add(), slot, grade)
    response.certificates.extend(found.certificates)
    for gap in found.refused:
        _fill_refused(response.refused.add(), gap)
    return response


def _explained(found: Explained) -> ledger_pb2.ExplainStartResponse:
    response = ledger_pb2.ExplainStartResponse(left_out_agent_ids=found.left_out)
    for ground in found.grounds:
        response.grounds.add(reason=ground.reason, short_seconds=ground.short_seconds)
    for change in found.changes:
        response.changes.add(
            kind=travel_pb2.StartChangeKind.Value(f"START_CHANGE_KIND_{change.kind}"),
            by=Duration(seconds=change.seconds),
            start=messages.stamp(change.start),
            agent_id=change.agent_id,
            appointment_id=change.appointment_id,
        )
    return response


def _fill_detour(message: ledger_pb2.Detour, detour: Detour, grade: Grade | None) -> None:
    message.agent_id = detour.agent_id
    message.window = detour.window
    message.start.seconds = detour.start
    message.added_travel.seconds = detour.added_travel
    message.certificate = detour.certificate
    message.grade = _NO_GRADE if grade is None else _GRADES[grade]


def _fill_slot(message: travel_pb2.SlotAnatomy, slot: Slot, grade: Grade | None) -> None:
    message.agent_id = slot.agent_id
    message.start.seconds = slot.start
    message.end.seconds = slot.end
    if slot.leg_before is not None:
        _fill_leg(message.leg_before, slot.leg_before, slot.buffer)
    if slot.leg_after is not None:
        _fill_leg(message.leg_after, slot.leg_after, slot.buffer_after)
    message.leave_at.seconds = slot.leave_at
    if slot.idle is not None:
        message.idle.seconds = slot.idle
    message.added_travel.seconds = slot.added_travel
    message.slack.seconds = slot.slack
    message.grade = _NO_GRADE if grade is None else _GRADES[grade]


def _fill_leg(message: travel_pb2.Leg, leg: Leg, buffer: int) -> None:
    message.travel.seconds = leg.seconds
    message.metres = leg.metres
    message.source = _SOURCES[leg.source]
    message.version = leg.version
    message.via = leg.via
    message.buffer.seconds = buffer
    _fill_point(message.from_point, leg.from_place)
    _fill_point(message.to_point, leg.to_place)


def _fill_point(message: travel_pb2.Point, place: int) -> None:
    if place != NOWHERE:
        message.latitude, message.longitude = degrees(place)


_SOURCES: Final = {
    name.removeprefix("TRAVEL_SOURCE_"): value for name, value in travel_pb2.TravelSource.items()
}


def _fill_refused(message: travel_pb2.RefusedGap, gap: Refused) -> None:
    message.agent_id = gap.agent_id
    message.gap.start.seconds = gap.start
    message.gap.end.seconds = gap.end
    message.reason = gap.reason
    if gap.short_seconds is not None:
        message.short_seconds = gap.short_seconds


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
