"""New cards that a procedure makes at agents' dates (R-066), many at once, each for itself.

As with moves (ADR 0033): the requests of a chunk are bound to their new cards, PENDING, in one transaction;
geo makes each agent's stops in one; then those that it has made are decided with their old cards, and the
refused ones given up, in one again. What a crash leaves in between the reconciler gives up, card by card, and
the request waits again. A refused one is told with alternatives by itself; until then it waits.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from booking.domain.appointment import Appointment, State
from booking.domain.itinerary import Reservation
from booking.domain.refix_writes import Refix
from booking.domain.refusal import Refusal
from booking.storage import appointments, refix_requests, successors, waitlist
from booking.storage.bookings import Booking
from booking.storage.refix_requests import RefixRequest
from booking.usecases import aftermath, record
from booking.usecases.aftermath import Replaced
from booking.usecases.fail_booking import fail_booking
from booking.usecases.ports import NewStop
from booking.usecases.record import Begun
from booking.usecases.refix.chunks import Answer, Basis, answered, basis_of, in_chunks, note_why
from booking.usecases.refix.new_card import Successor, card_of, visited_anew
from booking.usecases.refix.procedure import Refused, Run, overtaken, planned, tell, why, writes
from booking.usecases.refix.taking import Asked, Taken, take
from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import GiroError, RuleViolated
from kit.failpoints import failpoint
from kit.values.ids import new_id


@dataclass(frozen=True, slots=True)
class _Making:
    """A request with its appointment as it was, and the new card that it is bound to."""

    old: Appointment
    request: RefixRequest
    booking: Booking
    refix: Refix

    @property
    def new_id(self) -> str:
        """The new card's."""
        return self.booking.appointment.appointment_id


async def make_cards(run: Run, requests: Sequence[RefixRequest]) -> Mapping[str, int]:
    """How many requests had which outcome: a new card at the agent's date; the procedure's state goes on the
    old one (R-067). One with a defect does not keep the others waiting.

    Raises Unavailable when the database does not answer.
    """

    async def chunk(some: Sequence[RefixRequest]) -> Mapping[str, int]:
        return await _chunk(run, some)

    return await in_chunks(run, requests, chunk)


async def _chunk(run: Run, requests: Sequence[RefixRequest]) -> Mapping[str, int]:
    taken, making, untimely = await _begin(run, requests)
    await failpoint("booking.procedure.after_pending")
    outcomes = await _reserved(run, making)
    await failpoint("booking.new_card.after_reserve")
    made = [(item, stop) for item, stop in outcomes if not isinstance(stop, GiroError)]
    refused = [(item, refusal) for item, refusal in outcomes if isinstance(refusal, GiroError)]
    given_up = await _decide(run, made, refused)
    await failpoint("booking.new_card.after_commit")
    told = await tell(run, [*overtaken(taken), *untimely, *given_up])
    found = {"superseded": len(made), "skipped": taken.gone, "waits": taken.waits}
    return Counter(told) + Counter({**found, "error": len(making) - len(outcomes)})


async def _begin(
    run: Run, requests: Sequence[RefixRequest]
) -> tuple[Taken, Sequence[_Making], Sequence[Refused]]:
    making, refused = [], []
    async with run.desk.db.uow(run.tenant) as tx:
        taken = await take(tx, requests)
        basis = await basis_of(run, tx, [appointment for appointment, _ in taken.work])
        for asked in taken.work:
            try:
                making.append(_making(run, asked, basis))
            except RuleViolated as refusal:
                refused.append(Refused(*asked, refusal))
        if making:
            await _bind(run, tx, making, basis)
        await failpoint("booking.procedure.before_commit")
    return taken, making, refused


