"""Calls: what they answer, and bad input refused by field."""

from datetime import timedelta
from typing import Any

import pytest
from entered import enter
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from reminder_house import CALLER, DAY, HOUR, MINUTE, PHONE, House, at

from giro.reminders.v1 import reminders_pb2 as pb
from kit.errors import Exhausted, GiroError, InvalidInput, NotAllowed, NotFound, Reason
from kit.rpc.context import Grant
from kit.values.ids import new_id
from reminders.clients.simulated import Answer, Outcome
from reminders.domain.reminder import State
from reminders.storage import opt_outs
from reminders.storage.opt_outs import OptOut
from reminders.transport.rpc import RemindersServicer
from reminders.usecases.caller_numbers import AddNumber, add_number

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("seconds", [-62_135_596_800, 31_535_999, 7_258_118_400])
async def test_opt_outs_from_before_no_time_at_all(desk: RemindersServicer, seconds: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        await desk.ListOptOuts(pb.ListOptOutsRequest(before=Timestamp(seconds=seconds)), None)
    assert [each.field for each in refused.value.violations] == ["before"]


@pytest.mark.parametrize("seconds", [31_536_000, 7_258_118_399])
async def test_opt_outs_from_before_the_ends_of_time(desk: RemindersServicer, seconds: int) -> None:
    found = await desk.ListOptOuts(pb.ListOptOutsRequest(before=Timestamp(seconds=seconds)), None)
    assert list(found.opt_outs) == []


async def test_a_number_is_called_from_once_its_code_came_back(house: House, desk: RemindersServicer) -> None:
    request = pb.AddCallerNumberRequest(phone="+37167000009", request_id="r" * 8)
    made = await desk.AddCallerNumber(request, None)
    again = await desk.AddCallerNumber(request, None)
    assert (made.number_id, made.state) == (again.number_id, pb.CALLER_NUMBER_STATE_PENDING)
    number = {"number_id": made.number_id}
    with pytest.raises(GiroError) as refused:
        await desk.ActivateCallerNumber(pb.ActivateCallerNumberRequest(**number), None)
    assert refused.value.code == "FAILED_PRECONDITION"
    (sent,) = house.post.sent
    right = sent.body.rpartition(" ")[2]
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    for _ in range(5):
        with pytest.raises(InvalidInput):
            await desk.VerifyCallerNumber(pb.VerifyCallerNumberRequest(**number, code=wrong), None)
    with pytest.raises(InvalidInput):  # the code is used up
        await desk.VerifyCallerNumber(pb.VerifyCallerNumberRequest(**number, code=right), None)
    await house.go_to(await house.now() + MINUTE)
    await desk.SendNumberCode(pb.SendNumberCodeRequest(**number), None)
    fresh = house.post.sent[-1].body.rpartition(" ")[2]
    verified = await desk.VerifyCallerNumber(pb.VerifyCallerNumberRequest(**number, code=fresh), None)
    assert verified.state == pb.CALLER_NUMBER_STATE_VERIFIED
    active = await desk.ActivateCallerNumber(pb.ActivateCallerNumberRequest(**number), None)
    assert active.state == pb.CALLER_NUMBER_STATE_ACTIVE


async def test_codes_are_sent_one_a_minute_and_five_a_day(house: House, desk: RemindersServicer) -> None:
    """Whoever answers the number that was asked for is not to be pestered; others have their own five."""
    began = await house.now()
    request = pb.AddCallerNumberRequest(phone="+37167000009", request_id="r" * 8)
    again = pb.SendNumberCodeRequest(number_id=(await desk.AddCallerNumber(request, None)).number_id)
    with pytest.raises(Exhausted) as refused:
        await desk.SendNumberCode(again, None)
    assert refused.value.reason is Reason.RATE_LIMITED
    assert 1 <= int(refused.value.metadata["retry_after_seconds"]) <= 60
    for number in range(1, 5):
        await house.go_to(began + number * MINUTE)
        await desk.SendNumberCode(again, None)
    await house.go_to(began + 23 * HOUR)
    with pytest.raises(Exhausted, match="today's"):
        await desk.SendNumberCode(again, None)
    assert len(house.post.sent) == 5
    code = house.post.sent[-1].body.rpartition(" ")[2]
    (row,) = await house.rows("numbers")
    assert row.code_until < began + HOUR  # what was refused has changed nothing
    await house.go_to(began + DAY)
    await desk.SendNumberCode(again, None)
    with pytest.raises(InvalidInput):
        await desk.VerifyCallerNumber(
            pb.VerifyCallerNumberRequest(number_id=again.number_id, code=code), None
        )


async def test_a_tenant_asks_for_fifty_codes_a_day(house: House, desk: RemindersServicer) -> None:
    def asked(number: int) -> pb.AddCallerNumberRequest:
        return pb.AddCallerNumberRequest(phone=f"+3716700{number:04}", request_id=f"request-{number}")

    for number in range(50):
        await desk.AddCallerNumber(asked(number), None)
    with pytest.raises(Exhausted):
        await desk.AddCallerNumber(asked(50), None)
    assert len(house.post.sent) == len(await house.rows("numbers")) == 50
    await house.go_to(await house.now() + DAY)
    await desk.AddCallerNumber(asked(50), None)


async def test_opt_outs_of_one_instant_are_all_listed(house: House, desk: RemindersServicer) -> None:
    """Pages end within an instant: none is left out, none is shown twice."""
    async with house.db.uow(house.tenant) as tx:
        now = await tx.now()
        for number in range(7):
            since = now - (number // 4) * MINUTE
            await opt_outs.add(tx, OptOut(f"opt_{number}", f"+3712000000{number}", since))
    shown: list[str] = []
    token = ""
    for _ in range(4):
        page = await desk.ListOptOuts(pb.ListOptOutsRequest(page_size=2, page_token=token), None)
        shown += [each.opt_out_id for each in page.opt_outs]
        token = page.next_page_token
    assert shown == [f"opt_{number}" for number in range(7)]
    assert not token


@pytest.mark.parametrize(
    "token", ["x", "ä", "MSA", "LTEgb3B0XzE", "OTk5OTk5OTk5OTk5OTk5OTk5OTkgb3B0XzE", "==="]
)
async def test_a_token_that_is_none(desk: RemindersServicer, token: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await desk.ListOptOuts(pb.ListOptOutsRequest(page_token=token), None)
    assert refused.value.violations[0].field == "page_token"


async def test_the_branchs_number_before_the_organisations(house: House, desk: RemindersServicer) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"')
    made = await desk.AddCallerNumber(
        pb.AddCallerNumberRequest(phone="+37167000008", branch_id="brn_1", request_id="b" * 8), None
    )
    code = house.post.sent[-1].body.rpartition(" ")[2]
    await desk.VerifyCallerNumber(pb.VerifyCallerNumberRequest(number_id=made.number_id, code=code), None)
    await desk.ActivateCallerNumber(pb.ActivateCallerNumberRequest(number_id=made.number_id), None)
    set_branch = pb.SetReminderParameterRequest(name="reminder_branch", campaign_id="cmp_2", value="brn_1")
    await desk.SetReminderParameter(set_branch, None)
    await house.booked(at(3, 12))
    await house.booked(at(3, 12), campaign_id="cmp_2", phone="+37120000002")
    await house.go_to(at(2, 12))
    await house.make()
    assert {call.to: call.caller for call in house.carrier.placed} == {
        PHONE: CALLER,
        "+37120000002": "+37167000008",
    }


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("reminder_offsets", "31536000s", "value"),
        ("reminder_offsets", "0s", "value"),
        ("reminder_offsets", "-60s", "value"),
        ("reminder_offsets", "a day", "value"),
        ("reminder_offsets", "3600s,3600s", "value"),
        ("reminder_retries", "3", "value"),
        ("daily_call_limit", "-1", "value"),
        ("quiet_from", "25:00", "value"),
        ("reminder_ladder", "VOICE,PIGEON", "value"),
        ("reminder_language", "tlh", "value"),
        ("no_such", "1", "name"),
    ],
)
async def test_parameters_that_make_no_sense(
    house: House, desk: RemindersServicer, name: str, value: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await desk.SetReminderParameter(pb.SetReminderParameterRequest(name=name, value=value), None)
    assert [each.field for each in refused.value.violations] == [field]
    assert await house.rows("parameters") == []


async def test_the_limit_is_raised_at_once_and_not_per_campaign(
    house: House, desk: RemindersServicer
) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"', daily_call_limit="0")
    shown = await desk.SetReminderParameter(
        pb.SetReminderParameterRequest(name="daily_call_limit", value="1"), None
    )
    assert (shown.value, shown.source) == ("1", "TENANT")
    with pytest.raises(InvalidInput):
        await desk.SetReminderParameter(
            pb.SetReminderParameterRequest(name="daily_call_limit", value="9", campaign_id="cmp_1"), None
        )
    await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    assert len(house.carrier.placed) == 1


async def test_offsets_of_one_appointment(house: House, desk: RemindersServicer) -> None:
    await house.settle_in(DAY)
    visit = await house.booked(at(4, 12))
    own_offsets = pb.SetRemindersRequest(
        appointment_id=visit.appointment_id, offsets=[Duration(seconds=7200), Duration(seconds=3600)]
    )
    shown = await desk.SetReminders(own_offsets, None)
    waiting = [each for each in shown.reminders if each.state == pb.REMINDER_STATE_WAITING]
    assert sorted(each.offset.seconds for each in waiting) == [3600, 7200]
    await desk.SetReminders(
        pb.SetRemindersRequest(appointment_id=visit.appointment_id, use_defaults=True), None
    )
    assert [each.offset for each in await house.of(visit) if each.state is State.WAITING] == [DAY]
    for seconds in (366 * 86_400, 30, 0, -3600):
        offsets = [Duration(seconds=seconds)]
        bad = pb.SetRemindersRequest(appointment_id=visit.appointment_id, offsets=offsets)
        with pytest.raises(InvalidInput):
            await desk.SetReminders(bad, None)
    with pytest.raises(NotFound):
        await desk.ListReminders(pb.ListRemindersRequest(appointment_id="apt_nobody"), None)


async def test_the_path_of_a_call_is_told(house: House, desk: RemindersServicer) -> None:
    await house.settle_in(timedelta(hours=3), called_as='"Sole Mio"')
    house.carrier.book.script(PHONE, Answer(Outcome.BUSY))
    visit = await house.booked(at(3, 9, 30))
    await house.go_to((await house.only(visit)).run_at)
    await house.make()
    reminder = (await house.only(visit)).reminder_id
    told = await desk.ExplainCall(pb.ExplainCallRequest(reminder_id=reminder), None)
    said = " ".join(step for decision in told.decisions for step in decision.path)
    for rule in ("R-115", "22:59", "R-119"):
        assert rule in said
    assert [(call.ending, call.caller) for call in told.reminder.attempts] == [("BUSY", CALLER)]
    assert told.reminder.state == pb.REMINDER_STATE_DONE  # 23:29 is quiet, nine is too late


async def test_who_opted_out_is_not_called(house: House, desk: RemindersServicer) -> None:
    await house.settle_in(DAY, called_as='"Sole Mio"')
    await desk.SetOptOut(pb.SetOptOutRequest(phone=PHONE, opted_out=True), None)
    visit = await house.booked(at(3, 12))
    await house.go_to(at(2, 12))
    await house.make()
    assert (await house.only(visit)).reason == "OPTED_OUT"
    (out,) = (await desk.ListOptOuts(pb.ListOptOutsRequest(), None)).opt_outs
    assert (out.phone, out.noted_by, out.attempt_id) == (PHONE, "usr_1", "")
    await desk.RevokeOptOut(pb.RevokeOptOutRequest(opt_out_id=out.opt_out_id), None)
    other = await house.booked(at(3, 13))
    await house.go_to(at(2, 13))
    await house.make()
    assert (await house.only(other)).state is State.DONE


async def test_a_week_plays_from_reminder_to_reminder(house: House, desk: RemindersServicer) -> None:
    await house.settle_in(DAY, HOUR, called_as='"Sole Mio"')
    for day in range(2, 8):
        await house.booked(at(day, 12), phone=f"+3712000000{day}")
    house.carrier.book.script("+37120000003", Answer(Outcome.BUSY))
    played = await desk.PlayReminders(pb.PlayRemindersRequest(by=Duration(seconds=8 * 86_400)), None)
    counts = {each.what: each.count for each in played.attempts}
    assert counts == {"VOICE/ANSWERED": 10, "VOICE/BUSY": 6}
    assert not played.unfinished
    days = (at(1, 0).date().isoformat(), at(9, 0).date().isoformat())
    report = await desk.ReportReminders(pb.ReportRemindersRequest(first_day=days[0], last_day=days[1]), None)
    assert {each.what: each.count for each in report.reminders} == {"DONE/COMING": 10, "DONE/NO_ANSWER": 2}
    assert report.charged == 10
    for first, last in (
        ("2027-02-30", "2027-03-01"),
        ("2027-03-02", "2027-03-01"),
        ("0001-01-01", "0001-01-02"),
    ):
        with pytest.raises(InvalidInput):
            await desk.ReportReminders(pb.ReportRemindersRequest(first_day=first, last_day=last), None)


async def test_roles_of_a_campaign_or_branch_reach_no_further(house: House, desk: RemindersServicer) -> None:
    await house.settle_in(DAY)
    visit = await house.booked(at(3, 12))
    enter(house, Grant("OPERATOR", "campaign", "cmp_2"))
    for call in (
        desk.ListReminders(pb.ListRemindersRequest(appointment_id=visit.appointment_id), None),
        desk.SetOptOut(pb.SetOptOutRequest(phone=PHONE), None),
        desk.ListOptOuts(pb.ListOptOutsRequest(), None),
        desk.RevokeOptOut(pb.RevokeOptOutRequest(opt_out_id="opt_1"), None),
        desk.SetReminderParameter(pb.SetReminderParameterRequest(name="ring_time", value="20s"), None),
        desk.PlayReminders(pb.PlayRemindersRequest(by=Duration(seconds=60)), None),
    ):
        with pytest.raises(NotAllowed) as refused:
            await call
        assert refused.value.reason is Reason.OUT_OF_SCOPE
    enter(house, Grant("BRANCH_MANAGER", "branch", "brn_1"))
    with pytest.raises(NotAllowed):
        await add_number(house.desk, AddNumber("+37167000007", "brn_2", _claim()))
    assert (await add_number(house.desk, AddNumber("+37167000007", "brn_1", _claim()))).branch_id == "brn_1"


def _claim() -> Any:
    from kit.db.claims import Claim

    return Claim(f"req:{new_id('req')}", b"")
