"""The played re-fixes: five visits fall through, and each is fixed again in another of the five modes.

Outcome states, procedures and parameters are set up for the heating campaign, and one recall is left for the
operators to look at; the rest of what it books it cancels.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from allinone.demo.ids import FreeContact, TenantIds
from allinone.errors import StartFailed
from allinone.telling import Caller, Json, answer, until
from cli import reading
from cli.show import words

CAMPAIGN: Final = "heating"
EVERY: Final = "1s"

STATES: Final[dict[str, Json]] = {
    "refixed": {"displayName": "Fixed again", "result": "VISIT_RESULT_OPEN"},
    "ko-absent": {
        "displayName": "KO, absent",
        "result": "VISIT_RESULT_KO",
        "listState": "W",
        "recall": "RECALL_OPTION_PUBLIC",
        "mandatory": ["why"],
        "visible": ["why"],
    },
    "ko-moved": {"displayName": "KO, agreed on another date", "result": "VISIT_RESULT_KO", "refix": True},
    "ko-new-card": {"displayName": "KO, starts anew", "result": "VISIT_RESULT_KO", "refix": True},
    "ko-call": {
        "displayName": "KO, call on a date",
        "result": "VISIT_RESULT_KO",
        "listState": "W",
        "recall": "RECALL_OPTION_PUBLIC",
        "refix": True,
    },
}
PROCEDURES: Final = (
    ("move-refixed", "PROCEDURE_KIND_MOVE", "ko-moved", "refixed"),
    ("new-card-refixed", "PROCEDURE_KIND_NEW_CARD", "ko-new-card", "refixed"),
    ("recall-refixed", "PROCEDURE_KIND_RECALL", "ko-call", ""),
)
SAME_CARD: Final = (("CC0036", "NO"), ("CC0037", "NO"), ("CC036B", "refixed"))
NEW_CARD: Final = (("CC0036", "SI"), ("CC0037", "SI"), ("CC0036C", "SI"), ("CC0036D", "refixed"))


class Refixing:
    """Five visits of one campaign."""

    def __init__(self, caller: Caller, home: TenantIds) -> None:
        self._caller, self._home = caller, home
        self._campaign_id = home.campaigns[CAMPAIGN]

    async def play(self) -> None:
        """Plays and prints. Raises StartFailed where an answer is not what it has to be."""
        await self._set_up()
        await self._by_operator("mode-1", SAME_CARD)
        await self._by_operator("mode-2", NEW_CARD)
        await self._set(SAME_CARD)
        await self._by_procedure("mode-3", "ko-moved")
        await self._by_procedure("mode-4", "ko-new-card")
        await self._on_a_date()
        await self._leave_a_recall()

    async def _set_up(self) -> None:
        """A characteristic, outcome states and procedures; the same again changes nothing."""
        why = {"displayName": "Why", "kind": "CHARACTERISTIC_KIND_CHOICE", "choices": ["absent", "ill"]}
        await self._caller.calls("PUT", "/v1/characteristics/why", why, told=False)
        for state_id, state in STATES.items():
            await self._caller.calls("PUT", f"/v1/outcomeStates/{state_id}", state, told=False)
        for procedure_id, kind, state_id, written in PROCEDURES:
            body = {
                "kind": kind,
                "displayName": procedure_id,
                "interval": EVERY,
                "stateId": written,
                "outcomeStateIds": [state_id],
                "active": True,
            }
            await self._caller.calls("PUT", f"/v1/procedures/{procedure_id}", body, told=False)
        found = await self._caller.posts("/v1/refixPolicy:validate", {"campaignId": self._campaign_id})
        wrong = len(found["contradictions"])
        answer(f"{len(STATES)} outcome states, {len(PROCEDURES)} procedures: {wrong} contradictions")
        _require(wrong == 0, "the demo's policy contradicts itself")

    async def _by_operator(self, mode: str, values: tuple[tuple[str, str], ...]) -> None:
        """Modes 1 and 2: the agent's KO makes a recall, the operator calls and fixes the visit again."""
        await self._set(values)
        card = await self._book()
        await self._outcome(card, "ko-absent", characteristics=[_value("why", "absent")])
        recalls = (await self._caller.asks("/v1/recalls?pageSize=200", told=False))["recalls"]
        _require(any(each["appointmentId"] == _id(card) for each in recalls), "no recall was made")
        await self._refix(mode, card)

    async def _refix(self, mode: str, card: Json) -> None:
        form = await self._caller.asks(f"/v1/appointments/{_id(card)}/refixForm", told=False)
        _require(form["modeId"] == mode, f"the mode is {form['modeId']} instead of {mode}")

        async def ask() -> Json:
            slot = await self._other_slot(card)
            return _new(slotToken=slot["slotToken"], screen="SCREEN_CALL_SCREEN", note="agreed on the phone")

        made = await self._caller.takes(f"/v1/appointments/{_id(card)}:refix", ask, told=True)
        await self._told(mode, card, made)

    async def _by_procedure(self, mode: str, state_id: str) -> None:
        """Modes 3 and 4: the agent names a date, a scheduled procedure does the rest."""
        card = await self._book()
        start = (await self._other_slot(card))["anatomy"]["start"]
        await self._outcome(card, state_id, refixAt=start)

        async def look() -> Json:
            return await self._caller.asks(f"/v1/appointments/{_id(card)}", told=False)

        seen = await until(look, lambda found: found["version"] != "2")
        after = seen["supersededBy"] or _id(card)
        if seen["locked"] and not seen["supersededBy"]:
            after = await self._successor(card)
        made = await self._caller.asks(f"/v1/appointments/{after}", told=False)
        _require(made["start"] == start, "the visit is not at the date that its agent named")
        await self._told(mode, card, made)

    async def _on_a_date(self) -> None:
        """Mode 5: the agent names the date on which to call; the recall waits for it."""
        card = await self._book()
        call_at = reading.rfc3339(reading.instant(card["start"]) - timedelta(hours=2))
        await self._outcome(card, "ko-call", refixAt=call_at)

        async def look() -> list[Json]:
            found = await self._caller.asks("/v1/recalls?pageSize=200", told=False)
            return [each for each in found["recalls"] if each["appointmentId"] == _id(card)]

        recalls = await until(look, bool)
        _require(bool(recalls) and recalls[0]["dueAt"] == call_at, "no recall is due on the agent's date")
        await self._refix("mode-5", card)

    async def _leave_a_recall(self) -> None:
        recalls = (await self._caller.asks("/v1/recalls", told=False))["recalls"]
        if not recalls:
            card = await self._book()
            await self._outcome(card, "ko-absent", characteristics=[_value("why", "ill")])
        answer("one recall is left for the operators: giro recalls list")

    async def _successor(self, card: Json) -> str:
        """The new card of a locked one, from the history that auditors see: its link is not shown."""
        found = await self._caller.asks(f"/v1/appointments/{_id(card)}/history", told=False)
        facts = {fact["name"]: fact["value"] for entry in found["entries"] for fact in entry["facts"]}
        return str(facts["superseded_by"])

    async def _told(self, mode: str, before: Json, after: Json) -> None:
        same = _id(before) == _id(after)
        _require(same == (mode in {"mode-1", "mode-3", "mode-5"}), f"{mode} wrote the wrong card")
        old = await self._caller.asks(f"/v1/appointments/{_id(before)}", told=False)
        _require(old["locked"] is not same, "the old card is not locked")
        card = "the same card" if same else "a new card, the old one is light blue and locked"
        answer(f"{mode}: from {self._at(before)} to {self._at(after)}, {card}")
        await self._caller.posts(f"/v1/appointments/{_id(after)}:cancel", {"note": "played"}, told=False)

    async def _set(self, values: tuple[tuple[str, str], ...]) -> None:
        body = {
            "campaignId": self._campaign_id,
            "parameters": [{"name": name, "value": value} for name, value in values],
        }
        await self._caller.posts("/v1/parameters:import", body)

    async def _outcome(self, card: Json, state_id: str, **more: Any) -> None:
        body = _new(stateId=state_id, note="nobody opened the door", **more)
        await self._caller.posts(f"/v1/appointments/{_id(card)}:setOutcome", body)

    async def _book(self) -> Json:
        async def ask() -> Json:
            token = (await self._slots())[0]["slotToken"]
            return _new(slotToken=token, contactId=self._contact.contact_id, note="rings twice")

        return await self._caller.takes("/v1/appointments", ask)

    async def _other_slot(self, card: Json) -> Json:
        """A slot of the same agent on another day."""
        found = await self._slots(agentIds=[card["agentId"]])
        days = [slot for slot in found if slot["anatomy"]["start"][:10] != card["start"][:10]]
        _require(bool(days), "the agent has no room on another day")
        return days[0]

    async def _slots(self, **more: Any) -> list[Json]:
        windows = await self._caller.bookable()
        body = {"contactId": self._contact.contact_id, "duration": "2700s", "windows": windows, "limit": 50}
        path = f"/v1/campaigns/{self._campaign_id}/slots:suggest"
        found: list[Json] = (await self._caller.posts(path, {**body, **more}, told=False))["slots"]
        _require(bool(found), "no slot fits for two weeks")
        return found

    @property
    def _contact(self) -> FreeContact:
        return next(each for each in self._home.free_contacts if each.campaign_id == self._campaign_id)

    def _at(self, what: Json) -> str:
        start: datetime = words.local(what["start"], self._home.time_zone)
        return f"{words.day_of(start)} {start:%H:%M}"


def _id(card: Json) -> str:
    return str(card["appointmentId"])


def _value(characteristic_id: str, value: str) -> Json:
    return {"characteristicId": characteristic_id, "value": value}


def _new(**body: Any) -> Json:
    """A body with a fresh idempotency key."""
    return {**body, "requestId": str(uuid.uuid4())}


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise StartFailed("the played flow", f"{what}.", "This is a fault of Giro: please report it.")
