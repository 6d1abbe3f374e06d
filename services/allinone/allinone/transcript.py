"""The operator's flow, played against the running gateway: the same calls that a person's screen would make.

What it books it cancels again, so that every start can play it.
"""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from allinone.demo.ids import DemoIds, FreeContact, TenantIds
from allinone.errors import StartFailed
from allinone.refixing import Refixing
from allinone.reminding import Reminding
from allinone.scenes import Scenes
from allinone.telling import LEAD, Caller, Json, answer, heading, until
from cli import reading
from cli.show import day as shown_day
from cli.show import output, words
from cli.show import slots as shown_slots

DURATION = "2700s"
HOLD_FOR = "300s"
SLOTS_ASKED, SLOTS_SHOWN = 20, 8
ROOM_TO_MOVE = 900
TOO_LATE = 300
VISIT = "STOP_KIND_APPOINTMENT"


async def play(gateway_url: str, demo: DemoIds) -> None:
    """Plays and prints the flow. Raises StartFailed where an answer is not what it has to be."""
    flow = _Flow(gateway_url, demo)
    try:
        await flow.play()
    finally:
        await flow.close()


class _Flow:
    """The flow with what its steps hand on to each other."""

    def __init__(self, gateway_url: str, demo: DemoIds) -> None:
        self._demo, self._gateway_url = demo, gateway_url
        self._home: TenantIds = demo.tenants["voce"]
        self._callers = {
            key: Caller(gateway_url, spoken)
            for key, spoken in (
                ("operator", "operator"),
                ("operator_solar", "operator 2"),
                ("agent_supervisor", "supervisor"),
                ("neighbour_administrator", "neighbour"),
                ("administrator", "admin"),
            )
        }
        self._operator = self._callers["operator"]
        self._campaign_id = self._home.campaigns["solar"]
        self._contact = self._choose_contact()
        self._slot: Json = {}
        self._windows: list[Json] = []
        self._appointment: Json = {}

    async def close(self) -> None:
        for caller in self._callers.values():
            await caller.close()

    async def play(self) -> None:
        output.say("")
        output.console().rule("the operator's flow, through the JSON gateway", characters="=")
        steps = (
            self._sign_in,
            self._ask,
            self._hold,
            self._book,
            self._see,
            self._confirm,
            self._postpone,
            self._reassign,
            self._cancel,
            self._explain,
            self._another_tenant,
            self._lead_time,
            self._remind,
            self._refix,
            self._besides,
            self._changes,
            self._verify,
        )
        for number, step in enumerate(steps, 1):
            title = (step.__doc__ or "").splitlines()[0].rstrip(".")
            heading(number, title)
            await step()
        output.console().rule(characters="=")

    # --- the steps; the first line of each docstring is printed ---------------------------------------------

    async def _sign_in(self) -> None:
        """Sign in: a wrong password and an unknown e-mail get the same answer."""
        user = self._demo.users["operator"]
        await self._operator.is_refused("POST", "/v1/sessions", {"email": user.email, "password": "wrong"})
        for key, caller in self._callers.items():
            signing = self._demo.users[key]
            body = {"email": signing.email, "password": signing.password}
            session = await caller.posts("/v1/sessions", body, told=key == "operator")
            caller.sign(session["accessToken"])
            if key == "operator":
                lives = reading.instant(session["expiresAt"]) - datetime.now(UTC)
                minutes = words.length(round(lives.total_seconds()))
                answer(f"{session['user']['displayName']}, a token for {minutes}")

    async def _ask(self) -> None:
        """Ask: when can somebody be with this customer for 45 minutes?"""
        output.say(f"              {self._contact.name}, {self._contact.address}")
        self._windows = await self._operator.bookable()
        found = await self._suggest(self._operator, explain=True, limit=SLOTS_ASKED, windows=self._windows)
        shown = {**found, "slots": found["slots"][:SLOTS_SHOWN]}
        shown_slots.show(shown, self._home.time_zone, self._agent_name)
        self._slot = await self._movable(self._found(found))

    async def _hold(self) -> None:
        """Hold: while the customer thinks, the slot vanishes for everybody else."""
        chosen = [self._slot]

        async def ask() -> Json:
            self._slot = chosen.pop() if chosen else await self._choose_slot()
            return _new(slotToken=self._slot["slotToken"], ttl=HOLD_FOR)

        hold = await self._operator.takes("/v1/slots:hold", ask, told=True)
        self._hold_id = hold["holdId"]
        until = words.local(hold["expiresAt"], self._home.time_zone)
        answer(f"{self._at(hold)} is kept until {until:%H:%M:%S} as {hold['holdId']}")
        second = self._callers["operator_solar"]
        others = await self._suggest(second, limit=50, windows=self._windows)
        same = [slot for slot in others["slots"] if self._overlaps(slot["anatomy"], hold)]
        if same:
            raise _fault("a second operator was offered a slot that is held")
        answer(f"{len(others['slots'])} slots for operator 2, none of them touches the held time")
        late = _new(slotToken=self._slot["slotToken"], ttl=HOLD_FOR)
        await second.is_refused("POST", "/v1/slots:hold", late)

    async def _book(self) -> None:
        """Book: one appointment, however often the same request arrives."""
        body = _new(holdId=self._hold_id, contactId=self._contact.contact_id, note="rings twice")
        made = await self._operator.posts("/v1/appointments", body)
        again = await self._operator.posts("/v1/appointments", body, told=False)
        if again["appointmentId"] != made["appointmentId"]:
            raise _fault("a repeated request booked a second appointment")
        self._appointment = made
        answer(f"{made['appointmentId']}, {_state(made)}; the same request again: the same appointment")

    async def _see(self) -> None:
        """See: the agent's day around it, each drive accounted for."""
        start = words.local(self._appointment["start"], self._home.time_zone)
        itinerary = await self._operator.asks(self._day_of(self._appointment))
        answer(f"{self._agent_name(itinerary['agentId'])}, {start:%A %d %B}")
        shown_day.show(itinerary, with_map=True)

    async def _confirm(self) -> None:
        """Confirm: exempt from the lead time."""
        await self._change("confirm", {"version": self._appointment["version"]})

    async def _postpone(self) -> None:
        """Postpone: checked like a booking; what does not fit moves nothing and says what is missing."""
        room, start = self._room(self._slot), reading.instant(self._appointment["start"])
        too_late = start + timedelta(seconds=room + TOO_LATE)
        path = f"{self._path}:postpone"
        await self._operator.is_refused("POST", path, _new(start=reading.rfc3339(too_late), version="0"))
        later = min(room, 1_800) // 300 * 300
        if later:
            await self._change("postpone", _new(start=reading.rfc3339(start + timedelta(seconds=later))))
        else:
            answer("the day leaves no room to postpone it")

    async def _reassign(self) -> None:
        """Reassign: another agent, who has to be able to reach it as well."""
        window = {"start": self._appointment["start"], "end": self._appointment["end"]}
        campaign = await self._operator.asks(f"/v1/campaigns/{self._campaign_id}", told=False)
        others = [each for each in campaign["agentIds"] if each != self._appointment["agentId"]]
        found = await self._suggest(self._operator, windows=[window], agentIds=others, limit=1)
        if found["slots"]:
            await self._change("reassign", _new(agentId=found["slots"][0]["anatomy"]["agentId"]))
            return
        answer("nobody else is free at that very time, so the start moves too")
        elsewhere = await self._suggest(self._operator, windows=self._windows, agentIds=others, limit=1)
        best = self._found(elsewhere)[0]["anatomy"]
        await self._change("reassign", _new(agentId=best["agentId"], start=best["start"]))

    async def _cancel(self) -> None:
        """Cancel: the time is free at once, the unit of the package stays used until the step ends."""
        await self._change("cancel", {"note": "the customer is abroad"})

    async def _explain(self) -> None:
        """Explain: who chose each change, from what, and what policy said then."""
        found = await self._callers["agent_supervisor"].asks(f"{self._path}:explain")
        changes, versions = found["changes"], int(self._appointment["version"])
        if not found["complete"] or len(changes) != versions:
            raise _fault(f"{versions} versions have {len(changes)} explained changes")
        first = changes[0]
        told = ", ".join(each["event"].removeprefix("appointment_") for each in changes)
        rested = words.drive(first.get("legBefore"))
        lead = next(each for each in first["parameters"] if each["name"] == "lead_time")
        source = words.plain(first["slotSource"], "SLOT_SOURCE_")
        who = words.plain(first["chosenBy"]["channel"], "CHANNEL_")
        answer(f"{told}; booked from a {source} by the {who}, promised drive {rested}")
        answer(f"the lead time was {lead['value']}, from the {lead['source'].lower()}")

    async def _another_tenant(self) -> None:
        """Another tenant: what is not theirs does not exist."""
        neighbour = self._callers["neighbour_administrator"]
        await neighbour.is_refused("GET", self._path)
        await neighbour.is_refused("GET", f"/v1/agents/{self._appointment['agentId']}/itinerary")
        found = await neighbour.asks("/v1/campaigns")
        answer(f"their campaigns: {', '.join(each['displayName'] for each in found['campaigns'])}")

    async def _lead_time(self) -> None:
        """Lead time: 36 hours, played with the neighbour's test clock."""
        neighbour, theirs = self._callers["neighbour_administrator"], self._demo.tenants["vicino"]
        clock = await neighbour.asks("/v1/testClock")
        now = reading.instant(clock["now"])
        answer(f"their clock says {now:%a %d %b %H:%M} UTC")
        contact = theirs.free_contacts[0]
        path = f"/v1/campaigns/{contact.campaign_id}/slots:suggest"
        found = await neighbour.posts(
            path, {"contactId": contact.contact_id, "duration": DURATION, "limit": 50}
        )
        soonest = min((slot["anatomy"] for slot in self._found(found)), key=lambda each: str(each["start"]))
        start = reading.instant(soonest["start"])
        by = max(int((start - now - LEAD).total_seconds()), 0) + 60
        try:
            await neighbour.posts("/v1/testClock:advance", _new(by=f"{by}s"))
        except StartFailed:
            answer("sandbox mode is off: nobody moves a clock")
            return
        answer(f"{words.length(by)} later the soonest slot ({start:%a %d %b %H:%M} UTC) is too near:")
        chosen = {
            "campaignId": contact.campaign_id,
            "agentId": soonest["agentId"],
            "start": soonest["start"],
            "duration": DURATION,
        }
        await neighbour.is_refused(
            "POST", "/v1/appointments", _new(time=chosen, contactId=contact.contact_id)
        )

    async def _remind(self) -> None:
        """Remind: a call a day before the visit, answered with 1, turns the calendar green."""
        theirs = self._demo.tenants["vicino"]
        await Reminding(self._callers["neighbour_administrator"], theirs).play()

    async def _refix(self) -> None:
        """Fix again: five visits fall through, each is fixed again in another of the five modes."""
        await Refixing(self._callers["administrator"], self._home).play()

    async def _besides(self) -> None:
        """Beside booking: a document, a calendar feed, somebody who waits for a time, the counters box."""
        await Scenes(self._callers["administrator"], self._home, self._gateway_url).play()

    async def _changes(self) -> None:
        """Recent changes: written by events that went through NATS."""
        path = f"/v1/recentChanges?campaignId={self._campaign_id}&pageSize=6"
        mine = self._appointment["appointmentId"]

        async def look() -> list[Json]:
            found = await self._operator.asks(path, told=False)
            return [each for each in found["changes"] if each["appointmentId"] == mine]

        changes = await until(look, lambda rows: bool(rows) and rows[0]["change"] == "cancelled")
        answer(
            "newest first: " + ", ".join(f"{each['change']} (version {each['version']})" for each in changes)
        )

    async def _verify(self) -> None:
        """Verify: the promise recomputed from the stored stops, every appointment held against its stop."""
        supervisor = self._callers["agent_supervisor"]
        promise = await supervisor.asks("/v1/invariants:verify")
        broken = promise["violations"]
        pairs = f"{promise['pairs']} consecutive pairs of {promise['agents']} agents"
        answer(f"{pairs}: {len(broken)} violations")

        async def look() -> Json:
            return await supervisor.asks("/v1/ownership:verify", told=False)

        owned = await until(look, lambda found: not _lost(found))
        alone = _lost(owned)
        both = f"{owned['appointments']} appointments, {owned['stops']} stops"
        answer(f"{both}: {len(alone)} without the other")
        if broken or alone:
            raise _fault("the promise is broken")

    # --- what the steps share -------------------------------------------------------------------------------

    @property
    def _path(self) -> str:
        return f"/v1/appointments/{self._appointment['appointmentId']}"

    def _choose_contact(self) -> FreeContact:
        free = self._home.free_contacts
        return next(each for each in free if each.campaign_id == self._campaign_id)

    async def _choose_slot(self) -> Json:
        found = await self._suggest(self._operator, limit=SLOTS_ASKED, windows=self._windows)
        return await self._movable(self._found(found))

    async def _movable(self, slots: list[Json]) -> Json:
        """The first slot with room to move before another visit: both ways to postpone can be shown."""
        roomy = [slot for slot in slots if self._room(slot) >= ROOM_TO_MOVE]
        for slot in roomy:
            itinerary = await self._operator.asks(self._day_of(slot["anatomy"]), told=False)
            after = [stop for stop in itinerary["stops"] if stop["start"] >= slot["anatomy"]["end"]]
            if after and after[0]["kind"] == VISIT:
                return slot
        return (roomy or slots)[0]

    def _day_of(self, what: Json) -> str:
        midnight = words.local(what["start"], self._home.time_zone).replace(hour=0, minute=0, second=0)
        span = f"from={reading.rfc3339(midnight)}&to={reading.rfc3339(midnight + timedelta(days=1))}"
        return f"/v1/agents/{what['agentId']}/itinerary?{span}"

    async def _suggest(self, caller: Caller, **more: Any) -> Json:
        body = {"contactId": self._contact.contact_id, "duration": DURATION, **more}
        return await caller.posts(f"/v1/campaigns/{self._campaign_id}/slots:suggest", body)

    async def _change(self, verb: str, body: Json) -> None:
        before = self._appointment
        self._appointment = await self._operator.posts(f"{self._path}:{verb}", body)
        after = self._appointment
        moved = f", {self._at(after)}" if _whereabouts(before) != _whereabouts(after) else ""
        answer(f"{_state(after)}, version {after['version']}{moved}")

    def _found(self, suggested: Json) -> list[Json]:
        slots: list[Json] = suggested["slots"]
        if not slots:
            why = "No slot fits for two weeks."
            raise StartFailed("the played flow", why, "`make clean` loads the demo anew.")
        return slots

    def _room(self, slot: Json) -> int:
        return reading.seconds(slot["anatomy"].get("slack"))

    def _at(self, what: Json) -> str:
        zone = self._home.time_zone
        start = words.local(what["start"], zone)
        hours = words.span(what["start"], what["end"], zone)
        return f"{self._agent_name(what['agentId'])}, {words.day_of(start)} {hours}"

    def _agent_name(self, agent_id: str) -> str:
        keys = {known: key for key, known in self._home.agents.items()}
        return self._home.agent_names.get(keys.get(agent_id, ""), agent_id)

    @staticmethod
    def _overlaps(one: Json, other: Json) -> bool:
        return bool(
            one["agentId"] == other["agentId"] and one["start"] < other["end"] and other["start"] < one["end"]
        )


def _new(**body: Any) -> Json:
    """A body with a fresh idempotency key."""
    return {**body, "requestId": str(uuid.uuid4())}


def _state(appointment: Json) -> str:
    return words.plain(appointment["state"], "APPOINTMENT_STATE_")


def _whereabouts(appointment: Json) -> tuple[str, str]:
    return appointment["agentId"], appointment["start"]


def _lost(found: Json) -> list[str]:
    return [*found["appointmentsWithoutStop"], *found["stopsWithoutAppointment"]]


def _fault(what: str) -> StartFailed:
    return StartFailed("the played flow", f"{what}.", "This is a fault of Giro: please report it.")
