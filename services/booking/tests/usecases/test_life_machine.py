"""Random lives of appointments on a real database against a small pure model: no difference."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from booking_house import House, soon
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ledger_double import LedgerDouble

from booking.domain.outcomes import Recall, Result
from booking.domain.refix_modes import Work
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.desk import Desk
from kit.errors import GiroError
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVE = {"TO_CONFIRM", "CONFIRMED"}
VERBS = ["book", "confirm", "cancel", "postpone", "ko", "ko-date", "ko-call", "held", "same", "new", "run"]
BASE = soon(0)


@dataclass
class Model:
    """One card as it has to be; times are hours from the test's begin. `asked` is the agent's date."""

    start: int
    state: str = "TO_CONFIRM"
    version: int = 1
    outcome: str = ""
    recall: bool = False
    asked: int | None = None

    def refusal(self, verb: str) -> str:
        """The reason why a change is refused; empty when it is not."""
        if self.state == "SUPERSEDED":
            return "SUPERSEDED"
        if self.state not in LIVE and not (verb == "cancel" and self.state == "CANCELLED"):
            return "WRONG_STATE"
        return "PRESET" if verb == "new" and self.outcome == "ko-date" else ""

    def change(self, verb: str, hour: int) -> None:
        """What a change that is not refused makes of it; a new card is the caller's."""
        if (verb, self.state) in {("confirm", "CONFIRMED"), ("cancel", "CANCELLED")}:
            return
        self.version += 1
        if verb != "confirm":
            self.recall = verb == "ko"
        self.asked = hour if verb in {"ko-date", "ko-call"} else None
        self.state = {"confirm": "CONFIRMED", "cancel": "CANCELLED", "held": "HELD", "new": "SUPERSEDED"}.get(
            verb, "TO_CONFIRM" if verb in {"postpone", "same"} else self.state
        )
        if verb in {"postpone", "same"}:
            self.start = hour
        if verb in {"ko", "ko-date", "ko-call", "held"}:
            self.outcome = verb
        if verb == "same":
            self.outcome = "refixed"

    def run(self) -> None:
        """What the procedures make of it."""
        if self.asked is None or self.state not in LIVE:
            return
        if self.outcome == "ko-call":
            self.recall, self.asked = True, None
        else:
            self.change("same", self.asked)


@dataclass
class Life:
    """Plays steps on a fresh tenant and on the model."""

    house: House
    cards: dict[str, Model] = field(default_factory=dict)
    hour: int = 48

    async def play(self, steps: list[tuple[str, int]]) -> None:
        self.house.enter()
        await self._set_up()
        for verb, number in steps:
            self.hour += 1
            await self._step(verb, number)
            await self._require_same(verb)
        await self.house.settle()
        await self.house.require_sound()

    async def _set_up(self) -> None:
        house = self.house
        await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
        await house.outcome_state("held", result=Result.HELD, recall=Recall.NONE)
        await house.outcome_state("ko")
        await house.outcome_state("ko-date", recall=Recall.NONE, refix=True)
        await house.outcome_state("ko-call", recall=Recall.PRIVATE, list_state="W", refix=True)
        await house.procedure(Work.MOVE, "ko-date")
        await house.procedure(Work.RECALL, "ko-call")
        await house.parameters(CC0036="SI", CC0037="NO")
        self.campaign = await house.campaign(purchased=1000)
        self.contact = await house.contact(self.campaign)

    async def _step(self, verb: str, number: int) -> None:
        if verb == "run":
            await self.house.run()
            for model in self.cards.values():
                model.run()
        elif verb == "book" or not self.cards:
            card = await self.house.book(self.campaign, self.contact, self._at(self.hour))
            self.cards[card.appointment.appointment_id] = Model(self.hour)
        else:
            await self._change(verb, sorted(self.cards)[number % len(self.cards)])

    async def _change(self, verb: str, ident: str) -> None:
        model, refused = self.cards[ident], ""
        made: Any = None
        try:
            made = await self._acts(verb, ident)()
        except GiroError as refusal:
            refused = refusal.reason.value
        assert refused == model.refusal(verb), f"{verb} of {model}"
        if not refused:
            model.change(verb, self.hour)
        if verb == "new" and not refused:
            new = Model(self.hour, outcome="refixed")
            self.cards[made.appointment.appointment_id] = new

    def _acts(self, verb: str, ident: str) -> Callable[[], Awaitable[Any]]:
        house, start = self.house, self._at(self.hour)

        async def stored() -> Any:
            return await house.stored(ident)

        async def postpone() -> Any:
            from booking.domain.appointment import Card

            return await house.postpone(Card(await stored()), start)

        async def refix() -> Any:
            choices = {"new_card": verb == "new", "state_id": "refixed"}
            return await house.refix(await stored(), start, choices=choices)

        async def outcome() -> Any:
            asks = verb in {"ko-date", "ko-call"}
            return await house.set_outcome(await stored(), verb, refix_at=start if asks else None)

        acts: dict[str, Callable[[], Awaitable[Any]]] = {
            "confirm": lambda: confirm_appointment(house.desk, ConfirmAppointment(ident, 0)),
            "cancel": lambda: cancel_appointment(house.desk, CancelAppointment(ident, 0, "")),
            "postpone": postpone,
            "same": refix,
            "new": refix,
        }
        return acts.get(verb, outcome)

    async def _require_same(self, verb: str) -> None:
        rows = await self.house.all_stored()
        found = {
            key: (row.state, row.version, row.outcome_state_id or "", row.starts_at)
            for key, row in rows.items()
        }
        wanted = {
            key: (model.state, model.version, model.outcome, self._at(model.start))
            for key, model in self.cards.items()
        }
        assert found == wanted, f"after {verb}"
        recalled = {recall.appointment_id for recall in await self.house.recalls()}
        assert recalled == {key for key, model in self.cards.items() if model.recall}, f"after {verb}"

    @staticmethod
    def _at(hour: int) -> Any:
        return BASE + timedelta(hours=hour)


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 3)), min_size=6, max_size=24))
async def test_any_life_is_what_the_model_says(house: House, steps: list[tuple[str, int]]) -> None:
    ledger = LedgerDouble(agents={new_id("agt")})
    desk: Desk = house.desk
    own = Desk(desk.db, desk.grounds, ledger, ledger, desk.slot_tokens, desk.page_tokens)
    await Life(House(own, ledger, sorted(ledger.agents))).play(steps)
