"""Random lives of appointments on a real database against a small pure model: no difference.

Booking, confirming, cancelling, postponing, reassigning, outcomes, the five modes, procedures whose answers
are lost, recalls, annulments, the steps of the package, swaps, repairs, series, reminders' answers, absences,
notes, and the waiting list. GIRO_LIVES says how many histories (`make soak`).
"""

import os
from datetime import datetime, timedelta
from typing import Any, Final

import life_acts
import life_waiting as waiting
import pytest
from booking_house import PLACE, VISIT, House, claim
from house_clock import soon
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from ledger_double import LedgerDouble, Lost
from life_model import BLOCKED, COMING, DATED, OF_PAIR, OUTCOMES, CardModel, LifeModel, PackageModel
from life_stored import stored, tidy, wanted
from life_waiting import Waiting, attempt
from sqlalchemy import text

from booking.domain.annulment import Decision
from booking.domain.contact import Contact
from booking.domain.itinerary import StopPlan
from booking.domain.outcomes import OutcomeState, Recall, Result
from booking.domain.refix_modes import Work
from booking.domain.series import SeriesState
from booking.storage import outcomes
from booking.usecases import portal
from booking.usecases.annulments import decide_annulment
from booking.usecases.create_series import CreateSeries, create_series
from booking.usecases.import_contacts import ImportContacts, import_contacts
from booking.usecases.packages import RenewPackage, recover_units, renew_package
from booking.usecases.ports import NewHold
from booking.usecases.refix.list_recalls import release_recalls
from booking.usecases.unavailability import SetUnavailability, set_unavailability, withdraw_unavailability
from kit.values.ids import new_id
from kit.values.window import Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVES: Final = int(os.environ.get("GIRO_LIVES", "0"))
DAY = 25
"""Hours that pass at once: a new day in every zone, clock changes or not."""
FAR = 40
"""Days between the visits of a series."""

OF_CARD = ("confirm", "cancel", "postpone", "reassign", "same", "new", "claim", "correct", "note")
DECIDING = ("accept", "reject")
OF_TENANT = ("book", "series", "run", "run-lost", "day", "renew", "policy", "away", "back", *waiting.VERBS)
AGAIN = ("book", "book", "run", "same", "new", "held", "correct", "free", "take")
"""What has to be met more often for the rest to mean anything."""
Step = tuple[str, int, bool, Lost]

VERBS = (*OF_CARD, *DECIDING, *OF_TENANT, *AGAIN, *OF_PAIR, *COMING, *OUTCOMES, *DATED)

a_step = st.tuples(
    st.sampled_from(sorted(VERBS)),
    st.integers(0, 5),
    st.integers(0, 7).map(lambda number: number == 7),
    st.sampled_from(list(Lost)),
)
"""A verb, which card, whether at the hour that is taken, and how geo's answer is lost."""


STATES: Final = (
    OutcomeState("refixed", "refixed", Result.OPEN),
    OutcomeState("held", "held", Result.HELD),
    OutcomeState("ko", "ko", Result.KO, "W", Recall.PUBLIC),
    OutcomeState("ko-mine", "ko-mine", Result.KO, "W", Recall.PRIVATE),
    OutcomeState("ko-date", "ko-date", Result.KO, refix=True),
    OutcomeState("ko-date-new", "ko-date-new", Result.KO, refix=True),
    OutcomeState("ko-call", "ko-call", Result.KO, "W", Recall.PRIVATE, refix=True),
)


