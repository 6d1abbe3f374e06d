"""Calls through Twilio's Programmable Voice."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from kit import telemetry
from kit.failpoints import failpoint
from reminders.clients import twilio_dialogue as dialogue
from reminders.clients.journal import CallJournal, Entry, begin, fence, given_up
from reminders.clients.twilio_api import Api, asked
from reminders.usecases.ports import Call, CallEnding, CallReport, CallState, Declined, Doubtful, Sink

Clock = Callable[[str], Awaitable[datetime]]

_ENDINGS: Final = {
    "completed": CallEnding.ANSWERED,
    "busy": CallEnding.BUSY,
    "no-answer": CallEnding.NO_ANSWER,
    "canceled": CallEnding.FAILED,
    "failed": CallEnding.FAILED,
}
_STATUSES: Final = frozenset({*_ENDINGS, "queued", "initiated", "ringing", "in-progress"})
_BEFORE_RINGING: Final = frozenset({"queued", "initiated"})
_RINGS: Final = {"ringing": "canceled", "in-progress": "completed"}
"""How a call that rings, or was taken, is ended at once."""
_EVENTS: Final = ["initiated", "ringing", "answered", "completed"]
_SIP_NO_SUCH_NUMBER: Final = frozenset({"404", "410", "484", "604"})
_GRACE: Final = timedelta(minutes=1)
"""A question to Twilio that may still be under way is over after this; longer than any time-out."""
_SLACK: Final = timedelta(minutes=1)
"""How far Twilio's clock and ours may differ."""
_CANDIDATES: Final = 20
_LAST_TURN: Final = 2
_MACHINES: Final = ("machine_", "fax")
"""How AnsweredBy begins where no person took the call; human, unknown and nothing at all are persons."""

_log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How calls are placed."""

    public_url: str
    """Where Twilio reaches our webhooks, as in https://voice.example.org/hooks."""
    key_wait_seconds: int = 6
    """Silence after a text before the menu is told once more."""


