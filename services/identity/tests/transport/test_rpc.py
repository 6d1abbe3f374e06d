"""Identity over gRPC: who may call what, what bad input is told, and a sign-in from end to end."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from identity_house import PASSWORD, House, fresh_email, fresh_request_id

from giro.common.v1 import access_pb2
from giro.identity.v1 import identity_pb2 as contract
from giro.identity.v1 import identity_pb2_grpc
from identity.clients.signing import make_keys
from identity.domain.email import Email
from identity.domain.roles import Role, RoleGrant
from identity.domain.tenants import PLATFORM_TENANT_ID, Tenant
from identity.domain.users import User
from identity.transport.rpc import IdentityServicer
from kit.errors import AlreadyExists, GiroError, InvalidInput, NotAllowed, NotFound, Reason, Unauthenticated
from kit.rpc.contract import rpcs_of
from kit.rpc.key_set import KeySet
from kit.rpc.server import Server
from kit.rpc.status import error_of
from kit.rpc.tokens import Authenticator, ServiceTokens

SERVICE = "giro.identity.v1.IdentityService"
EVERYBODY = frozenset(Role)
ROLES_THAT_MAY: dict[str, frozenset[Role]] = {
    "GetMe": EVERYBODY,
    "CreateTenant": frozenset({Role.PLATFORM}),
    "GetTenant": EVERYBODY - {Role.AGENT, Role.CUSTOMER, Role.BRANCH_MANAGER, Role.PHOTOGRAPHER, Role.CLIENT},
    "CreateUser": frozenset({Role.ADMINISTRATOR}),
    "GetUser": frozenset({Role.ADMINISTRATOR, Role.PROJECT_MANAGER}),
    "ListUsers": frozenset({Role.ADMINISTRATOR, Role.PROJECT_MANAGER}),
    "SetUserGrants": frozenset({Role.ADMINISTRATOR}),
    "AdvanceTestClock": frozenset({Role.ADMINISTRATOR, Role.PARTNER}),
    "GetTestClock": frozenset(
        {Role.ADMINISTRATOR, Role.PROJECT_MANAGER, Role.OPERATOR, Role.PARTNER, Role.SRE}
    ),
}
PUBLIC = {"CreateSession", "GetKeys"}


@dataclass
class Line:
    """A connection to identity: `await line.call("GetMe", request, token)`."""

    stub: Any
    house: House

    async def call(self, method: str, request: Any, token: str | None = None) -> Any:
        """The answer. Raises the GiroError that the status stands for."""
        metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()
        try:
            return await getattr(self.stub, method)(request, metadata=metadata, timeout=60)
        except grpc.aio.AioRpcError as failed:
            error = error_of(failed)
            if error is None:
                raise
            raise error from None

    def token(self, tenant_id: str, *grants: RoleGrant, user_id: str = "usr_" + "0" * 32) -> str:
        """A token that says what it is told to."""
        user = User(user_id, tenant_id, Email("a@b"), "A", grants)
        now = datetime.now(UTC)
        return self.house.signing.token(user, now, now + timedelta(minutes=5))

    def administrator(self, tenant: Tenant) -> str:
        """An administrator's token."""
        return self.token(tenant.tenant_id, RoleGrant(Role.ADMINISTRATOR))


@pytest_asyncio.fixture(scope="session")
async def line(house: House) -> AsyncIterator[Line]:
    """A running server of the identity service, and a channel to it."""
    servicer = IdentityServicer(house.use, KeySet(house.settings.jwks_file))
    add = identity_pb2_grpc.add_IdentityServiceServicer_to_server
    auth = Authenticator(house.settings.jwks_file, house.settings.service_key)
    server = Server(house.settings, [(add, servicer)], auth)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield Line(identity_pb2_grpc.IdentityServiceStub(channel), house)
    await server.stop(0)


def test_the_table_here_is_the_contracts() -> None:
    contracts = {name: rpc.roles for name, rpc in rpcs_of(SERVICE).items() if not rpc.public}
    assert contracts == {name: frozenset(map(str, roles)) for name, roles in ROLES_THAT_MAY.items()}
    assert {name for name, rpc in rpcs_of(SERVICE).items() if rpc.public} == PUBLIC


