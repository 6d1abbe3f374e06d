"""The played reminder: a day before a visit the phone rings, key 1, and the calendar turns green.

It is played in the neighbour's tenant, whose test clock moves; the carrier is the sandbox's own.
"""

import time
import uuid
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from allinone.demo.ids import FreeContact, TenantIds
from allinone.errors import StartFailed
from allinone.telling import Caller, Json, answer, until
from cli import reading
from cli.show import output, words

NUMBER: Final = "+390000000001"
AHEAD: Final = timedelta(days=3)
DAY: Final = "86400s"
WEEK: Final = "604800s"


class Reminding:
    """One visit of the neighbour, reminded of; what it books it cancels."""

    def __init__(self, caller: Caller, home: TenantIds) -> None:
        self._caller, self._home = caller, home

    async def play(self) -> None:
        """Plays and prints. Raises StartFailed where an answer is not what it has to be."""
        try:
            await self._set_up()
        except StartFailed:
            answer("sandbox mode is off: nobody is called")
            return
        appointment = await self._book()
        reminder = await self._planned(appointment)
        await self._call(appointment, reminder)
        await self._explain(reminder)
        await self._caller.posts(f"{_path(appointment)}:cancel", {"note": "played"}, told=False)
        await self._week()

    async def _set_up(self) -> None:
        """A name to call as, a reminder a day before, and a number that was shown to be theirs."""
        await self._caller.asks("/v1/sandbox/messages", told=False)  # refused where there is no sandbox
        for name, value in (("called_as", self._home.name), ("reminder_offsets", DAY)):
            await self._caller.posts("/v1/reminderParameters", {"name": name, "value": value}, told=False)
        numbers = (await self._caller.asks("/v1/callerNumbers", told=False))["numbers"]
        if any(each["state"] == "CALLER_NUMBER_STATE_ACTIVE" for each in numbers):
            return
        body = {"phone": NUMBER, "requestId": f"demo-{self._home.tenant_id}"[:64]}
        number = await self._caller.posts("/v1/callerNumbers", body)
        path = f"/v1/callerNumbers/{number['numberId']}"
        sent = await self._caller.asks(f"/v1/sandbox/messages?recipient={quote(NUMBER)}", told=False)
        code = sent["messages"][0]["body"].rpartition(" ")[2]
        await self._caller.posts(f"{path}:verify", {"code": code})
        await self._caller.posts(f"{path}:activate", {})
        answer(f"{NUMBER} was sent a code, is verified, and is what contacts see")

    async def _book(self) -> Json:
        contact = self._home.free_contacts[1]
        await self._script(contact)

        async def ask() -> Json:
            slots = await self._slots(contact)
            return {
                "slotToken": slots[0]["slotToken"],
                "contactId": contact.contact_id,
                "requestId": uuid.uuid4().hex,
            }

        made = await self._caller.takes("/v1/appointments", ask, told=True)
        answer(f"{made['appointmentId']}, {self._local(made['start'])}, {_state(made)}")
        return made

    async def _slots(self, contact: FreeContact) -> list[Json]:
        path = f"/v1/campaigns/{contact.campaign_id}/slots:suggest"
        windows = await self._caller.bookable(AHEAD)
        wanted = {"contactId": contact.contact_id, "duration": "2700s", "windows": windows}
        slots: list[Json] = (await self._caller.posts(path, wanted, told=False))["slots"]
        if not slots:
            why = "No slot fits from three days ahead on."
            raise StartFailed("the played flow", why, "`make clean` starts anew.")
        return slots

    async def _script(self, contact: FreeContact) -> None:
        person = await self._caller.asks(f"/v1/contacts/{contact.contact_id}", told=False)
        answers = [{"outcome": "ANSWERED", "keys": "1"}]
        await self._caller.posts("/v1/sandbox/answers:script", {"phone": person["phone"], "answers": answers})

    async def _planned(self, appointment: Json) -> Json:
        async def look() -> Json:
            return await self._caller.tries(f"{_path(appointment)}/reminders")

        found = await until(look, lambda seen: bool(seen.get("reminders")))
        if not found.get("reminders"):
            why = "no reminder is planned for a booked visit."
            raise StartFailed("the played flow", why, "Read .run/logs/reminders.log.")
        reminder: Json = found["reminders"][0]
        answer(f"{_colour(found)}: a call is planned for {self._local(reminder['nextAt'])}")
        return reminder

    async def _call(self, appointment: Json, reminder: Json) -> None:
        left = reading.instant(reminder["nextAt"]) - await self._now()
        by = f"{int(left.total_seconds()) + 1}s"
        began = time.perf_counter()
        await self._caller.posts("/v1/sandbox/reminders:play", {"by": by})

        async def look() -> Json:
            return await self._caller.asks(_path(appointment), told=False)

        seen = await until(look, lambda found: found["state"] == "APPOINTMENT_STATE_CONFIRMED")
        took = time.perf_counter() - began
        colour = words.plain(seen["reminderColour"], "REMINDER_COLOUR_")
        if colour != "green":
            why = f"{took:.1f} s after the call the appointment is {colour}, {_state(seen)}."
            raise StartFailed("the played flow", why, "Read .run/logs/reminders.log.")
        answer(f"the phone rang, key 1: the calendar is {colour}, {_state(seen)}, after {took * 1000:.0f} ms")

    async def _explain(self, reminder: Json) -> None:
        found = await self._caller.asks(f"/v1/reminders/{reminder['reminderId']}:explain")
        for decision in found["decisions"]:
            output.say(f"                 {decision['what']}", "dim")
            for step in decision["path"]:
                output.say(f"                    {step}", "dim")
        call = found["reminder"]["attempts"][0]
        answer(f"call {call['number']} from {call['caller']}: {call['ending'].lower()}, key {call['digit']}")

    async def _week(self) -> None:
        began = time.perf_counter()
        found = await self._caller.posts("/v1/sandbox/reminders:play", {"by": WEEK})
        made = ", ".join(f"{each['count']} {each['what']}" for each in found["attempts"]) or "nothing was due"
        answer(f"a week of reminders in {time.perf_counter() - began:.1f} s: {made}")

    async def _now(self) -> datetime:
        return reading.instant((await self._caller.asks("/v1/testClock", told=False))["now"])

    def _local(self, moment: str) -> str:
        return f"{words.local(moment, self._home.time_zone):%a %d %b %H:%M}"


def _path(appointment: Json) -> str:
    return f"/v1/appointments/{appointment['appointmentId']}"


def _state(appointment: Json) -> str:
    return words.plain(appointment["state"], "APPOINTMENT_STATE_")


def _colour(found: Json) -> str:
    return words.plain(found["colour"], "COLOUR_")