def _making(run: Run, asked: Asked, basis: Basis) -> _Making:
    """Raises what keeps the date from being asked for at all."""
    old, request = asked
    policy, grounds = basis.policies[old.campaign_id], basis.grounds_of(old)
    refix = writes(run, policy, asked, on_new=True)
    wanted = Successor(
        planned(grounds, visited_anew(old, grounds), request).plan,
        refix,
        linked=True,  # CC0036C counts no more than the others do
        now=grounds.now,
        decision=why(run, policy, old.outcome_state_id, grounds),
    )
    # this try's own, so that no worker waits for another's
    return _Making(old, request, card_of(old, wanted, f"refix:{request.refix_id}:{new_id('try')}"), refix)


async def _bind(run: Run, tx: Tx, making: Sequence[_Making], basis: Basis) -> None:
    """The requests are worked by these new cards, which are pending from now on."""
    await tx.claim_all([Claim(item.booking.claim_key, b"") for item in making])
    await failpoint("booking.new_card.before_pending")
    if not await successors.begin_all(tx, [(item.booking, item.refix) for item in making]):
        raise RuntimeError("a locked appointment is changing")
    await note_why(run, tx, basis, [(item.old, item.new_id) for item in making])
    await refix_requests.start_all(tx, {item.request.refix_id: item.new_id for item in making})


async def _reserved(run: Run, making: Sequence[_Making]) -> Sequence[tuple[_Making, Answer]]:
    """What became of each of those of which that is known."""

    async def ask(items: Sequence[_Making]) -> Sequence[Answer]:
        stops = [NewStop(item.new_id, item.booking.plan) for item in items]
        return await run.desk.ledger.reserve_each(run.tenant, stops)

    return await answered(making, lambda item: item.booking.plan.agent_id, ask)


async def _decide(
    run: Run, made: Sequence[tuple[_Making, Reservation]], refused: Sequence[tuple[_Making, GiroError]]
) -> Sequence[Refused]:
    """Decides both cards of what geo has made, and gives up what it refused; the latter, of what nobody else
    decided."""
    if not made and not refused:
        return ()
    given_up = []
    async with run.desk.db.uow(run.tenant) as tx:
        olds = await appointments.lock_all(tx, [item.old.appointment_id for item, _ in (*made, *refused)])
        await failpoint("booking.new_card.before_decide")
        for item, refusal in refused:  # before what counts, since campaigns are locked last (ADR 0030)
            if await fail_booking(tx, item.new_id, Refusal.of(refusal)):
                request = replace(item.request, attempt=item.request.attempt + 1)
                given_up.append(Refused(item.old, request, refusal))
        if made:
            await _supersede(tx, made, olds)
        await failpoint("booking.new_card.before_commit")
    return given_up


async def _supersede(
    tx: Tx, made: Sequence[tuple[_Making, Reservation]], olds: Mapping[str, Appointment]
) -> None:
    """The new cards are decided, and their old ones, which are locked, superseded."""
    found = await successors.decide_all(tx, [item.new_id for item, _ in made], await tx.now())
    news = {new.appointment_id: new for new in found}
    done = [(item, stop) for item, stop in made if item.new_id in news]
    if not done:
        return
    # of those alone whom nobody has given up meanwhile: they have no visit, and go on waiting
    await waitlist.serve_all(tx, {(item.old.campaign_id, item.old.contact_id) for item, _ in done})
    superseded = await successors.lock_all_old(
        tx, [(news[item.new_id], item.refix.old_state_id) for item, _ in done]
    )
    replaced = [
        Replaced(superseded[item.old.appointment_id], news[item.new_id], item.refix) for item, _ in done
    ]
    confirmed = [each for each in superseded if olds[each].state is State.CONFIRMED]
    await appointments.more_to_confirm(tx, Counter(superseded[each].campaign_id for each in confirmed))
    stops = {item.new_id: stop for item, stop in done}
    told = await aftermath.superseded(tx, replaced)
    kept = [(change, _begun(change.after, stops)) for change in told]
    await record.keep_all(tx, kept)


def _begun(card: Appointment, stops: Mapping[str, Reservation]) -> Begun:
    """How the change of one of the two cards began: with the new one, which alone has the stop."""
    return Begun(card.superseded_by or card.appointment_id, stops.get(card.appointment_id))