@pytest.mark.asyncio
@pytest.mark.parametrize("method", sorted(ROLES_THAT_MAY))
async def test_each_rpc_takes_its_roles_and_no_others(line: Line, method: str) -> None:
    request = getattr(contract, f"{method}Request")()
    for role in Role:
        token = line.token("ten_" + "1" * 32, RoleGrant(role))
        refusal = await _refusal(line, method, request, token)
        refused = isinstance(refusal, NotAllowed) and refusal.reason is Reason.ROLE_REQUIRED
        assert refused is (role not in ROLES_THAT_MAY[method]), role
    for token in (None, "", "no.token.at-all", line.token("ten_1") + "x"):
        assert isinstance(await _refusal(line, method, request, token), Unauthenticated)
    assert isinstance(await _refusal(line, method, request, line.token("ten_1")), NotAllowed)
    service = ServiceTokens("booking", line.house.settings.service_key).mint("ten_1")
    assert isinstance(await _refusal(line, method, request, service), NotAllowed)


@pytest.mark.asyncio
async def test_a_sign_in_from_end_to_end(line: Line) -> None:
    tenant, email = await line.house.tenant()
    line.house.clock.set_right()
    session = await line.call(
        "CreateSession", contract.CreateSessionRequest(email=email.address.upper(), password=PASSWORD)
    )
    assert session.expires_at.seconds - datetime.now(UTC).timestamp() == pytest.approx(900, abs=60)
    me = await line.call("GetMe", contract.GetMeRequest(), session.access_token)
    assert me == session.user
    assert (me.email, me.tenant_id) == (email.address, tenant.tenant_id)
    assert me.grants == [contract.RoleGrant(role=access_pb2.ROLE_ADMINISTRATOR)]
    found = await line.call("GetTenant", contract.GetTenantRequest(), session.access_token)
    assert (found.tenant_id, found.time_zone) == (tenant.tenant_id, "Europe/Riga")


@pytest.mark.asyncio
async def test_a_wrong_password_and_an_unknown_address_answer_alike_on_the_wire(line: Line) -> None:
    _, email = await line.house.tenant()
    answers = []
    for address in (email.address, fresh_email("nobody")):
        request = contract.CreateSessionRequest(email=address, password="wrong")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await line.stub.CreateSession(request, metadata=(("x-request-id", "one-request"),))
        error = failed.value
        answers.append((error.code(), error.details(), tuple(error.trailing_metadata() or ())))
    assert answers[0] == answers[1]
    assert answers[0][0] is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.asyncio
async def test_the_published_keys_verify_and_tell_nothing_private(line: Line) -> None:
    keys = (await line.call("GetKeys", contract.GetKeysRequest())).keys
    assert [(key.kty, key.crv, key.use) for key in keys] == [("OKP", "Ed25519", "sig")]
    assert keys[0].kid == line.house.signing.kid
    assert "d" not in contract.Key.DESCRIPTOR.fields_by_name


