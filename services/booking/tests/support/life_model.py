"""What the life of a tenant's appointments has to be: pure, small, and written without the product's code.

Times are hours from the begin of a history. A refusal is the name of its reason; empty: none.
"""

from dataclasses import dataclass, field, replace

LIVE = {"TO_CONFIRM", "CONFIRMED"}
WITH_STOP = LIVE | {"HELD"}
ALONE = {"ko-date": "same", "ko-date-new": "new"}
"""Outcomes whose agent's date a procedure works without an operator, and which card it writes."""
DATED = {*ALONE, "ko-call"}
OUTCOMES = {*DATED, "ko", "ko-mine", "held"}
RELEASE = 1
"""Hours after which an overdue private recall is everybody's."""
A_DAY = 2
"""Cancelled units that a day sets free at the end of a step."""
BLOCKED = 2000
"""An hour at which every agent has a visit already."""
OF_PAIR = {"swap", "repair", "repair-same"}
"""Changes of two cards at once."""
COMING = {"yes": True, "no": False, "silence": None}
"""What a reminder brought, and whether they are coming."""
COLOURS = {True: "GREEN", False: "RED", None: "ORANGE"}


@dataclass
class Recall:
    """An open recall of a version of a card."""

    private: bool
    due: int
    version: int


@dataclass
class CardModel:
    """One card. `asked` is the agent's date that a procedure is still to work, `doubted` once the visit was
    moved without a word about it; `claims` are their states; `painted` is a colour and the start it is of."""

    start: int
    agent: int
    state: str = "TO_CONFIRM"
    version: int = 1
    outcome: str = ""
    asked: int | None = None
    recall: Recall | None = None
    exception: str = ""
    claims: list[str] = field(default_factory=list)
    was: str = ""
    """What it was before it was held."""
    doubted: bool = False
    notes: int = 0
    painted: tuple[str, int] = ("", 0)

    @property
    def colour(self) -> str:
        """As the calendar shows it: an answer is about one start."""
        return self.painted[0] if self.painted[1] == self.start else ""

    def change(self, **values: object) -> None:
        """Whatever decides anew about the visit: what was open for the card is settled."""
        self.recall, self.exception, self.asked, self.doubted = None, "", None, False
        self.version += 1
        for name, value in values.items():
            setattr(self, name, value)


@dataclass(frozen=True)
class PackageModel:
    """The counters that no recount of cards gives."""

    purchased: int
    cancelled_in_step: int = 0
    to_recover: int = 0
    recovered: int = 0
    step: int = 1


