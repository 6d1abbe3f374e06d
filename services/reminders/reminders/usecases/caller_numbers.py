"""The numbers that contacts see: asked for, shown to be the organisation's own, used (R-108, R-109)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kit.db.claims import Claim
from kit.db.uow import Tx
from kit.errors import Reason, Unavailable
from kit.rpc.context import caller
from kit.values.ids import new_id
from reminders.domain import errors
from reminders.domain.numbers import (
    CODES_IN_ALL,
    DAY,
    CallerNumber,
    NumberState,
    accepts,
    new_code,
    with_code,
)
from reminders.domain.reminder import Channel
from reminders.storage import numbers
from reminders.usecases.desk import Desk
from reminders.usecases.ports import Declined, Doubtful, Message
from reminders.usecases.reach import require_branch


@dataclass(frozen=True, slots=True)
class AddNumber:
    """A number to ask for; with an empty `branch_id` for the whole organisation."""

    phone: str
    branch_id: str
    claim: Claim


async def add_number(desk: Desk, command: AddNumber) -> CallerNumber:
    """A PENDING number, to which a code is sent.

    Raises AlreadyExists naming `phone`, Exhausted (RATE_LIMITED), Unavailable.
    """
    require_branch(command.branch_id)
    async with desk.db.uow(caller().tenant, command.claim) as tx:
        if tx.duplicate:
            return await numbers.lock(tx, tx.claim_ref or "")
        await _require_codes_left(tx)
        number = CallerNumber(new_id("num"), command.branch_id, command.phone, NumberState.PENDING)
        await numbers.insert(tx, number)
        tx.refer(number.number_id)
    return await send_code(desk, number.number_id)


async def send_code(desk: Desk, number_id: str) -> CallerNumber:
    """Sends a fresh code to the number itself; the one before it is good no more.

    Raises WRONG_STATE for a number that is verified already, Exhausted (RATE_LIMITED) when the last one was
    sent a moment ago or the day's are used up, Unavailable when the code can't be sent.
    """
    code = new_code()
    async with desk.db.uow(caller().tenant) as tx:
        number = await numbers.lock(tx, number_id)
        require_branch(number.branch_id)
        if number.state is not NumberState.PENDING:
            raise errors.wrong_state("number", number.state)
        await _require_codes_left(tx)
        fresh = with_code(number, code, await tx.now())
        await numbers.save(tx, fresh)
    await _send(desk, fresh, code)
    return fresh


async def _require_codes_left(tx: Tx) -> None:
    now = await tx.now()
    sent, first = await numbers.codes_since(tx, now - DAY)
    if sent >= CODES_IN_ALL and first is not None:
        raise errors.too_often(f"{CODES_IN_ALL} codes were sent within a day", first + DAY - now)


async def _send(desk: Desk, number: CallerNumber, code: str) -> None:
    message = Message(new_id("msg"), caller().tenant, number.phone, "en", "", f"Giro: {code}")
    try:
        await desk.messages[Channel.SMS].send(message)
    except (Declined, Doubtful) as failed:
        said = f"the code could not be sent: {failed}"
        raise Unavailable(Reason.SERVICE_UNAVAILABLE, said, metadata={"service": "sms"}) from failed


async def verify_number(desk: Desk, number_id: str, code: str) -> CallerNumber:
    """PENDING -> VERIFIED with the right code, within 15 minutes and five tries.

    Raises InvalidInput naming `code`.
    """
    async with desk.db.uow(caller().tenant) as tx:
        number = await numbers.lock(tx, number_id)
        require_branch(number.branch_id)
        if number.state is not NumberState.PENDING:
            return number
        right = accepts(number, code, await tx.now())
        tried = replace(number, tries=number.tries + 1)
        verified = replace(number, state=NumberState.VERIFIED, tries=0, code_hash="", code_until=None)
        await numbers.save(tx, verified if right else tried)
    if not right:
        raise errors.invalid("code", "is not the code that was sent last, or it is used up")
    return verified


async def activate_number(desk: Desk, number_id: str) -> CallerNumber:
    """VERIFIED -> ACTIVE; the branch's active number before it is VERIFIED again. Raises WRONG_STATE."""
    async with desk.db.uow(caller().tenant) as tx:
        number = await numbers.lock(tx, number_id)
        require_branch(number.branch_id)
        if number.state is NumberState.PENDING:
            raise errors.not_verified()
        if number.state is NumberState.VERIFIED:
            await numbers.retire_active(tx, number.branch_id)
            number = replace(number, state=NumberState.ACTIVE)
            await numbers.save(tx, number)
    return number


async def list_numbers(desk: Desk) -> Sequence[CallerNumber]:
    """All numbers of the tenant."""
    async with desk.db.uow(caller().tenant) as tx:
        return await numbers.all_of_tenant(tx)