@pytest.mark.asyncio
async def test_the_published_keys_are_those_of_the_set_by_now(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kit.rpc.key_set.LOOK_SECONDS", 0)
    _, published = make_keys(tmp_path / "first")
    _, other = make_keys(tmp_path / "second")
    servicer = IdentityServicer(house.use, KeySet(str(published)))
    first = await servicer.GetKeys(contract.GetKeysRequest(), Mock())
    other.replace(published)
    second = await servicer.GetKeys(contract.GetKeysRequest(), Mock())
    assert [key.kid for key in second.keys] == list(KeySet(str(published)).keys)
    assert {key.kid for key in first.keys}.isdisjoint(key.kid for key in second.keys)


@pytest.mark.asyncio
async def test_a_platform_user_makes_a_tenant_whose_administrator_signs_in(line: Line) -> None:
    token = line.token(PLATFORM_TENANT_ID, RoleGrant(Role.PLATFORM))
    request = _create_tenant()
    tenant = await line.call("CreateTenant", request, token)
    assert await line.call("CreateTenant", request, token) == tenant
    signed_in = await line.call(
        "CreateSession",
        contract.CreateSessionRequest(email=request.administrator.email, password=PASSWORD),
    )
    assert signed_in.user.tenant_id == tenant.tenant_id
    request.administrator.password = "another password"
    refusal = await _refusal(line, "CreateTenant", request, token)
    assert isinstance(refusal, InvalidInput)
    assert refusal.reason is Reason.REQUEST_ID_REUSED


@pytest.mark.asyncio
async def test_users_over_the_wire(line: Line) -> None:
    tenant, _ = await line.house.tenant()
    token = line.administrator(tenant)
    request = _create_user(agent_id="agt_" + "a" * 32)
    user = await line.call("CreateUser", request, token)
    assert (user.email, user.agent_id, user.tenant_id) == (
        request.email.lower(),
        request.agent_id,
        tenant.tenant_id,
    )
    assert await line.call("CreateUser", request, token) == user
    assert await line.call("GetUser", contract.GetUserRequest(user_id=user.user_id), token) == user
    grants = [contract.RoleGrant(role=access_pb2.ROLE_AGENT)]
    changed = await line.call(
        "SetUserGrants", contract.SetUserGrantsRequest(user_id=user.user_id, grants=grants), token
    )
    assert changed.grants == [contract.RoleGrant(role=access_pb2.ROLE_AGENT, scope_id=request.agent_id)]
    page = await line.call("ListUsers", contract.ListUsersRequest(page_size=1), token)
    rest = await line.call("ListUsers", contract.ListUsersRequest(page_token=page.next_page_token), token)
    assert len(page.users) == len(rest.users) == 1
    assert changed in [*page.users, *rest.users]


@pytest.mark.asyncio
async def test_another_administrator_finds_nothing(line: Line) -> None:
    mine, _ = await line.house.tenant()
    theirs, _ = await line.house.tenant()
    foreign = (await line.house.user(theirs)).user_id
    request = contract.GetUserRequest(user_id=foreign)
    assert isinstance(await _refusal(line, "GetUser", request, line.administrator(mine)), NotFound)


@pytest.mark.asyncio
async def test_a_taken_address_is_named(line: Line) -> None:
    mine, _ = await line.house.tenant()
    _, theirs = await line.house.tenant()
    request = _create_user(email=theirs.address)
    refusal = await _refusal(line, "CreateUser", request, line.administrator(mine))
    assert isinstance(refusal, AlreadyExists)
    assert [violation.field for violation in refusal.violations] == ["email"]


@pytest.mark.asyncio
async def test_the_clock_over_the_wire(line: Line) -> None:
    tenant, _ = await line.house.tenant()
    token = line.administrator(tenant)
    request = contract.AdvanceTestClockRequest(by=Duration(seconds=129_600), request_id=fresh_request_id())
    moved = await line.call("AdvanceTestClock", request, token)
    assert await line.call("AdvanceTestClock", request, token) == moved
    read = await line.call("GetTestClock", contract.GetTestClockRequest(), token)
    assert read.offset.seconds == moved.offset.seconds == 129_600
    assert read.now.ToDatetime(UTC) - datetime.now(UTC) == pytest.approx(
        timedelta(hours=36), abs=timedelta(minutes=1)
    )


def _create_user(**changes: Any) -> contract.CreateUserRequest:
    fields: dict[str, Any] = {
        "email": fresh_email("Anna"),
        "password": PASSWORD,
        "display_name": "Anna Bērziņa",
        "grants": [contract.RoleGrant(role=access_pb2.ROLE_OPERATOR)],
        "request_id": fresh_request_id(),
    }
    return contract.CreateUserRequest(**{**fields, **changes})


def _create_tenant(
    administrator: dict[str, Any] | None = None, **changes: Any
) -> contract.CreateTenantRequest:
    boss = {"grants": [], "request_id": "", **(administrator or {})}
    fields: dict[str, Any] = {
        "display_name": "Acme",
        "time_zone": "Europe/Riga",
        "administrator": _create_user(**boss),
        "request_id": fresh_request_id(),
    }
    return contract.CreateTenantRequest(**{**fields, **changes})


def _grant(role: int = access_pb2.ROLE_OPERATOR, scope_id: str = "") -> dict[str, Any]:
    return {"grants": [contract.RoleGrant(role=role, scope_id=scope_id)]}


def _session(**changes: str) -> contract.CreateSessionRequest:
    return contract.CreateSessionRequest(**{"email": "a@b.c", "password": PASSWORD, **changes})


def _advance(seconds: int = 60, nanos: int = 0, **changes: Any) -> contract.AdvanceTestClockRequest:
    fields = {"by": Duration(seconds=seconds, nanos=nanos), "request_id": "request-id", **changes}
    return contract.AdvanceTestClockRequest(**fields)


BAD_INPUT: list[tuple[str, Callable[[], Any], str]] = [
    ("CreateSession", lambda: _session(email=""), "email"),
    ("CreateSession", lambda: _session(email=" a@b.c"), "email"),
    ("CreateSession", lambda: _session(email="a@b.c\n"), "email"),
    ("CreateSession", lambda: _session(email="a\0@b.c"), "email"),
    ("CreateSession", lambda: _session(email="not an address"), "email"),
    ("CreateSession", lambda: _session(email="a" * 300 + "@b.c"), "email"),
    ("CreateSession", lambda: _session(password=""), "password"),
    ("CreateSession", lambda: _session(password="x" * 1025), "password"),
    ("CreateUser", lambda: _create_user(email="nobody"), "email"),
    ("CreateUser", lambda: _create_user(email="a b@example.com"), "email"),
    ("CreateUser", lambda: _create_user(password="too short"), "password"),
    ("CreateUser", lambda: _create_user(password="nul\0in the middle"), "password"),
    ("CreateUser", lambda: _create_user(display_name=""), "display_name"),
    ("CreateUser", lambda: _create_user(display_name="   "), "display_name"),
    ("CreateUser", lambda: _create_user(display_name="a\nb"), "display_name"),
    ("CreateUser", lambda: _create_user(display_name="a\0b"), "display_name"),
    ("CreateUser", lambda: _create_user(display_name="x" * 201), "display_name"),
    ("CreateUser", lambda: _create_user(request_id=""), "request_id"),
    ("CreateUser", lambda: _create_user(request_id="x" * 65), "request_id"),
    ("CreateUser", lambda: _create_user(agent_id="usr_" + "a" * 32), "agent_id"),
    ("CreateUser", lambda: _create_user(grants=[]), "grants"),
    ("CreateUser", lambda: _create_user(**_grant(role=0)), "grants[0].role"),
    ("CreateUser", lambda: _create_user(**_grant(role=13)), "grants[0].role"),
    ("CreateUser", lambda: _create_user(**_grant(role=99)), "grants[0].role"),
    ("CreateUser", lambda: _create_user(**_grant(scope_id="cmp_1")), "grants[0].scope_id"),
    ("CreateUser", lambda: _create_user(**_grant(scope_id="agt_" + "a" * 32)), "grants[0].scope_id"),
    ("SetUserGrants", lambda: contract.SetUserGrantsRequest(user_id="", **_grant()), "user_id"),
    ("SetUserGrants", lambda: contract.SetUserGrantsRequest(user_id="usr_1"), "grants"),
    (
        "SetUserGrants",
        lambda: contract.SetUserGrantsRequest(user_id="usr_1", **_grant(scope_id="x")),
        "grants[0].scope_id",
    ),
    ("GetUser", contract.GetUserRequest, "user_id"),
    ("ListUsers", lambda: contract.ListUsersRequest(page_size=-1), "page_size"),
    ("ListUsers", lambda: contract.ListUsersRequest(page_size=201), "page_size"),
    ("ListUsers", lambda: contract.ListUsersRequest(page_token="broken"), "page_token"),
    ("ListUsers", lambda: contract.ListUsersRequest(page_token="x" * 513), "page_token"),
    ("CreateTenant", lambda: _create_tenant(time_zone="Riga"), "time_zone"),
    ("CreateTenant", lambda: _create_tenant(time_zone="../etc/passwd"), "time_zone"),
    ("CreateTenant", lambda: _create_tenant(display_name=" "), "display_name"),
    ("CreateTenant", lambda: _create_tenant(request_id="short"), "request_id"),
    ("CreateTenant", lambda: _create_tenant(administrator={"email": "x"}), "administrator.email"),
    (
        "CreateTenant",
        lambda: _create_tenant(administrator={"display_name": " "}),
        "administrator.display_name",
    ),
    ("CreateTenant", lambda: _create_tenant(administrator={"agent_id": "x"}), "administrator.agent_id"),
    ("CreateTenant", lambda: _create_tenant(administrator=_grant()), "administrator.grants"),
    ("AdvanceTestClock", lambda: _advance(seconds=0), "by"),
    ("AdvanceTestClock", lambda: _advance(seconds=-5), "by"),
    ("AdvanceTestClock", lambda: _advance(nanos=1), "by"),
    ("AdvanceTestClock", lambda: _advance(seconds=401 * 86_400), "by"),
    ("AdvanceTestClock", lambda: _advance(by=None), "by"),
    ("AdvanceTestClock", lambda: _advance(request_id=""), "request_id"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "make", "field"), BAD_INPUT, ids=[f"{n}-{row[0]}-{row[2]}" for n, row in enumerate(BAD_INPUT)]
)
async def test_bad_input_is_told_by_field(
    line: Line, method: str, make: Callable[[], Any], field: str
) -> None:
    token = line.token("ten_" + "1" * 32, RoleGrant(Role.ADMINISTRATOR), RoleGrant(Role.PLATFORM))
    refusal = await _refusal(line, method, make(), token)
    assert isinstance(refusal, InvalidInput), refusal
    assert field in [violation.field for violation in refusal.violations]


async def _refusal(line: Line, method: str, request: Any, token: str | None) -> GiroError | None:
    try:
        await line.call(method, request, token)
    except GiroError as refused:
        return refused
    return None
