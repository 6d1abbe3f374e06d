"""Signing in: indistinguishable failures, lockout, tokens that the kit believes (R-171, R-173, R-177)."""

import asyncio
from datetime import datetime, timedelta

import pytest
from identity_house import PASSWORD, House, fresh_email

from identity.clients.passwords import Argon2Passwords
from identity.domain.email import Email
from identity.domain.roles import Role, RoleGrant
from identity.storage import logins
from identity.usecases.ports import Passwords
from kit.db.claims import Claim
from kit.errors import Exhausted, GiroError, Reason, Unauthenticated
from kit.rpc.tokens import Authenticator

CAMPAIGN = "cmp_" + "c" * 32


@pytest.mark.asyncio
async def test_any_letter_case_signs_in(house: House) -> None:
    tenant, email = await house.tenant()
    session = await house.use.create_session.run(Email.parse(email.address.upper()), PASSWORD)
    assert session.user.tenant_id == tenant.tenant_id
    assert session.expires_at == _now(house) + house.settings.token_lifetime


@pytest.mark.asyncio
async def test_a_wrong_password_and_an_unknown_address_are_told_apart_by_nothing(house: House) -> None:
    _, known = await house.tenant()
    unknown = Email.parse(fresh_email("nobody"))
    house.passwords.verified.clear()
    wrong, nobody = await _refusal(house, known, "wrong"), await _refusal(house, unknown, "wrong")
    assert isinstance(wrong, Unauthenticated)
    assert wrong.reason is Reason.BAD_CREDENTIALS
    assert _seen(wrong) == _seen(nobody)
    # the same work: one verification each, against a real hash and against nobody's
    real, none = house.passwords.verified
    assert real is not None
    assert none is None


@pytest.mark.asyncio
async def test_nobodys_hash_costs_what_a_real_one_costs(house: House) -> None:
    parameters = house.passwords._nobody.split("$")[1:4]
    assert (await house.passwords.hash(PASSWORD)).split("$")[1:4] == parameters
    assert parameters == ["argon2id", "v=19", "m=19456,t=2,p=1"]


@pytest.mark.asyncio
@pytest.mark.parametrize("known", [True, False])
async def test_ten_failures_lock_an_address_known_or_not(house: House, known: bool) -> None:
    email = (await house.tenant())[1] if known else Email.parse(fresh_email("nobody"))
    for _ in range(10):
        assert isinstance(await _refusal(house, email, "wrong"), Unauthenticated)
        house.clock.move(seconds=1)
    house.passwords.verified.clear()
    locked = await _refusal(house, email, PASSWORD)
    assert isinstance(locked, Exhausted)
    assert (locked.reason, locked.metadata) == (Reason.RATE_LIMITED, {"retry_after_seconds": "890"})
    assert house.passwords.verified == []
    house.clock.move(seconds=890)
    if known:
        assert (await house.use.create_session.run(email, PASSWORD)).access_token
    else:
        assert isinstance(await _refusal(house, email, PASSWORD), Unauthenticated)


@pytest.mark.asyncio
async def test_a_sign_in_forgets_earlier_failures(house: House) -> None:
    _, email = await house.tenant()
    for _ in range(2):
        for _ in range(9):
            await _refusal(house, email, "wrong")
        await house.use.create_session.run(email, PASSWORD)


@pytest.mark.asyncio
async def test_a_burst_of_guesses_gains_at_most_one_per_place(house: House) -> None:
    email = Email.parse(fresh_email("nobody"))
    house.passwords.verified.clear()
    refusals = await asyncio.gather(*(_refusal(house, email, f"guess {n}") for n in range(40)))
    assert any(isinstance(refusal, Exhausted) for refusal in refusals)
    assert 10 <= len(house.passwords.verified) <= 10 + house.settings.password_workers - 1


@pytest.mark.asyncio
async def test_too_many_at_once_are_turned_away() -> None:
    passwords: Passwords = Argon2Passwords(b"", workers=1, max_waiting=0)
    async with passwords.turn():
        with pytest.raises(Exhausted):
            async with passwords.turn():
                pass
    async with passwords.turn():
        pass


@pytest.mark.asyncio
async def test_old_failures_are_cleared_by_the_worker(house: House) -> None:
    old, young = Email.parse(fresh_email("old")), Email.parse(fresh_email("young"))
    await _refusal(house, old, "wrong")
    house.clock.move(minutes=15)
    await _refusal(house, young, "wrong")
    async with house.db.worker() as tx:
        await logins.forget_old_failures(
            tx, house.use.create_session.throttle.window_start(house.clock.now())
        )
    async with house.db.uow(logins.NO_TENANT) as tx:
        await logins.name(tx, old.digest)
        assert await logins.failures(tx, old.digest) is None
        await logins.name(tx, young.digest)
        assert await logins.failures(tx, young.digest) is not None


@pytest.mark.asyncio
async def test_the_kit_believes_the_token_and_reads_the_grants(house: House) -> None:
    tenant, _ = await house.tenant()
    address = fresh_email("anna")
    user = await house.user(
        tenant, RoleGrant(Role.OPERATOR, CAMPAIGN), RoleGrant(Role.AGENT_SUPERVISOR), email=address
    )
    house.clock.set_right()
    token = (await house.use.create_session.run(Email.parse(address), PASSWORD)).access_token
    caller = Authenticator(house.settings.jwks_file, house.settings.service_key).verify(token)
    assert (caller.subject, caller.tenant, caller.service) == (user.user_id, tenant.tenant_id, None)
    assert {(grant.role, grant.scope_kind, grant.scope_id) for grant in caller.grants} == {
        ("OPERATOR", "campaign", CAMPAIGN),
        ("AGENT_SUPERVISOR", "tenant", ""),
    }


@pytest.mark.asyncio
async def test_tokens_follow_real_time_whatever_the_test_clock_says(house: House) -> None:
    tenant, email = await house.tenant()
    mover = (RoleGrant(Role.ADMINISTRATOR),)
    await house.use.advance_test_clock.run(tenant.tenant_id, timedelta(days=30), Claim("a-claim", b""), mover)
    session = await house.use.create_session.run(email, PASSWORD)
    assert session.expires_at == _now(house) + house.settings.token_lifetime


async def _refusal(house: House, email: Email, password: str) -> GiroError:
    with pytest.raises(GiroError) as refused:
        await house.use.create_session.run(email, password)
    return refused.value


def _now(house: House) -> datetime:
    return house.clock.time.replace(microsecond=0)


def _seen(error: GiroError) -> tuple[object, ...]:
    return type(error), error.reason, error.message, error.metadata, error.violations
