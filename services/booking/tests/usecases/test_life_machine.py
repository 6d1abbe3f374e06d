"""Random lives of appointments on a real database against a small pure model: no difference.

Booking, confirming, cancelling, postponing, reassigning, outcomes, the five modes, procedures whose answers
are lost, recalls, annulments, and the steps of the package. GIRO_LIVES says how many histories (`make soak`).
"""

import os
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from booking_house import House, claim, soon
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from ledger_double import LedgerDouble, Lost
from life_model import BLOCKED, DATED, OUTCOMES, CardModel, LifeModel, PackageModel
from sqlalchemy import text

from booking.domain.annulment import AnnulmentReason, ClaimChannel, Decision
from booking.domain.appointment import Card
from booking.domain.outcomes import OutcomeState, Recall, Result, Written
from booking.domain.refix_modes import Work
from booking.storage import outcomes
from booking.usecases import portal
from booking.usecases.annulments import ClaimAnnulment, claim_annulment, decide_annulment
from booking.usecases.cancel_appointment import CancelAppointment, cancel_appointment
from booking.usecases.confirm_appointment import ConfirmAppointment, confirm_appointment
from booking.usecases.packages import RenewPackage, recover_units, renew_package
from booking.usecases.refix.list_recalls import release_recalls
from booking.usecases.set_outcome import SetOutcome, set_outcome
from kit.errors import GiroError
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVES: Final = int(os.environ.get("GIRO_LIVES", "0"))
DAY = 25
"""Hours that pass at once: a new day in every zone, clock changes or not."""

OF_CARD = ("confirm", "cancel", "postpone", "reassign", "same", "new", "claim", "accept", "reject", "correct")
OF_TENANT = ("book", "run", "run-lost", "day", "renew", "policy")
Step = tuple[str, int, bool, Lost]