class Life:
    """Plays steps on a fresh tenant and on the model."""

    def __init__(self, house: House) -> None:
        self.house, self.model = house, LifeModel(PackageModel(purchased=5))
        self.hour, self.claims, self.notes = 48, dict[str, str](), list[str]()
        now = soon(0)
        self.base = now.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        self.ahead = self.base - now + timedelta(minutes=50)
        self.waiting = Waiting(house, self.model, self._at)

    async def play(self, steps: list[Step]) -> None:
        self.house.enter()
        await self._set_up()
        for verb, number, taken, lost in steps:
            self.hour += 1
            hour = BLOCKED if taken else self.model.now + self.hour
            refused = await self._step((verb, lost), number, hour)
            event(f"{verb}: {refused or 'done'}")
            await self._require_same(f"{verb} at {hour}, refused: {refused or 'no'}")
        await self._require_listed()
        await self.house.settle()
        await self.house.require_stops()
        assert (await portal.verify_counters(self.house.desk, self.campaign.campaign_id)).differing == []
        await tidy(self.house)

    async def _set_up(self) -> None:
        """Its hours begin at a midnight, so that the day of an hour is the same whenever this runs."""
        house = self.house
        await house.advance(self.ahead)
        async with house.desk.db.uow(house.tenant) as tx:
            for state in STATES:
                await outcomes.put_state(tx, state)
        await house.procedure(Work.MOVE, "ko-date")
        await house.procedure(Work.NEW_CARD, "ko-date-new")
        await house.procedure(Work.RECALL, "ko-call")
        await house.parameters(CC0036="SI", CC0037="NO", annulment_deadline_days="60")
        self.campaign = await house.campaign(purchased=5, zone="UTC")
        self.contact, *others = await self._people(4)
        self.waiting.enter(self.campaign, others)
        for agent in house.agents:
            await self._block(agent)

    async def _people(self, number: int) -> list[str]:
        people = [
            Contact("", self.campaign.campaign_id, f"Ada {n}", "+390200000000", "Via Roma 1", PLACE, zone="")
            for n in range(number)
        ]
        command = ImportContacts(self.campaign.campaign_id, people, claim())
        return list(await import_contacts(self.house.desk, self.house.places, command))

    async def _block(self, agent: str) -> None:
        """Somebody is on the phone about this hour, for the whole of the life."""
        start = self._at(BLOCKED)
        plan = StopPlan(agent, Window(start, start + VISIT), PLACE, timedelta(), ())
        hold = NewHold(new_id("hld"), self.campaign.campaign_id, "", plan, timedelta(days=999))
        await self.house.ledger.hold(self.house.tenant, hold)

    async def _step(self, verb: tuple[str, Lost], number: int, hour: int) -> str:
        """Does it on both sides; the reason why it was refused."""
        name, lost = verb
        keys = sorted(self.model.cards)
        if name in waiting.VERBS:
            free = self.model.now + self.hour
            return await self.waiting.step(name, number, free)
        if name in OF_TENANT or not keys:
            return await self._of_tenant(name if name in OF_TENANT else "book", lost, number, hour)
        key = keys[number % len(keys)]
        if name in DECIDING:
            return await self._decide(key, accepted=name == "accept")
        if name in OF_PAIR:
            return await self._of_pair(name, (key, keys[(number + 1) % len(keys)]), hour)
        return await self._of_card(name, key, hour)

    # --- the whole tenant -----------------------------------------------------------------------------

    async def _of_tenant(self, verb: str, lost: Lost, number: int, hour: int) -> str:
        if verb in {"book", "series"}:
            return await (self._book(hour) if verb == "book" else self._series(hour))
        if verb in {"away", "back"}:
            return await (self._away(number) if verb == "away" else self._back())
        if verb == "day":
            await self._day()
        elif verb == "renew":
            await renew_package(self.house.desk, RenewPackage(self.campaign.campaign_id, 2, claim()))
            self.model.renew(2)
        elif verb == "policy":
            self.model.new_cards = not self.model.new_cards
            await self.house.parameters(CC0036="SI" if self.model.new_cards else "NO")
        else:
            await self._run(lost if verb == "run-lost" else None)
        return ""

    async def _book(self, hour: int) -> str:
        wanted = self.model.refuses_booking(hour)
        made, refused = await attempt(
            lambda: self.house.book(self.campaign, self.contact, self._at(hour), self.house.agents[0])
        )
        assert refused == wanted
        if made is not None:
            self.model.cards[made.appointment.appointment_id] = CardModel(hour, 0)
        return refused

    async def _series(self, hour: int) -> str:
        """Two, so far from each other that no other step meets the second."""
        starts = [hour, hour + 24 * FAR]
        wanted = self.model.refuses_series(starts)
        who = self.campaign.campaign_id, self.contact, self.house.agents[0]
        command = CreateSeries(*who, self._at(hour), VISIT, FAR, len(starts), "", claim())
        made, refused = await attempt(lambda: create_series(self.house.desk, command))
        if made is not None and made.state is SeriesState.REFUSED:
            refused = "REFUSED"
        assert refused == wanted
        if not refused:
            ids = [each.appointment_id for _, each in made.appointments]
            self.model.cards |= {key: CardModel(at, 0) for key, at in zip(ids, starts, strict=True)}
        return refused

    async def _away(self, number: int) -> str:
        """An agent notes a day among the next."""
        agent, day = number % 2, (self.model.now + self.hour) // 24 + number // 3
        first = self._at(day * 24).date().isoformat()
        command = SetUnavailability(self.house.agents[agent], "", first, "", "", "ill", claim())
        noted = await set_unavailability(self.house.desk, command)
        self.notes.append(noted.unavailability.unavailability_id)
        self.model.absences.append((agent, day))
        return ""

    async def _back(self) -> str:
        """What was noted first is taken back."""
        if not self.notes:
            return "nobody is away"
        await withdraw_unavailability(self.house.desk, self.notes.pop(0))
        self.model.absences.pop(0)
        return ""

    async def _day(self) -> None:
        await self.house.advance(timedelta(hours=DAY))
        await release_recalls(self.house.desk)
        await recover_units(self.house.desk)
        self.model.day(DAY)
        await self.waiting.day()

    async def _run(self, lost: Lost | None) -> None:
        """The procedures' worker; where geo's answers are lost, in the end all is as if they had not been."""
        if lost is not None:
            for method in ("move", "move_each", "reserve", "reserve_each", "search"):
                self.house.ledger.lose(method, lost)
        await self.house.run()
        if lost is not None:
            self.house.ledger.heal()
            await self.house.settle()
            await self.house.ledger.deliver_late()
            await self.house.settle()
            await self._past_the_pause()
            await self.house.run()
        rows = await self.house.all_stored()
        alive = {key: row for key, row in rows.items() if row.supersedes and row.state != "FAILED"}
        self.model.run({row.supersedes: key for key, row in alive.items()})

    async def _past_the_pause(self) -> None:
        """What geo gave no answer to is due again; the clock stays, so that the model's hours do."""
        async with self.house.desk.db.uow(self.house.tenant) as tx:
            query = text("UPDATE booking.refix_requests SET retry_at = NULL WHERE tenant_id = :t")
            await tx.run(query, {"t": self.house.tenant})

    # --- one card -------------------------------------------------------------------------------------

    async def _of_card(self, verb: str, key: str, hour: int) -> str:
        card = self.model.cards[key]
        if verb in COMING:  # of another start than its own, where the hour is the taken one
            hour = hour if hour == BLOCKED else card.start
        wanted = self.model.refuses(verb, card, hour)
        made, refused = await attempt(self._act(verb, key, hour))
        assert refused == wanted, f"{verb} of {card}"
        if not refused:
            self._follow(verb, key, hour, made)
        return refused

    def _act(self, verb: str, key: str, hour: int) -> life_acts.Act:
        if verb in COMING:
            return life_acts.answer(self.house, verb, key, self._at(hour), self.hour)
        return life_acts.of_card(self.house, verb, (key, self.model.cards[key]), self._at(hour))

    async def _of_pair(self, verb: str, pair: tuple[str, str], hour: int) -> str:
        one, other = (self.model.cards[key] for key in pair)
        wanted = self.model.refuses_pair(verb, pair, hour)
        agents = one.agent, other.agent
        _, refused = await attempt(life_acts.of_pair(self.house, verb, pair, agents, self._at(hour)))
        assert refused == wanted, f"{verb} of {one} and {other}"
        if not refused:
            self.model.pair(verb, pair, hour)
        return refused

    def _follow(self, verb: str, key: str, hour: int, made: Any) -> None:
        model, card = self.model, self.model.cards[key]
        if verb in OUTCOMES:
            model.outcome(card, verb, hour)
        elif verb in COMING:
            model.hear(card, verb, hour)
        elif verb == "note":
            card.notes += 1
        elif verb == "confirm":
            model.confirm(card)
        elif verb == "correct":
            model.correct(card)
        elif verb == "cancel":
            model.cancel(card)
        elif verb == "claim":
            card.claims.append("OPEN")
            self.claims[key] = made.claim_id
        elif verb == "reassign":
            model.reassign(card)
        elif verb == "new":
            model.supersede(card, made.appointment.appointment_id, hour, ("", "refixed"))
        else:
            card.change(start=hour, state="TO_CONFIRM", outcome="refixed" if verb == "same" else card.outcome)

    async def _decide(self, key: str, *, accepted: bool) -> str:
        card = self.model.cards[key]
        if "OPEN" not in card.claims:
            return "nothing is claimed"
        wanted = self.model.decide(card, accepted=accepted)
        decision = Decision(accepted, "usr_manager", "")
        _, refused = await attempt(lambda: decide_annulment(self.house.desk, self.claims[key], decision))
        assert refused == wanted, f"deciding the claim of {card}"
        return refused

    # --- what is held against what --------------------------------------------------------------------

    async def _require_same(self, step: str) -> None:
        seconds = {card.start: int(self._at(card.start).timestamp()) for card in self.model.cards.values()}
        should = wanted(self.model, self.waiting.wanted(), seconds, self.house.agents)
        assert await stored(self.house, self.campaign.campaign_id) == should, step

    async def _require_listed(self) -> None:
        """What the use cases list at the end of a life is what is stored."""
        cards = self.model.cards.items()
        recalls = {each.appointment_id: (each.private, each.version) for each in await self.house.recalls()}
        assert recalls == {k: (c.recall.private, c.recall.version) for k, c in cards if c.recall}
        exceptions = {each.appointment_id: each.reason for each in await self.house.exceptions()}
        assert exceptions == {key: card.exception for key, card in cards if card.exception}
        assert (await self.house.package(self.campaign)).taken == self.model.taken

    def _at(self, hour: int) -> datetime:
        return self.base + timedelta(hours=hour)


@settings(
    max_examples=LIVES or 15,
    derandomize=not LIVES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate] if not LIVES else [Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(a_step, min_size=6, max_size=24))
async def test_any_life_is_what_the_model_says(house: House, steps: list[Step]) -> None:
    ledger = LedgerDouble(agents={new_id("agt"), new_id("agt")}, zone_of_agents="UTC")
    await Life(House(house.with_ledger(ledger), ledger, sorted(ledger.agents))).play(steps)
