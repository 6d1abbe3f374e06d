"""Each reason for a no, with its seconds, on agendas one can follow by hand (GEO-10, GEO-12, GEO-13)."""

from typing import Any

import pytest

from geo.domain.calendar import Calendar, WeeklyShift
from geo.domain.grades import Grade, Thresholds
from geo.domain.starts import StartChoice
from geo.domain.stop import TravelSource
from geo.usecases.search_slots import Found, SearchSlots, SlotSearch
from kit.errors import InvalidInput, Reason
from kit.values.window import Window
from services.geo.tests.support.search_days import BASE, ISLAND, SHOP, TABLE, VISIT, absent, at, booked, diary
from services.geo.tests.support.search_world import Diary, DiaryShelf, TableTravel
from services.geo.tests.support.world import everyones

pytestmark = pytest.mark.asyncio


async def search(*diaries: Diary, travel: TableTravel | None = None, **changes: Any) -> Found:
    shelf = DiaryShelf({one.agent_id: one for one in diaries}, at(-48))
    engine = SlotSearch(shelf, everyones(travel or TableTravel(TABLE)))  # type: ignore[arg-type]
    asked: dict[str, Any] = {
        "place": VISIT,
        "duration": 1800,
        "windows": (Window(at(0), at(24)),),
        "as_of": at(-24),
        "agent_ids": tuple(one.agent_id for one in diaries),
        "explain": True,
        **changes,
    }
    return await engine.search("ten_1", SearchSlots(**asked))


def starts(found: Found) -> list[float]:
    return [(slot.start - at(0).timestamp()) / 3600 for slot, _ in found.slots]


def reasons(found: Found) -> list[tuple[float, float, Reason, int | None]]:
    """Gaps as hours of the Monday, with reason and seconds."""
    zero = at(0).timestamp()
    return [
        ((gap.start - zero) / 3600, (gap.end - zero) / 3600, gap.reason, gap.short_seconds)
        for gap in found.refused
    ]


async def test_an_empty_shift_is_one_gap_between_the_bases() -> None:
    found = await search(diary())
    assert starts(found) == [8 + 1 / 3]
    slot, grade = found.slots[0]
    assert (slot.added_travel, slot.slack, slot.idle) == (2400, 10_200, 0)
    assert grade is None
    assert found.refused == ()


async def test_without_bases_the_edges_are_free() -> None:
    found = await search(diary(base=None))
    slot, _ = found.slots[0]
    assert starts(found) == [8.0]
    assert (slot.leg_before, slot.leg_after, slot.idle, slot.added_travel) == (None, None, None, 0)
    assert slot.slack == 3.5 * 3600


async def test_without_bases_the_day_before_and_the_day_after_count() -> None:
    """The whole timeline: the drive from Sunday's visit, and the one to Tuesday's."""
    far = TableTravel({**TABLE, (SHOP, VISIT): 9 * 3600, (VISIT, SHOP): 10 * 3600})
    agent = diary(base=None, travel=far)
    agent.calendar = Calendar("UTC", (WeeklyShift(7, 1200, 1440), *agent.calendar.shifts))
    booked(agent, -1, 0)
    booked(agent, 8, 9, day=1)
    found = await search(agent, travel=far)
    assert starts(found) == [9.0]
    slot, _ = found.slots[0]
    assert slot.slack == 2.5 * 3600, "the drive to Tuesday leaves at noon at the latest anyway"
    assert slot.leg_after is not None
    assert slot.leg_after.seconds == 10 * 3600


@pytest.mark.parametrize(
    ("end", "reason", "short"),
    [
        (9.75, Reason.TRAVEL_IN, 2400),
        (9.5, Reason.GAP_TOO_SHORT, 900),
        (10.1, Reason.TRAVEL_OUT, 1140),
        (10.25, Reason.TRAVEL_OUT, 600),
    ],
)
async def test_a_gap_too_small_by_some_seconds(end: float, reason: Reason, short: int) -> None:
    """From 9:15: twenty minutes there, half an hour's visit, twenty minutes on take until 10:25."""
    agent = booked(booked(diary(), 8.5, 9.25), end, 11.5)
    found = await search(agent)
    assert starts(found) == []
    assert (9.25, end, reason, short) in reasons(found)


async def test_a_gap_that_just_fits() -> None:
    agent = booked(booked(diary(), 8.5, 9.25), 10.25 + 1 / 6, 11.5)
    found = await search(agent)
    assert starts(found) == [pytest.approx(9.25 + 1 / 3)]
    assert found.slots[0][0].slack == 0