a_step = st.tuples(
    st.sampled_from(
        [
            "book",
            "book",
            *OF_CARD,
            *OF_TENANT,
            "run",
            "same",
            "new",
            "held",
            "correct",
            *sorted(OUTCOMES),
            *sorted(DATED),
        ]
    ),
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

_STORED: Final = text(
    """
    SELECT
        coalesce((SELECT json_object_agg(appointment_id, json_build_array(
                      state, version, coalesce(outcome_state_id, ''),
                      CAST(extract(epoch FROM starts_at) AS bigint), agent_id))
                  FROM booking.appointments WHERE tenant_id = :t AND state <> 'FAILED'
                    AND NOT appointment_id = ANY (CAST(:b AS text[]))), '{}') AS cards,
        (SELECT json_build_array(purchased, taken, to_confirm, cancelled_in_step, to_recover, recovered, step)
         FROM booking.campaigns WHERE tenant_id = :t AND campaign_id = :c) AS counters,
        coalesce((SELECT json_object_agg(appointment_id, json_build_array(private, version))
                  FROM booking.recalls WHERE tenant_id = :t AND open), '{}') AS recalls,
        coalesce((SELECT json_object_agg(appointment_id, reason)
                  FROM booking.refix_exceptions WHERE tenant_id = :t AND open), '{}') AS exceptions,
        coalesce((SELECT json_object_agg(appointment_id, states) FROM (
                      SELECT appointment_id, array_agg(state ORDER BY claim_id) AS states
                      FROM booking.annulment_claims WHERE tenant_id = :t GROUP BY 1) AS c), '{}') AS claims
    """
)


class Life:
    """Plays steps on a fresh tenant and on the model."""

    def __init__(self, house: House) -> None:
        self.house, self.model = house, LifeModel(PackageModel(purchased=5))
        self.base, self.hour, self.claims = soon(0), 48, dict[str, str]()

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
        await self._tidy()

    async def _set_up(self) -> None:
        house = self.house
        async with house.desk.db.uow(house.tenant) as tx:
            for state in STATES:
                await outcomes.put_state(tx, state)
        await house.procedure(Work.MOVE, "ko-date")
        await house.procedure(Work.NEW_CARD, "ko-date-new")
        await house.procedure(Work.RECALL, "ko-call")
        await house.parameters(CC0036="SI", CC0037="NO", annulment_deadline_days="60")
        elsewhere = await house.campaign(purchased=2)
        person = await house.contact(elsewhere)
        blocking = [await house.book(elsewhere, person, self._at(BLOCKED), agent) for agent in house.agents]
        self.blocking = {card.appointment.appointment_id for card in blocking}
        self.campaign = await house.campaign(purchased=5)
        self.contact = await house.contact(self.campaign)

    async def _step(self, verb: tuple[str, Lost], number: int, hour: int) -> str:
        """Does it on both sides; the reason why it was refused."""
        name, lost = verb
        keys = sorted(self.model.cards)
        if name in OF_TENANT or not keys:
            return await self._of_tenant(name if name in OF_TENANT else "book", lost, hour)
        key = keys[number % len(keys)]
        if name in {"accept", "reject"}:
            return await self._decide(key, accepted=name == "accept")
        return await self._of_card(name, key, hour)

    # --- the whole tenant -----------------------------------------------------------------------------

    async def _of_tenant(self, verb: str, lost: Lost, hour: int) -> str:
        if verb == "book":
            return await self._book(hour)
        if verb == "day":
            await self.house.advance(timedelta(hours=DAY))
            await release_recalls(self.house.desk)
            await recover_units(self.house.desk)
            self.model.day(DAY)
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
        made, refused = await self._try(
            lambda: self.house.book(self.campaign, self.contact, self._at(hour), self.house.agents[0])
        )
        assert refused == wanted
        if made is not None:
            self.model.cards[made.appointment.appointment_id] = CardModel(hour, 0)
        return refused

    async def _run(self, lost: Lost | None) -> None:
        """The procedures' worker; where geo's answers are lost, in the end all is as if they had not been."""
        if lost is not None:
            for method in ("move", "reserve", "search"):
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
        wanted = self.model.refuses(verb, card, hour)
        made, refused = await self._try(self._acts(verb, key, hour))
        assert refused == wanted, f"{verb} of {card}"
        if not refused:
            self._follow(verb, key, hour, made)
        return refused

    def _acts(self, verb: str, key: str, hour: int) -> Callable[[], Awaitable[Any]]:
        house, start, card = self.house, self._at(hour), self.model.cards[key]

        async def stored() -> Any:
            return await house.stored(key)

        async def postpone() -> Any:
            return await house.postpone(Card(await stored()), start)

        async def reassign() -> Any:
            return await house.reassign(Card(await stored()), house.agents[1 - card.agent])

        async def refix() -> Any:
            choices = {"new_card": verb == "new", "state_id": "refixed"}
            return await house.refix(await stored(), start, choices=choices)

        async def annul() -> Any:
            asked = (AnnulmentReason.NOT_HELD, "", ClaimChannel.PORTAL, None, claim())
            return await claim_annulment(house.desk, ClaimAnnulment(key, *asked))

        async def outcome() -> Any:
            return await house.set_outcome(await stored(), verb, refix_at=start if verb in DATED else None)

        async def correct() -> Any:
            written = Written((), "not at all", None)
            return await set_outcome(house.desk, SetOutcome(key, "ko", written, 0, claim(), correction=True))

        acts: dict[str, Callable[[], Awaitable[Any]]] = {
            "correct": correct,
            "confirm": lambda: confirm_appointment(house.desk, ConfirmAppointment(key, 0)),
            "cancel": lambda: cancel_appointment(house.desk, CancelAppointment(key, 0, "")),
            "postpone": postpone,
            "reassign": reassign,
            "same": refix,
            "new": refix,
            "claim": annul,
        }
        return acts.get(verb, outcome)

    def _follow(self, verb: str, key: str, hour: int, made: Any) -> None:
        model, card = self.model, self.model.cards[key]
        if verb in OUTCOMES:
            model.outcome(card, verb, hour)
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
        _, refused = await self._try(lambda: decide_annulment(self.house.desk, self.claims[key], decision))
        assert refused == wanted, f"deciding the claim of {card}"
        return refused

    # --- what is held against what --------------------------------------------------------------------

    async def _require_same(self, step: str) -> None:
        """All of the tenant, read in one statement: cards, counters, open recalls and exceptions, claims."""
        async with self.house.desk.db.uow(self.house.tenant) as tx:
            params = {"t": self.house.tenant, "c": self.campaign.campaign_id, "b": sorted(self.blocking)}
            found = (await tx.run(_STORED, params)).one()._asdict()
        assert found == self._wanted(), step

    def _wanted(self) -> dict[str, Any]:
        """The same by the model."""
        model, package, cards = self.model, self.model.package, self.model.cards.items()
        return {
            "cards": {
                key: [card.state, card.version, card.outcome, self._seconds(card.start), self._agent(card)]
                for key, card in cards
            },
            "counters": [
                package.purchased,
                model.taken,
                model.to_confirm,
                package.cancelled_in_step,
                package.to_recover,
                package.recovered,
                package.step,
            ],
            "recalls": {
                key: [card.recall.private, card.recall.version] for key, card in cards if card.recall
            },
            "exceptions": {key: card.exception for key, card in cards if card.exception},
            "claims": {key: card.claims for key, card in cards if card.claims},
        }

    def _seconds(self, hour: int) -> int:
        return int(self._at(hour).timestamp())

    def _agent(self, card: CardModel) -> str:
        return self.house.agents[card.agent]

    async def _require_listed(self) -> None:
        """What the use cases list at the end of a life is what is stored."""
        cards = self.model.cards.items()
        recalls = {each.appointment_id: (each.private, each.version) for each in await self.house.recalls()}
        assert recalls == {k: (c.recall.private, c.recall.version) for k, c in cards if c.recall}
        exceptions = {each.appointment_id: each.reason for each in await self.house.exceptions()}
        assert exceptions == {key: card.exception for key, card in cards if card.exception}
        assert (await self.house.package(self.campaign)).taken == self.model.taken

    async def _tidy(self) -> None:
        """Leaves nothing to the workers, who look at all tenants, for the histories to come."""
        async with self.house.desk.db.uow(self.house.tenant) as tx:
            tenant = {"t": self.house.tenant}
            await tx.run(text("UPDATE booking.recalls SET open = false WHERE tenant_id = :t"), tenant)
            query = "UPDATE booking.campaigns SET cancelled_in_step = 0, to_recover = 0 WHERE tenant_id = :t"
            await tx.run(text(query), tenant)

    def _at(self, hour: int) -> datetime:
        return self.base + timedelta(hours=hour)

    @staticmethod
    async def _try(act: Callable[[], Awaitable[Any]]) -> tuple[Any, str]:
        try:
            return await act(), ""
        except GiroError as refusal:
            return None, refusal.reason.value


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
    ledger = LedgerDouble(agents={new_id("agt"), new_id("agt")})
    await Life(House(house.with_ledger(ledger), ledger, sorted(ledger.agents))).play(steps)