@dataclass
class LifeModel:
    """All cards by id; `now` in whole hours, `new_cards` whether parameters let operators make new ones."""

    package: PackageModel
    cards: dict[str, CardModel] = field(default_factory=dict)
    now: int = 0
    new_cards: bool = True
    absences: list[tuple[int, int]] = field(default_factory=list)
    """(agent, day) of what is noted and not withdrawn."""

    @property
    def taken(self) -> int:
        """Units that somebody has."""
        return sum(card.state in WITH_STOP for card in self.cards.values())

    @property
    def to_confirm(self) -> int:
        """Those of them that wait for a confirmation."""
        return sum(card.state == "TO_CONFIRM" for card in self.cards.values())

    @property
    def left(self) -> int:
        """Units that may be taken."""
        package = self.package
        return package.purchased - self.taken - package.cancelled_in_step - package.to_recover

    # --- what is refused ------------------------------------------------------------------------------

    def refuses_booking(self, start: int) -> str:
        """A new card at a free hour of ours needs a unit; at the blocked hour there is no room."""
        if self.left <= 0:
            return "PACKAGE_FULL"
        return self._refuses_room(0, start)

    def refuses_series(self, starts: list[int]) -> str:
        """All or none: an absence is known beforehand, so such an occurrence asks for no unit."""
        wanted = sum(not self.absent(0, start) for start in starts)
        if self.left <= 0 or self.left < wanted:
            return "PACKAGE_FULL"
        return "REFUSED" if any(self._refuses_room(0, start) for start in starts) else ""

    def absent(self, agent: int, start: int) -> bool:
        """Whether that agent is away on the day of this hour."""
        return (agent, start // 24) in self.absences

    def _refuses_room(self, agent: int, start: int) -> str:
        if self.absent(agent, start):
            return "ABSENT"
        return "SLOT_TAKEN" if start == BLOCKED else ""

    def refuses_pair(self, verb: str, pair: tuple[str, str], start: int) -> str:
        """A swap of two, or a repair that moves the first and cancels the second; the same one: it alone."""
        one, other = (self.cards[key] for key in pair)
        if verb == "swap" and one is other:
            return "INVALID_FIELD"
        for key in sorted(set(pair)):
            if self.cards[key].state not in LIVE:
                return "SUPERSEDED" if self.cards[key].state == "SUPERSEDED" else "WRONG_STATE"
        if verb != "swap":
            return self._refuses_room(one.agent if verb == "repair-same" else 1 - one.agent, start)
        if one.agent == other.agent:
            return "INVALID_FIELD"
        away = self.absent(other.agent, one.start) or self.absent(one.agent, other.start)
        return "ABSENT" if away else ""

    def refuses(self, verb: str, card: CardModel, start: int) -> str:
        """A change of a card: by its state first, then by what the mode presets, then by the agenda."""
        if verb in COMING:  # what is late decides nothing
            return ""
        if card.state == "SUPERSEDED":
            return "SUPERSEDED"
        if verb == "note":
            return ""
        if verb == "claim":
            return self._refuses_claim(card)
        if not self._changeable(verb, card):
            return "WRONG_STATE"
        return "PRESET" if self._presets(verb, card) else self._refuses_start(verb, card, start)

    @staticmethod
    def _changeable(verb: str, card: CardModel) -> bool:
        if verb == "correct":
            return card.state == "HELD"
        return card.state in LIVE or (verb == "cancel" and card.state == "CANCELLED")

    def _refuses_start(self, verb: str, card: CardModel, start: int) -> str:
        if verb == "reassign":
            return self._refuses_room(1 - card.agent, card.start)
        if verb == "postpone" and start <= card.start:
            return "NOT_LATER"
        return self._refuses_room(card.agent, start) if verb in {"postpone", "same", "new"} else ""

    def _presets(self, verb: str, card: CardModel) -> bool:
        """A new start alone is for visits whose mode leaves nothing to choose and makes no new card."""
        if verb == "postpone":
            return card.outcome in OUTCOMES - {"ko-date"}
        return verb in {"same", "new"} and verb not in self._offered(card)

    @staticmethod
    def _refuses_claim(card: CardModel) -> str:
        if card.state not in WITH_STOP:
            return "WRONG_STATE"
        return "ALREADY_EXISTS" if "OPEN" in card.claims else ""

    def _offered(self, card: CardModel) -> set[str]:
        """Modes 3 and 4 say which card; mode 1 is the same one; modes 2 and 5 leave it to the operator."""
        if card.outcome in ALONE:
            return {ALONE[card.outcome]}
        return {"same", "new"} if self.new_cards else {"same"}

    # --- what happens ---------------------------------------------------------------------------------

    def outcome(self, card: CardModel, verb: str, hour: int) -> None:
        """An agent says what became of the visit."""
        card.change(outcome=verb)
        if verb == "held":
            card.state, card.was = "HELD", card.state
        if verb in {"ko", "ko-mine"}:
            card.recall = Recall(verb == "ko-mine", self.now, card.version)
        if verb in DATED:
            card.asked = hour

    def correct(self, card: CardModel) -> None:
        """It was not held: a public recall, as after any KO, and the card is what it was."""
        self.outcome(card, "ko", 0)
        card.state = card.was

    def confirm(self, card: CardModel) -> None:
        """A confirmation leaves all that is open for the card."""
        if card.state != "CONFIRMED":
            card.state = "CONFIRMED"
            card.version += 1

    def reassign(self, card: CardModel) -> None:
        """So does another agent at the same hour."""
        card.agent = 1 - card.agent
        card.version += 1

    def pair(self, verb: str, pair: tuple[str, str], start: int) -> None:
        """A swap says nothing of dates; of a repair's move people have to say whether the agent's counts."""
        one, other = (self.cards[key] for key in pair)
        if verb == "swap":
            self.reassign(one)
            self.reassign(other)
            return
        if verb == "repair-same":
            one.state = "TO_CONFIRM"
        else:
            one.agent = 1 - one.agent
        one.start, one.recall, one.exception, one.doubted = start, None, "", one.asked is not None
        one.version += 1
        if other is not one:
            self.cancel(other)

    def hear(self, card: CardModel, verb: str, start: int) -> None:
        """An answer to a reminder of this start: shown, and acted on where it is the present one."""
        if card.state == "SUPERSEDED":
            return
        coming = COMING[verb]
        card.painted = COLOURS[coming], start
        if card.state in LIVE and start == card.start and coming is not None:
            self.confirm(card) if coming else self.cancel(card)

    def cancel(self, card: CardModel) -> None:
        """Its unit counts until the step ends."""
        if card.state != "CANCELLED":
            card.change(state="CANCELLED")
            counted = self.package.cancelled_in_step + 1
            self.package = replace(self.package, cancelled_in_step=counted)

    def supersede(self, card: CardModel, new: str, start: int, outcomes: tuple[str, str]) -> None:
        """A new card takes its place; `outcomes` are the old one's (empty: as it is) and the new one's."""
        card.change(state="SUPERSEDED", outcome=outcomes[0] or card.outcome)
        self.cards[new] = CardModel(start, card.agent, outcome=outcomes[1])

    def decide(self, card: CardModel, *, accepted: bool) -> str:
        """The open claim of a card is decided; the refusal, if it is one."""
        if accepted and card.state == "SUPERSEDED":
            return "SUPERSEDED"
        card.claims[-1] = "ACCEPTED" if accepted else "REJECTED"
        if accepted:
            self.cancel(card)
        return ""

    def run(self, successors: dict[str, str]) -> None:
        """Every procedure works what waits, once; `successors` are the new cards by the old ones' ids."""
        for key, card in list(self.cards.items()):
            hour, card.asked = card.asked, None
            if hour is None or card.state not in LIVE:
                continue
            if card.doubted:
                card.exception, card.doubted = "STALE_VERSION", False
            elif card.outcome == "ko-call":
                card.recall = Recall(private=True, due=hour, version=card.version)
            elif hour <= self.now:
                card.exception = "LEAD_TIME"
            elif self._refuses_room(card.agent, hour):
                card.exception = self._refuses_room(card.agent, hour)
            elif card.outcome == "ko-date":
                card.change(start=hour, outcome="refixed", state="TO_CONFIRM")
            else:
                self.supersede(card, successors[key], hour, ("refixed", ""))

    def day(self, hours: int) -> None:
        """So many hours pass, a new day among them: recalls are released and the day's units set free."""
        self.now += hours
        for card in self.cards.values():
            if card.recall is not None and card.recall.due + RELEASE <= self.now:
                card.recall.private = False
        package, left = self.package, self.left
        waiting = package.to_recover + (package.cancelled_in_step if left == 0 else 0)
        units = min(A_DAY - left, waiting)
        if units > 0:
            kept = package.cancelled_in_step if left else 0
            free = package.recovered + units
            self.package = replace(
                package, cancelled_in_step=kept, to_recover=waiting - units, recovered=free
            )

    def renew(self, units: int) -> None:
        """Another tranche begins; what was cancelled before it waits."""
        package = self.package
        self.package = PackageModel(
            purchased=package.purchased + units,
            to_recover=package.to_recover + package.cancelled_in_step,
            recovered=package.recovered,
            step=package.step + 1,
        )