async def test_asymmetric_drives_are_respected_both_ways() -> None:
    slow_out = TableTravel({**TABLE, (VISIT, SHOP): 3000, (SHOP, VISIT): 300})
    agent = booked(booked(diary(travel=slow_out), 8.5, 9), 10, 11.5)
    assert starts(await search(agent, travel=slow_out)) == []
    slow_in = TableTravel({**TABLE, (VISIT, SHOP): 300, (SHOP, VISIT): 1500})
    agent = booked(booked(diary(travel=slow_in), 8.5, 9), 10, 11.5)
    found = await search(agent, travel=slow_in)
    assert starts(found) == [pytest.approx(9 + 1500 / 3600)]
    slot, _ = found.slots[0]
    assert (slot.leg_before.seconds if slot.leg_before else 0, slot.slack) == (1500, 0)


async def test_added_travel_may_be_negative() -> None:
    """Where the way over the visit is shorter than the direct road."""
    broken = TableTravel({**TABLE, (SHOP, VISIT): 500, (VISIT, BASE): 0, (SHOP, BASE): 1000})
    agent = booked(diary(travel=broken), 8.5, 9)
    found = await search(agent, travel=broken)
    assert found.slots[0][0].added_travel == 500 + 0 - 1000


async def test_a_visit_before_the_break_moves_the_break_and_the_drive_after_it() -> None:
    travel = TableTravel({**TABLE, (VISIT, SHOP): 3000})
    agent = booked(diary(lunch=True, travel=travel), 11, 11.5)
    found = await search(agent, travel=travel)
    # break 10:00 to 10:30 at the visit's place, then 50 minutes to the shop, which opens at 11
    assert starts(found) == []
    assert (8.0, 10.0, Reason.TRAVEL_OUT, 1200) in reasons(found)


async def test_no_way_there() -> None:
    cut_off = TableTravel({**TABLE, **{(a, ISLAND): None for a in (1, 2, 3)}})
    found = await search(diary(travel=cut_off), travel=cut_off, place=ISLAND)
    assert reasons(found) == [(8.0, 12.0, Reason.UNREACHABLE, None)]


async def test_the_base_too_far_from_yesterday() -> None:
    """The frame of Tuesday does not fit after Monday's last stop, whatever the visit."""
    travel = TableTravel({**TABLE, (SHOP, BASE): 30 * 3600})
    agent = diary(travel=travel, base=None)
    booked(agent, 11, 12)
    shifts = (agent.calendar.shifts[0], WeeklyShift(2, 480, 720, BASE, BASE))
    agent.calendar = Calendar("UTC", shifts)
    found = await search(agent, travel=travel, windows=(Window(at(0, 1), at(24, 1)),))
    assert starts(found) == []
    assert [(row[2], row[3]) for row in reasons(found)] == [(Reason.TRAVEL_IN, 30 * 3600 - 20 * 3600 + 1)]


async def test_skills_shifts_absences() -> None:
    able = diary(name="agt_able", skills=frozenset({"solar", "gas"}))
    unable = diary(name="agt_unable", skills=frozenset({"gas"}))
    found = await search(unable, able, skills=frozenset({"solar"}))
    assert [slot.agent_id for slot, _ in found.slots] == ["agt_able"]
    assert [(gap.agent_id, gap.reason) for gap in found.refused] == [("agt_unable", Reason.NO_SKILL)]
    found = await search(diary(), windows=(Window(at(0, 3), at(24, 3)),))
    assert reasons(found) == [(72.0, 96.0, Reason.OUTSIDE_SHIFT, None)]
    found = await search(absent(diary(base=None), 6, 14))
    assert reasons(found) == [(8.0, 12.0, Reason.ABSENT, None)]
    found = await search(booked(diary(base=None), 8, 12))
    assert reasons(found) == [(8.0, 12.0, Reason.GAP_TOO_SHORT, 1800)]


async def test_windows_and_lead_time_come_last() -> None:
    found = await search(diary(), windows=(Window(at(8), at(8.5)),))
    assert reasons(found) == [(8.0, 12.0, Reason.OUTSIDE_WINDOWS, None)]
    found = await search(diary(), not_before=at(11))
    assert starts(found) == [11.0]
    found = await search(diary(), not_before=at(11.25))
    assert reasons(found) == [(8.0, 12.0, Reason.LEAD_TIME, 300)]
    found = await search(diary(), not_before=at(36))
    assert reasons(found) == [(8.0, 12.0, Reason.LEAD_TIME, (36 - 11) * 3600 - 600)]
    found = await search(diary(), as_of=at(13))
    assert reasons(found) == [(13.0, 24.0, Reason.OUTSIDE_SHIFT, None)], "nobody comes in the past"


async def test_the_grid() -> None:
    assert starts(await search(diary(), granularity=900)) == [8.5]
    assert starts(await search(diary(), granularity=1400)) == [8 + 1400 / 3600]
    assert starts(await search(diary(), granularity=7200)) == [9.0], "the full hour always counts"
    tight = booked(booked(diary(), 8.5, 9), 10.25, 11.5)
    assert len(starts(await search(tight))) == 1
    found = await search(tight, granularity=1800)
    assert (9.0, 10.25, Reason.TRAVEL_OUT, 300) in reasons(found)


