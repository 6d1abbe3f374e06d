"""RemindersService: each RPC turns its message into a command, runs the use case, and answers."""

from typing import Any, Final

from giro.reminders.v1 import reminders_pb2 as pb
from giro.reminders.v1.reminders_pb2_grpc import RemindersServiceServicer
from kit.db.claims import Claim
from reminders.domain import errors
from reminders.storage.opt_outs import Page
from reminders.transport import messages, page_tokens
from reminders.usecases import caller_numbers, opt_out, read_reminders, sandbox, set_reminders
from reminders.usecases.caller_numbers import AddNumber
from reminders.usecases.desk import Desk
from reminders.usecases.set_parameter import Where, get_parameter, set_parameter

_MOST_SHOWN: Final = 1000
"""Rows of a page of which nobody said how long it is to be."""


class RemindersServicer(RemindersServiceServicer):
    """Reminders, their parameters and numbers, the sandbox; requests arrive checked against the contract."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def ListReminders(self, request: pb.ListRemindersRequest, _: Any) -> pb.ListRemindersResponse:
        """Reminders of an appointment."""
        return messages.plan(await read_reminders.list_reminders(self._desk, request.appointment_id))

    async def SetReminders(self, request: pb.SetRemindersRequest, _: Any) -> pb.ListRemindersResponse:
        """Offsets of one appointment."""
        if request.use_defaults and request.offsets:
            raise errors.invalid("offsets", "must be empty when use_defaults is true")
        spans = [messages.span(each, f"offsets[{n}]") for n, each in enumerate(request.offsets)]
        offsets = None if request.use_defaults else spans
        return messages.plan(await set_reminders.set_reminders(self._desk, request.appointment_id, offsets))

    async def ExplainCall(self, request: pb.ExplainCallRequest, _: Any) -> pb.ExplainCallResponse:
        """The path through the rules."""
        return messages.explained(await read_reminders.explain_call(self._desk, request.reminder_id))

    async def ReportReminders(self, request: pb.ReportRemindersRequest, _: Any) -> pb.ReportRemindersResponse:
        """Counts of some days."""
        found = await read_reminders.report_reminders(self._desk, request.first_day, request.last_day)
        return messages.report(found)

    async def SetReminderParameter(
        self, request: pb.SetReminderParameterRequest, _: Any
    ) -> pb.ReminderParameter:
        """Sets a parameter."""
        where = Where(request.branch_id, request.campaign_id)
        return messages.parameter(await set_parameter(self._desk, request.name, where, request.value))

    async def GetReminderParameter(
        self, request: pb.GetReminderParameterRequest, _: Any
    ) -> pb.ReminderParameter:
        """The value that counts."""
        where = Where(request.branch_id, request.campaign_id)
        return messages.parameter(await get_parameter(self._desk, request.name, where))

    async def AddCallerNumber(self, request: pb.AddCallerNumberRequest, _: Any) -> pb.CallerNumber:
        """Asks for a number."""
        body = request.DESCRIPTOR.full_name.encode() + b"\0" + request.SerializeToString(deterministic=True)
        command = AddNumber(request.phone, request.branch_id, Claim(f"req:{request.request_id}", body))
        return messages.number(await caller_numbers.add_number(self._desk, command))

    async def SendNumberCode(self, request: pb.SendNumberCodeRequest, _: Any) -> pb.CallerNumber:
        """Sends a fresh code."""
        return messages.number(await caller_numbers.send_code(self._desk, request.number_id))

    async def VerifyCallerNumber(self, request: pb.VerifyCallerNumberRequest, _: Any) -> pb.CallerNumber:
        """Takes the code back."""
        found = await caller_numbers.verify_number(self._desk, request.number_id, request.code)
        return messages.number(found)

    async def ActivateCallerNumber(self, request: pb.ActivateCallerNumberRequest, _: Any) -> pb.CallerNumber:
        """Takes a number into use."""
        return messages.number(await caller_numbers.activate_number(self._desk, request.number_id))

    async def ListCallerNumbers(
        self, _: pb.ListCallerNumbersRequest, __: Any
    ) -> pb.ListCallerNumbersResponse:
        """All numbers."""
        found = await caller_numbers.list_numbers(self._desk)
        return pb.ListCallerNumbersResponse(numbers=map(messages.number, found))

    async def SetOptOut(self, request: pb.SetOptOutRequest, _: Any) -> pb.SetOptOutResponse:
        """Notes a number's wish."""
        await opt_out.set_opt_out(self._desk, request.phone, opted_out=request.opted_out)
        return pb.SetOptOutResponse()

    async def ListOptOuts(self, request: pb.ListOptOutsRequest, _: Any) -> pb.ListOptOutsResponse:
        """Numbers that are not to be called."""
        before = messages.instant(request.before, "before") if request.HasField("before") else None
        size = request.page_size or _MOST_SHOWN
        seen = page_tokens.read(request.page_token)
        found = await opt_out.list_opt_outs(self._desk, Page(size, before, seen))
        more = page_tokens.write(found[-1].since, found[-1].opt_out_id) if len(found) == size else ""
        return pb.ListOptOutsResponse(opt_outs=map(messages.opt_out, found), next_page_token=more)

    async def RevokeOptOut(self, request: pb.RevokeOptOutRequest, _: Any) -> pb.RevokeOptOutResponse:
        """Takes an opt-out back."""
        await opt_out.revoke_opt_out(self._desk, request.opt_out_id)
        return pb.RevokeOptOutResponse()

    async def ScriptAnswers(self, request: pb.ScriptAnswersRequest, _: Any) -> pb.ScriptAnswersResponse:
        """Scripts a number of the sandbox."""
        answers = [{"outcome": each.outcome, "keys": each.keys} for each in request.answers]
        await sandbox.script_answers(self._desk, request.phone, answers)
        return pb.ScriptAnswersResponse()

    async def PlayReminders(self, request: pb.PlayRemindersRequest, _: Any) -> pb.PlayRemindersResponse:
        """Plays time in the sandbox."""
        found = await sandbox.play_reminders(self._desk, messages.span(request.by, "by"))
        return messages.played(found)

    async def ListSandboxMessages(
        self, request: pb.ListSandboxMessagesRequest, _: Any
    ) -> pb.ListSandboxMessagesResponse:
        """Messages of the sandbox."""
        found = await sandbox.list_messages(self._desk, request.recipient)
        return pb.ListSandboxMessagesResponse(messages=map(messages.sandbox_message, found))
