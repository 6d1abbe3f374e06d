"""Webhooks: what is not signed, fresh and ours changes nothing, and leaves nothing personal in the log."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import urlencode

import pytest
import structlog
from rigs import CALLER, TENANT, Phone, call, outcome
from twilio_peer import PeerCall
from twilio_rig import OWN, TwilioRig

from kit.errors import Reason, Unavailable
from reminders.usecases.ports import CallReport, CallState

NUMBER = "+37120000001"

pytestmark = pytest.mark.asyncio


async def placed(twilio: TwilioRig, reference: str = "att_1", number: str = NUMBER) -> PeerCall:
    """A call that Twilio took and that nobody has told anything of yet."""
    twilio.peer.holds_back = True
    await twilio.provider.place(call(twilio, number, reference=reference))
    return twilio.peer.of(reference)[0]


def form(ours: PeerCall, **fields: str) -> dict[str, str]:
    return {"AccountSid": OWN.sid, "CallSid": ours.sid, "To": NUMBER, "From": CALLER, **fields}


def key_address(ours: PeerCall, turn: str = "1") -> str:
    return ours.one("Url").replace("/answer?", "/key?") + f"&turn={turn}"


async def known(twilio: TwilioRig, reference: str = "att_1") -> CallReport:
    entry = await twilio.journal.find(TENANT, reference)
    assert entry
    return entry.report


@pytest.fixture
def log() -> list[structlog.typing.EventDict]:
    with structlog.testing.capture_logs() as lines:
        yield lines


async def refused(
    twilio: TwilioRig, url: str, fields: dict[str, str], signature: str | None = None
) -> tuple[int, str]:
    """Sends what must be refused; checks that nothing changed and nothing personal was logged."""
    before = dict(twilio.journal._entries)
    with structlog.testing.capture_logs() as lines:
        answer = await twilio.peer.post(url, fields, signature)
    assert twilio.journal._entries == before
    assert twilio.told == []
    assert len(lines) == 1
    assert not any(number in str(lines) + answer[1] for number in (NUMBER, CALLER, "3712000"))
    return answer


@pytest.mark.parametrize("at", [0, 13, 26])
async def test_a_flipped_byte_of_the_signature(twilio: TwilioRig, at: int) -> None:
    ours = await placed(twilio)
    fields = form(ours, Digits="1")
    good = twilio.peer.sign(key_address(ours), fields)
    flipped = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
    assert await refused(twilio, key_address(ours), fields, flipped) == (403, "SIGNATURE")
    assert await refused(twilio, key_address(ours), fields, "") == (403, "SIGNATURE")
    status, _ = await twilio.peer.post(key_address(ours), fields, good)
    assert status == 200
    assert (await known(twilio)).digit == "1"


async def test_a_changed_field_or_address_breaks_the_signature(twilio: TwilioRig) -> None:
    ours = await placed(twilio)
    fields = form(ours, Digits="1")
    good = twilio.peer.sign(key_address(ours), fields)
    assert await refused(twilio, key_address(ours), {**fields, "Digits": "2"}, good) == (403, "SIGNATURE")
    assert await refused(twilio, key_address(ours, "2"), fields, good) == (403, "SIGNATURE")


@pytest.mark.parametrize("age", [timedelta(minutes=15, seconds=1), timedelta(days=3), -timedelta(hours=1)])
async def test_an_old_timestamp(twilio: TwilioRig, age: timedelta) -> None:
    ours = await placed(twilio)
    told = form(ours, CallStatus="busy", Timestamp=format_datetime(twilio.clock.now - age))
    assert await refused(twilio, ours.one("StatusCallback"), told) == (403, "OLD")
    fresh = {**told, "Timestamp": format_datetime(twilio.clock.now - timedelta(minutes=15))}
    assert (await twilio.peer.post(ours.one("StatusCallback"), fresh))[0] == 204


async def test_a_recorded_answer_is_refused_once_its_address_has_expired(twilio: TwilioRig) -> None:
    ours = await placed(twilio)
    until = int(ours.one("Url").partition("until=")[2])
    twilio.clock.now = twilio.clock.now.fromtimestamp(until, twilio.clock.now.tzinfo)
    assert await refused(twilio, key_address(ours), form(ours, Digits="1")) == (403, "EXPIRED")
    for bad in ("", "x", "٣", "1e9"):
        address = key_address(ours).replace(f"until={until}", f"until={bad}")
        assert (await refused(twilio, address, form(ours, Digits="1")))[0] == 403


async def test_an_unknown_call(twilio: TwilioRig) -> None:
    ours = await placed(twilio)
    unknown = key_address(ours).replace("/att_1/", "/att_9/")
    assert await refused(twilio, unknown, form(ours, Digits="1")) == (404, "UNKNOWN_CALL")
    other = form(ours, Digits="1") | {"CallSid": "CA" + "9" * 32}
    assert await refused(twilio, key_address(ours), other) == (404, "UNKNOWN_CALL")
    assert await refused(twilio, key_address(ours), other | {"CallSid": ""}) == (404, "UNKNOWN_CALL")
    assert await refused(twilio, ours.one("Url"), other) == (404, "UNKNOWN_CALL")
    assert await refused(twilio, ours.one("StatusCallback"), other | {"CallStatus": "busy"}) == (
        404,
        "UNKNOWN_CALL",
    )


async def test_another_calls_id_is_not_taken_for_ours(twilio: TwilioRig) -> None:
    ours, theirs = await placed(twilio), await placed(twilio, "att_2", "+37120000002")
    assert await refused(twilio, key_address(ours), form(theirs, Digits="1")) == (404, "UNKNOWN_CALL")
    twilio.journal._entries[TENANT, "att_1"] = replace(
        twilio.journal._entries[TENANT, "att_1"], report=CallReport("att_1", CallState.UNDER_WAY)
    )  # the reply to ours was lost
    assert await refused(twilio, key_address(ours), form(theirs, Digits="1")) == (404, "UNKNOWN_CALL")


async def test_a_foreign_tenants_call(twilio: TwilioRig) -> None:
    ours = await placed(twilio)
    foreign = key_address(ours).replace(f"/{TENANT}/", "/ten_2/")
    assert await refused(twilio, foreign, form(ours, Digits="1")) == (404, "UNKNOWN_CALL")
    account = form(ours, Digits="1") | {"AccountSid": "AC" + "1" * 32}
    assert await refused(twilio, key_address(ours), account) == (403, "ACCOUNT")


async def test_five_copies_at_once_are_one_answer(twilio: TwilioRig) -> None:
    ours = await placed(twilio)
    fields = form(ours, Digits="1")
    answers = await asyncio.gather(*(twilio.peer.post(key_address(ours), fields) for _ in range(5)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    assert {report.digit for report in twilio.told} == {"1"}
    assert len(set(twilio.told)) == 1
    await twilio.peer.post(key_address(ours), form(ours, Digits="2"))
    assert (await known(twilio)).digit == "1"


@pytest.mark.parametrize("digits", ["x", "12", "１", "1 ", "-", "1" * 5000, "A", "²"])
async def test_a_digit_that_is_none(twilio: TwilioRig, digits: str) -> None:
    ours = await placed(twilio)
    assert await refused(twilio, key_address(ours), form(ours, Digits=digits)) == (400, "NOT_A_KEY")


@pytest.mark.parametrize("turn", ["0", "3", "x", "", "1%202"])
async def test_a_turn_that_is_none(twilio: TwilioRig, turn: str) -> None:
    ours = await placed(twilio)
    assert await refused(twilio, key_address(ours, turn), form(ours, Digits="1")) == (400, "TURN")


@pytest.mark.parametrize("status", ["", "rejoicing", "COMPLETED"])
async def test_a_status_that_is_none(twilio: TwilioRig, status: str) -> None:
    ours = await placed(twilio)
    told = form(ours, CallStatus=status)
    assert await refused(twilio, ours.one("StatusCallback"), told) == (404, "UNKNOWN_CALL")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"Digits=1&Digits=2", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 403),
        (b"\xff\xfe=%ff", "application/x-www-form-urlencoded", 400),
        (b"a=1", "application/x-www-form-urlencoded; charset=nothing", 400),
        (b"--x\r\n", "multipart/form-data; boundary=x", 415),
    ],
)
async def test_bodies_that_are_no_form(twilio: TwilioRig, body: bytes, kind: str, status: int) -> None:
    ours = await placed(twilio)
    assert twilio.peer._session
    with structlog.testing.capture_logs() as lines:
        async with twilio.peer._session.post(
            key_address(ours), data=body, headers={"Content-Type": kind}
        ) as reply:
            assert reply.status == status
    assert len(lines) == 1
    assert twilio.told == []


async def test_a_timestamp_that_is_none(twilio: TwilioRig) -> None:
    ours = await placed(twilio)
    told = form(ours, CallStatus="busy", Timestamp="yesterday")
    assert await refused(twilio, ours.one("StatusCallback"), told) == (400, "TIMESTAMP")


async def test_nothing_personal_is_logged_of_a_whole_call(twilio: TwilioRig) -> None:
    await twilio.phone(NUMBER, Phone(presses="71"))
    with structlog.testing.capture_logs() as lines:
        await outcome(twilio, call(twilio, NUMBER))
    assert NUMBER not in str(lines)
    assert "Digits" not in str(lines)


async def test_what_could_not_be_kept_is_asked_for_again(twilio: TwilioRig) -> None:
    ours = await placed(twilio)

    async def away(tenant: str, report: CallReport) -> None:
        raise Unavailable(Reason.DATABASE_UNAVAILABLE, "the database is away")

    kept, twilio.provider._sink = twilio.provider._sink, away
    told = form(ours, CallStatus="busy")
    assert (await twilio.peer.post(ours.one("StatusCallback"), told))[0] == 503
    twilio.provider._sink = kept
    assert (await twilio.peer.post(ours.one("StatusCallback"), told))[0] == 204
    assert len(twilio.told) == 1


async def test_other_paths_and_methods_are_not_there(twilio: TwilioRig) -> None:
    ours = await placed(twilio)
    assert twilio.peer._session
    async with twilio.peer._session.get(key_address(ours)) as reply:
        assert reply.status == 405
    async with twilio.peer._session.post(f"{twilio.public}/voice/twilio/x", data=urlencode({})) as reply:
        assert reply.status == 404