async def test_the_earliest_the_latest_and_the_one_near_the_hour_asked_for() -> None:
    """From the base at 8 it is 20 minutes each way; half an hour's visit starts by 11:10."""
    every = {"starts": frozenset(StartChoice), "granularity": 900}
    assert starts(await search(diary(), **every, near=(at(9.9),))) == [8.5, 10.0, 11.0]
    assert starts(await search(diary(), **every, near=(at(9.875),))) == [8.5, 9.75, 11.0], "the earlier"
    assert starts(await search(diary(), **every, near=(at(7), at(15)))) == [8.5, 11.0], "each start once"
    assert starts(await search(diary(), **every, near=(at(15), at(9)))) == [8.5, 9.0, 11.0]
    assert starts(await search(diary(), **every)) == [8.5, 11.0], "near nothing"
    late = await search(diary(), starts=frozenset({StartChoice.LATEST}), granularity=1400)
    assert starts(late) == [11.0]
    found = await search(diary(), **every, near=(at(10),))
    assert [slot.slack for slot, _ in found.slots] == [9600, 4200, 600], "until ten past eleven"
    assert {slot.added_travel for slot, _ in found.slots} == {2400}


async def test_windows_that_share_a_gap_and_windows_that_overlap() -> None:
    apart = (Window(at(8), at(9)), Window(at(9), at(10)), Window(at(10), at(12)))
    assert starts(await search(diary(), windows=apart)) == [8 + 1 / 3, 9.0, 10.0]
    over = (Window(at(8), at(9)), Window(at(8.25), at(11)))
    found = await search(diary(), windows=over)
    assert starts(found) == [8 + 1 / 3], "one start once"
    assert found.slots[0][0].slack == (11 - 8.5) * 3600 - 1200, "with the most room that it has"


async def test_order_and_grades() -> None:
    near = TableTravel({**TABLE, (BASE, VISIT): 100, (VISIT, BASE): 100})
    agents = [diary(name=name, travel=near) for name in ("agt_c", "agt_a", "agt_b")]
    booked(agents[1], 8.5, 9.0)
    limits = Thresholds(ideal_up_to=200, ok_up_to=1299)
    windows = (Window(at(0), at(24)), Window(at(24), at(48)))
    found = await search(*agents, travel=near, windows=windows, thresholds=limits)
    told = [(slot.added_travel, slot.agent_id, grade) for slot, grade in found.slots]
    assert told == [
        (100 + 1200 - 1200, "agt_a", Grade.IDEAL),
        (200, "agt_b", Grade.IDEAL),
        (200, "agt_c", Grade.IDEAL),
        (200, "agt_a", Grade.IDEAL),
        (200, "agt_b", Grade.IDEAL),
        (200, "agt_c", Grade.IDEAL),
    ]
    assert [slot.start for slot, _ in found.slots[1:]] == sorted(slot.start for slot, _ in found.slots[1:])


@pytest.mark.parametrize(
    ("added", "grade"),
    [(-5, Grade.IDEAL), (600, Grade.IDEAL), (601, Grade.OK), (1200, Grade.OK), (1201, Grade.POOR)],
)
async def test_a_grade_reaches_up_to_its_threshold(added: int, grade: Grade) -> None:
    assert Thresholds(600, 1200).grade(added) is grade
    with pytest.raises(ValueError, match="farther"):
        Thresholds(601, 600)


async def test_the_buffer_is_the_longer_one() -> None:
    agent = diary(buffer=300)
    assert starts(await search(agent)) == [pytest.approx(8 + 1500 / 3600)]
    found = await search(agent, buffer=600)
    assert starts(found) == [8.5]
    slot, _ = found.slots[0]
    assert (slot.buffer, slot.leave_at, slot.leg_before.seconds if slot.leg_before else 0) == (
        600,
        at(8).timestamp(),
        1200,
    )


async def test_too_far_ahead_names_the_field() -> None:
    with pytest.raises(InvalidInput) as refused:
        await search(diary(), windows=(Window(at(0), at(0, 500)),))
    assert [violation.field for violation in refused.value.violations] == ["windows"]


async def test_refusals_beyond_a_thousand_are_cut_and_said_so() -> None:
    windows = tuple(Window(at(0, day), at(1, day)) for day in range(14, 76))
    agents = [diary(name=f"agt_{number:02d}") for number in range(17)]
    found = await search(*agents, windows=windows)
    assert len(found.refused) == 1000
    assert found.refused_truncated
    few = await search(*agents[:16], windows=windows)
    assert len(few.refused) == 16 * 62
    assert not few.refused_truncated


async def test_legs_of_a_slot_say_where_they_come_from() -> None:
    slot, _ = (await search(diary())).slots[0]
    assert slot.leg_before is not None
    leg = slot.leg_before
    assert (leg.from_place, leg.to_place, leg.metres) == (BASE, VISIT, 12_000)
    assert (leg.source, leg.version) == (TravelSource.MATRIX, "table-1")
