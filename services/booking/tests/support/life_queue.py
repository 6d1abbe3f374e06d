"""The waiting list of a campaign as it has to be: who is offered what, one at a time; pure and small."""

from dataclasses import dataclass, field

from life_model import LifeModel

LEAD = 36
"""Hours; nearer than that nothing is offered."""
AT_ONCE, IN_A_ROUND = 2, 20
"""How many are tried while somebody waits for an answer, and in a round."""


@dataclass
class Opening:
    """A free hour of the first agent. `passed` had it for good; `paused` are tried again the next day."""

    hour: int
    offered: str = ""
    passed: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    closed: bool = False


@dataclass
class Waiter:
    """An entry of a contact."""

    contact: int
    state: str = "WAITING"

    @property
    def waits(self) -> bool:
        """Whether something may come of it."""
        return self.state in {"WAITING", "OFFERED"}


@dataclass
class QueueModel:
    """Entries by id, in the order in which they joined; and what became free."""

    life: LifeModel
    waiters: dict[str, Waiter] = field(default_factory=dict)
    openings: list[Opening] = field(default_factory=list)
    offers: dict[tuple[int, str], str] = field(default_factory=dict)
    """By (opening, entry) of every offer that was made: why accepting it is refused; empty: it stands."""

    @property
    def anybody_waits(self) -> bool:
        """Whether anybody is on the list at all."""
        return any(waiter.waits for waiter in self.waiters.values())

    def refuses_join(self, contact: int) -> str:
        """Everybody waits once at a time."""
        waits = any(waiter.contact == contact and waiter.waits for waiter in self.waiters.values())
        return "ALREADY_EXISTS" if waits else ""

    def free(self, hour: int) -> None:
        """Noted where anybody waits, and offered at once."""
        if self.anybody_waits:
            self.openings.append(Opening(hour))
            self._work(len(self.openings) - 1, AT_ONCE)

    def accept(self, number: int, entry: str) -> str:
        """Of an offer that stands; a refused one waits for the next round."""
        if self.offers[number, entry]:
            return self.offers[number, entry]
        opening = self.openings[number]
        refused = self.life.refuses_booking(opening.hour)
        self._end(number, "HOLD_EXPIRED" if refused else "ALREADY_EXISTS")
        if not refused:
            self.waiters[entry].state, opening.closed = "BOOKED", True
        return refused

    def decline(self, number: int, entry: str) -> str:
        """It goes on to the next."""
        if self.offers[number, entry] == "ALREADY_EXISTS":
            return "ALREADY_EXISTS"
        if self.openings[number].offered == entry:
            self._pass(number)
        self._work(number, AT_ONCE)
        return ""

    def leave(self, entry: str) -> None:
        """So does what they were offered."""
        if not self.waiters[entry].waits:
            return
        mine = [number for number, opening in enumerate(self.openings) if opening.offered == entry]
        for number in mine:
            self._pass(number)
        self.waiters[entry].state = "LEFT"
        for number in mine:
            self._work(number, AT_ONCE)

    def day(self) -> None:
        """A day later no offer stands any more; a round goes over all openings."""
        for number, opening in enumerate(self.openings):
            opening.paused.clear()
            if opening.offered:
                self._pass(number)
            self._work(number, IN_A_ROUND)

    def _pass(self, number: int) -> None:
        self.openings[number].passed.add(self.openings[number].offered)
        self._end(number, "HOLD_EXPIRED")

    def _end(self, number: int, told: str) -> None:
        opening = self.openings[number]
        self.waiters[opening.offered].state = "WAITING"
        self.offers[number, opening.offered] = told
        opening.offered = ""

    def _work(self, number: int, most: int) -> None:
        opening = self.openings[number]
        if opening.closed or opening.offered:
            return
        if opening.hour - self.life.now <= LEAD:
            opening.closed = True
        elif self.life.left > 0:
            self._offer(number, most)

    def _offer(self, number: int, most: int) -> None:
        opening = self.openings[number]
        tried = opening.passed | opening.paused
        fit = [
            entry for entry, each in self.waiters.items() if each.state == "WAITING" and entry not in tried
        ]
        if self.life.absent(0, opening.hour):
            opening.paused.update(fit[:most])
        elif fit:
            opening.offered = fit[0]
            self.waiters[fit[0]].state = "OFFERED"
            self.offers[number, fit[0]] = ""
