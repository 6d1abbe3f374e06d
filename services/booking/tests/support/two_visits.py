"""Two sessions on one card, package or hour: how both end; and a visit with what may be done to it.

The first session is held at a failpoint. Where it holds the row the second one waits for it (`WAITS`); where
its change is pending, geo being asked, the second one is answered at once (`AT_ONCE`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from booking_house import House, claim
from house_clock import soon

from booking.domain.annulment import AnnulmentReason, ClaimChannel, Decision
from booking.domain.appointment import Appointment, Card, Colour
from booking.domain.campaign import Campaign
from booking.domain.outcomes import Recall, Result
from booking.usecases.annulments import ClaimAnnulment, claim_annulment, decide_annulment
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.hear_answer import Heard, hear_answer
from kit.errors import GiroError
from kit.testing.schedule import two_sessions

Act = Callable[[], Awaitable[Any]]
WAITS, AT_ONCE = False, True


async def meet(first: Act, second: Act, at: str, overtakes: bool) -> tuple[str, str]:
    """How both ended: "" or the reason of a refusal; anything else that is raised is a defect."""
    met = await two_sessions(first, second, at=f"booking.{at}", patience=30 if overtakes else 0.1)
    assert (met.held, met.overtook) == (True, overtakes)
    return _end(met.first), _end(met.second)


def _end(result: Any) -> str:
    if isinstance(result, GiroError):
        return result.reason.value
    if isinstance(result, BaseException):
        raise result
    return ""


@dataclass
class Visit:
    """One booked appointment, and what may be done to it."""

    house: House
    card: Card
    campaign: Campaign
    new_card: bool

    @classmethod
    async def of(cls, house: House, *, new_card: bool = False) -> "Visit":
        """With a KO as its outcome, so that a public recall is open; re-fixed on a new card where asked."""
        await house.parameters(CC0036="SI" if new_card else "NO", CC0037="NO")
        await house.outcome_state("refixed", result=Result.OPEN, recall=Recall.NONE)
        await house.outcome_state("ko")
        campaign = await house.campaign()
        card = await house.book(campaign, await house.contact(campaign), soon(48))
        await house.set_outcome(card)
        return cls(house, card, campaign, new_card)

    @property
    def ident(self) -> str:
        """Its id."""
        return self.card.appointment.appointment_id

    async def now(self) -> Appointment:
        """As the database has it."""
        return await self.house.stored(self.ident)

    async def cancel(self) -> Any:
        """Cancels it."""
        return await cancel_appointment(self.house.desk, CancelAppointment(self.ident, 0, ""))

    async def postpone(self) -> Any:
        """To a later start."""
        return await self.house.postpone(self.card, soon(60))

    async def refix(self) -> Any:
        """Fixes it again."""
        choices = {"new_card": self.new_card, "state_id": "refixed"}
        return await self.house.refix(self.card, soon(72), choices=choices)

    async def annulment(self) -> tuple[str, Act]:
        """A claim, and its acceptance."""
        asked = (AnnulmentReason.NOT_HELD, "", ClaimChannel.PORTAL, None, claim())
        made = await claim_annulment(self.house.desk, ClaimAnnulment(self.ident, *asked))

        async def accept() -> Any:
            return await decide_annulment(self.house.desk, made.claim_id, Decision(True, "usr_manager", ""))

        return made.claim_id, accept

    def answer(self, *, coming: bool) -> Act:
        """What a reminder of the present start brought."""
        colour = Colour.GREEN if coming else Colour.RED
        start = self.card.appointment.window.start

        async def hear() -> None:
            told = Heard(self.ident, start, colour, coming, 2, claim())
            await hear_answer(self.house.desk, self.house.tenant, told)

        return hear

    async def told(self, name: str) -> int:
        """How many events of this name the outbox has."""
        return [event for event, _ in await self.house.events()].count(name)

    async def require_sound(self) -> None:
        """After the reconciler: stops, counters and replay are right."""
        await self.house.settle()
        await self.house.require_sound()