class TwilioVoice:
    """A voice provider; also what its webhooks are handed to (`transport.webhooks.Dialogue`).

    Twilio keeps no reference of ours, so the addresses that it is given carry it, and a call whose id is not
    known yet is looked for by its numbers and its time.
    """

    detects_machines: Final = True

    def __init__(self, sink: Sink, journal: CallJournal, api: Api, clock: Clock, options: Options) -> None:
        self._sink, self._journal, self._api = sink, journal, api
        self._clock, self._options = clock, options

    # --- asking Twilio ---

    async def place(self, call: Call) -> CallReport:
        """See VoiceProvider."""
        stopped = await begin(self._journal, call, await self._clock(call.tenant))
        stopped = stopped or await given_up(self._journal, call, await self._clock(call.tenant))
        if stopped is not None:
            return stopped
        await failpoint("reminders.provider.before_request")
        try:
            made = await asked(self._create(call))
        except Declined:
            await self._journal.learn(call.tenant, CallReport(call.reference, CallState.NEVER_PLACED))
            raise
        report = CallReport(call.reference, CallState.UNDER_WAY, provider_reference=made.sid)
        known = (await self._journal.learn(call.tenant, report)).report
        if known.state is CallState.NEVER_PLACED:
            await self._end(call, made.sid, "canceled")
        return known

    def _create(self, call: Call) -> Awaitable[Any]:
        addresses = dialogue.Addresses.of(self._options.public_url, call)
        # Twilio listens first and asks for the dialogue when it knows: AnsweredBy comes with that question
        more = {"machine_detection": "Enable"} if call.detect_machine else {}
        created: Awaitable[Any] = self._api.of(call.tenant).calls.create_async(
            to=call.to,
            from_=call.caller,
            url=addresses.to("answer"),
            method="POST",
            status_callback=addresses.to("status"),
            status_callback_event=_EVENTS,
            status_callback_method="POST",
            timeout=call.ring_seconds,
            time_limit=dialogue.talk_seconds(),
            **more,
        )
        return created

    async def look_up(self, tenant: str, reference: str) -> CallReport:
        """See VoiceProvider. A call that Twilio still queues after `give_up_at` is cancelled."""
        entry = await fence(self._journal, tenant, reference)
        if entry.report.state is not CallState.UNDER_WAY or entry.call is None:
            return entry.report
        now = await self._clock(tenant)
        sid = entry.report.provider_reference or await self._find(entry, entry.call)
        if sid:
            return await self._fetch(entry.call, sid, now)
        if now < entry.call.give_up_at + _GRACE:
            raise Doubtful("Twilio shows no such call yet")
        return (await self._journal.learn(tenant, CallReport(reference, CallState.NEVER_PLACED))).report

    async def _fetch(self, call: Call, sid: str, now: datetime) -> CallReport:
        resource = self._api.of(call.tenant).calls(sid)
        found = await _known(resource.fetch_async())
        if found.status == "queued" and now >= call.give_up_at:
            found = await _known(resource.update_async(status="canceled"))
        report = _reported(call, sid, found.status, {"AnsweredBy": found.answered_by or ""})
        if report.state is CallState.ENDED:
            picked_up = report.ending in {CallEnding.ANSWERED, CallEnding.MACHINE}
            answered = found.start_time if picked_up else None
            report = _timed(report, answered, found.end_time)
        return (await self._journal.learn(call.tenant, report)).report

    async def _find(self, entry: Entry, call: Call) -> str:
        """The id of a call whose reply was lost: one to this number, since then, that asked at our addresses.

        Empty when there is none. Raises Doubtful while one might be it and Twilio's books do not tell yet.
        """
        found = await _known(
            self._api.of(call.tenant).calls.list_async(to=call.to, from_=call.caller, limit=_CANDIDATES)
        )
        since = (entry.asked_at or call.give_up_at) - _SLACK
        recent = [one.sid for one in found if one.date_created >= since]
        free = [sid for sid in recent if await self._journal.owner(call.tenant, sid) is None]
        proofs = [(sid, await self._asked_for(call, sid)) for sid in free]
        proven = next((sid for sid, proof in proofs if proof), "")
        if not proven and any(proof is None for _, proof in proofs):
            raise Doubtful("Twilio shows such a call, and not yet whose it is")
        return proven

    async def _asked_for(self, call: Call, sid: str) -> bool | None:
        """Whether Twilio's books say that a call asked at this call's addresses; None: not open yet."""
        events = await _known(self._api.of(call.tenant).calls(sid).events.list_async(limit=_CANDIDATES))
        if not events:
            return None
        ours = dialogue.Addresses.of(self._options.public_url, call)
        urls = {str((event.request or {}).get("url", "")) for event in events}
        return not urls.isdisjoint({ours.to("answer"), ours.to("status")})

    # --- being told by Twilio ---

    async def answered(self, tenant: str, reference: str, sid: str, told: Mapping[str, str]) -> str | None:
        """TwiML for a person who took the call, the end for a machine; None for a call that is not ours.

        A call that was settled as never placed, since whoever asked for it was frozen, is hung up on: another
        one has taken its place.
        """
        entry = await self._ours(tenant, reference, sid)
        if entry is None or entry.call is None:
            return None
        call = entry.call
        if entry.report.state is CallState.NEVER_PLACED:
            return dialogue.closes("", call)
        now = await self._clock(tenant)
        ending = CallEnding.MACHINE if _is_machine(call, told) else None
        await self._learn(call, CallReport(reference, CallState.UNDER_WAY, ending, None, sid, now))
        if ending is not None:
            return dialogue.closes("", call)
        return self._asks(call.script.prompt, call, 1)

    async def pressed(self, tenant: str, reference: str, sid: str, key: str, turn: int) -> str | None:
        """TwiML after a key, or after none (an empty one): thanks, the menu once more, or the end (R-112)."""
        entry = await self._ours(tenant, reference, sid)
        if entry is None or entry.call is None:
            return None
        call = entry.call
        if key in call.script.thanks:
            await self._learn(call, CallReport(reference, CallState.UNDER_WAY, None, key, sid))
            return dialogue.closes(call.script.thanks[key], call)
        if turn < _LAST_TURN:
            return self._asks(call.script.menu, call, turn + 1)
        return dialogue.closes("", call)

    async def status(self, tenant: str, reference: str, sid: str, told: Mapping[str, str]) -> bool:
        """Takes a status callback; False for a call that is not ours or a status that is none.

        A call that Twilio begins to dial after `give_up_at`, queued or asked for late, is cancelled.
        """
        status = told.get("CallStatus", "")
        entry = await self._ours(tenant, reference, sid)
        if entry is None or entry.call is None or status not in _STATUSES:
            return False
        call = entry.call
        report = _reported(call, sid, status, told)
        moment = _moment(told)
        if report.state is CallState.ENDED:
            report = _timed(report, None, moment)
        elif status == "in-progress":
            report = _timed(report, moment, None)
        await self._learn(call, report)
        if entry.report.state is CallState.NEVER_PLACED and status in _RINGS:
            await self._end(call, sid, _RINGS[status])
        elif status in _BEFORE_RINGING and await self._clock(tenant) >= call.give_up_at:
            await self._end(call, sid, "canceled")
        return True

    async def _end(self, call: Call, sid: str, how: str) -> None:
        try:
            await asked(self._api.of(call.tenant).calls(sid).update_async(status=how))
        except (Declined, Doubtful) as failed:
            _log.warning("twilio_late_call_not_ended", reference=call.reference, reason=str(failed))

    async def _ours(self, tenant: str, reference: str, sid: str) -> Entry | None:
        """The entry of a webhook's call: known, placed, and not under another id of Twilio's."""
        entry = await self._journal.find(tenant, reference)
        if entry is None or entry.call is None or not sid:
            return None
        if entry.report.provider_reference not in {"", sid}:
            return None
        if await self._journal.owner(tenant, sid) not in {None, reference}:
            return None
        return entry

    def _asks(self, text: str, call: Call, turn: int) -> str:
        addresses = dialogue.Addresses.of(self._options.public_url, call)
        return dialogue.asks(text, call, addresses, turn, self._options.key_wait_seconds)

    async def _learn(self, call: Call, report: CallReport) -> None:
        entry = await self._journal.learn(call.tenant, report)
        await self._sink(call.tenant, entry.report)


