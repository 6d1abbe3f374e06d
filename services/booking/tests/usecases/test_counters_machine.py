"""Random histories of one campaign on a real database: the counters are always what a recount gives (I6)."""

from dataclasses import replace

import pytest
from booking_house import House
from house_clock import soon
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ledger_double import LedgerDouble, Lost

from booking.domain.appointment import Card
from booking.domain.package import Package
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.desk import Desk
from kit.errors import GiroError, Reason
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

Steps = list[tuple[str, int, Lost | None]]

steps = st.lists(
    st.tuples(
        st.sampled_from(["book", "confirm", "cancel", "postpone", "reassign", "settle"]),
        st.integers(0, 5),
        st.sampled_from([None, None, *Lost]),
    ),
    min_size=3,
    max_size=14,
)


class History:
    """Plays steps on a fresh tenant and keeps the model: which appointment is in which state."""

    def __init__(self, desk: Desk) -> None:
        ledger = LedgerDouble(agents={new_id("agt") for _ in range(2)})
        own = replace(desk, ledger=ledger, agents=ledger)
        self.house = House(own, ledger, sorted(ledger.agents))
        self.cards: list[Card] = []
        self.hours = 48

    async def play(self, found: Steps) -> None:
        self.house.enter()
        self.campaign = await self.house.campaign(purchased=4)
        self.contact = await self.house.contact(self.campaign)
        for verb, number, lost in found:
            await self._step(verb, number, lost)
            await self._require_counters()
        await self.house.settle()
        await self.house.ledger.deliver_late()
        await self.house.settle()
        await self.house.require_sound()

    async def _step(self, verb: str, number: int, lost: Lost | None) -> None:
        if lost is not None:
            self.house.ledger.lose("reserve" if verb == "book" else "move", lost)
        try:
            await self._act(verb, number)
        except GiroError as refused:
            if refused.reason is Reason.LEDGER_REFUSED:
                raise

    async def _act(self, verb: str, number: int) -> None:
        self.hours += 1
        house = self.house
        if verb == "settle":
            await house.settle()
        elif verb == "book":
            self.cards.append(await house.book(self.campaign, self.contact, soon(self.hours)))
        elif self.cards:
            card = self.cards[number % len(self.cards)]
            appointment_id = card.appointment.appointment_id
            if verb == "confirm":
                await confirm_appointment(house.desk, ConfirmAppointment(appointment_id, 0))
            elif verb == "cancel":
                await cancel_appointment(house.desk, CancelAppointment(appointment_id, 0, ""))
            elif verb == "postpone":
                await house.postpone(card, soon(100 + self.hours))
            else:
                await house.reassign(card, house.agents[number % 2])

    async def _require_counters(self) -> None:
        rows = list((await self.house.all_stored()).values())
        states = [row.state for row in rows]
        waiting = states.count("PENDING") + states.count("TO_CONFIRM")
        counted = Package(4, waiting + states.count("CONFIRMED"), waiting, states.count("CANCELLED"))
        assert await self.house.package(self.campaign) == counted


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(found=steps)
async def test_any_history_keeps_the_counters(
    house: House, found: list[tuple[str, int, Lost | None]]
) -> None:
    await History(house.desk).play(found)