async def _known(question: Awaitable[Any]) -> Any:
    """A look at Twilio's books; a refusal to show them tells nothing of the call."""
    try:
        return await asked(question)
    except Declined as refused:
        _log.warning("twilio_refuses_look_up", reason=str(refused))
        raise Doubtful(str(refused)) from None


def _reported(call: Call, sid: str, status: str, told: Mapping[str, str]) -> CallReport:
    ending = _ENDINGS.get(status)
    if ending is CallEnding.ANSWERED and _is_machine(call, told):
        ending = CallEnding.MACHINE
    if status == "failed" and told.get("SipResponseCode") in _SIP_NO_SUCH_NUMBER:
        ending = CallEnding.WRONG_NUMBER
    state = CallState.UNDER_WAY if ending is None else CallState.ENDED
    return CallReport(call.reference, state, ending, provider_reference=sid)


def _is_machine(call: Call, told: Mapping[str, str]) -> bool:
    return call.detect_machine and told.get("AnsweredBy", "").startswith(_MACHINES)


def _timed(report: CallReport, answered: datetime | None, ended: datetime | None) -> CallReport:
    return CallReport(
        report.reference, report.state, report.ending, None, report.provider_reference, answered, ended
    )


def _moment(told: Mapping[str, str]) -> datetime | None:
    """The instant that Twilio names, whole seconds of UTC; None where it names none."""
    try:
        return parsedate_to_datetime(told["Timestamp"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None
