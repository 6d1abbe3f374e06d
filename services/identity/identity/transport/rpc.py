"""The gRPC face of identity: message to command, domain to message. Rules are elsewhere."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import grpc

from giro.common.v1 import access_pb2
from giro.identity.v1 import identity_pb2 as contract
from giro.identity.v1 import identity_pb2_grpc
from identity.domain.email import Email
from identity.domain.roles import Role, RoleGrant
from identity.domain.sessions import Session
from identity.domain.tenants import Tenant
from identity.domain.testclock import TestClock
from identity.domain.users import NewUser, User
from identity.usecases.advance_test_clock import AdvanceTestClock
from identity.usecases.create_session import CreateSession
from identity.usecases.create_tenant import CreateTenant, NewTenant
from identity.usecases.create_user import CreateUser
from identity.usecases.get_tenant import GetTenant
from identity.usecases.get_test_clock import GetTestClock
from identity.usecases.get_user import GetUser
from identity.usecases.list_users import ListUsers
from identity.usecases.set_user_grants import SetUserGrants
from kit.db.claims import Claim
from kit.errors import InvalidInput, Reason
from kit.rpc.context import caller
from kit.rpc.key_set import KeySet
from kit.rpc.tokens import TOKEN_ALG

Context = grpc.aio.ServicerContext[object, object]

_MIN_REQUEST_ID = 8


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the servicer calls; made by `app`."""

    create_session: CreateSession
    create_tenant: CreateTenant
    get_tenant: GetTenant
    create_user: CreateUser
    get_user: GetUser
    list_users: ListUsers
    set_user_grants: SetUserGrants
    advance_test_clock: AdvanceTestClock
    get_test_clock: GetTestClock


class IdentityServicer(identity_pb2_grpc.IdentityServiceServicer):
    """giro.identity.v1.IdentityService."""

    def __init__(self, use: UseCases, keys: KeySet) -> None:
        self._use = use
        self._keys = keys

    async def CreateSession(
        self, request: contract.CreateSessionRequest, context: Context
    ) -> contract.Session:
        """E-mail and password to a token."""
        return _session(await self._use.create_session.run(Email.parse(request.email), request.password))

    async def GetKeys(self, request: contract.GetKeysRequest, context: Context) -> contract.KeySet:
        """The keys that tokens are verified with."""
        return contract.KeySet(keys=[_key(kid, key.as_dict()) for kid, key in self._keys.keys.items()])

    async def GetMe(self, request: contract.GetMeRequest, context: Context) -> contract.User:
        """The caller."""
        return _user(await self._use.get_user.me(caller().tenant, caller().subject))

    async def CreateTenant(self, request: contract.CreateTenantRequest, context: Context) -> contract.Tenant:
        """A tenant with its first administrator."""
        new = NewTenant(
            display_name=request.display_name,
            time_zone=request.time_zone,
            administrator=_new_user(request.administrator, "administrator."),
            request_id=request.request_id,
            body=_without_passwords(request),
        )
        return _tenant(await self._use.create_tenant.run(caller().tenant, new))

    async def GetTenant(self, request: contract.GetTenantRequest, context: Context) -> contract.Tenant:
        """The caller's tenant."""
        return _tenant(await self._use.get_tenant.run(caller().tenant))

    async def CreateUser(self, request: contract.CreateUserRequest, context: Context) -> contract.User:
        """A user of the caller's tenant."""
        _check_request_id(request.request_id)
        body = _without_passwords(request)
        new = _new_user(request)
        return _user(await self._use.create_user.run(caller().tenant, new, request.request_id, body))

    async def GetUser(self, request: contract.GetUserRequest, context: Context) -> contract.User:
        """A user of the caller's tenant."""
        return _user(await self._use.get_user.run(caller().tenant, request.user_id, caller().grants))

    async def ListUsers(
        self, request: contract.ListUsersRequest, context: Context
    ) -> contract.ListUsersResponse:
        """Users of the caller's tenant."""
        users, token = await self._use.list_users.run(
            caller().tenant, request.page_size, request.page_token, caller().grants
        )
        return contract.ListUsersResponse(users=[_user(user) for user in users], next_page_token=token)

    async def SetUserGrants(self, request: contract.SetUserGrantsRequest, context: Context) -> contract.User:
        """Other roles for a user of the caller's tenant."""
        grants = _grants(request.grants)
        return _user(await self._use.set_user_grants.run(caller().tenant, request.user_id, grants))

    async def AdvanceTestClock(
        self, request: contract.AdvanceTestClockRequest, context: Context
    ) -> contract.TestClock:
        """The caller's tenant's clock, moved."""
        body = request.SerializeToString(deterministic=True)
        claim = Claim(f"advance_test_clock:{request.request_id}", body)
        return _clock(
            await self._use.advance_test_clock.run(caller().tenant, _step(request), claim, caller().grants)
        )

    async def GetTestClock(
        self, request: contract.GetTestClockRequest, context: Context
    ) -> contract.TestClock:
        """The caller's tenant's clock."""
        return _clock(await self._use.get_test_clock.run(caller().tenant))


def _new_user(request: contract.CreateUserRequest, field: str = "") -> NewUser:
    return NewUser(
        email=Email.parse(request.email, f"{field}email"),
        password=request.password,
        display_name=request.display_name,
        grants=_grants(request.grants),
        agent_id=request.agent_id,
        field=field,
    )


def _grants(messages: Iterable[contract.RoleGrant]) -> tuple[RoleGrant, ...]:
    return tuple(RoleGrant(_role(message.role), message.scope_id) for message in messages)


def _role(role: access_pb2.Role.ValueType) -> Role:
    return Role(access_pb2.Role.Name(role).removeprefix("ROLE_"))


def _step(request: contract.AdvanceTestClockRequest) -> timedelta:
    if request.by.nanos:
        raise InvalidInput(Reason.INVALID_FIELD, "must be whole seconds", field="by")
    return timedelta(seconds=request.by.seconds)


def _check_request_id(request_id: str) -> None:
    # CreateUserRequest serves CreateTenant too, where it needs none, so the contract cannot require it
    if len(request_id) < _MIN_REQUEST_ID:
        message = f"must have at least {_MIN_REQUEST_ID} characters"
        raise InvalidInput(Reason.INVALID_FIELD, message, field="request_id")


def _without_passwords(request: contract.CreateUserRequest | contract.CreateTenantRequest) -> bytes:
    """The request's bytes for its claim; the use case adds the password's fingerprint."""
    bare = copy.deepcopy(request)
    user = bare.administrator if isinstance(bare, contract.CreateTenantRequest) else bare
    user.ClearField("password")
    return bare.SerializeToString(deterministic=True)


def _key(kid: str, public: Mapping[str, object]) -> contract.Key:
    return contract.Key(kty="OKP", crv="Ed25519", kid=kid, x=str(public["x"]), use="sig", alg=TOKEN_ALG)


def _session(session: Session) -> contract.Session:
    message = contract.Session(access_token=session.access_token, user=_user(session.user))
    message.expires_at.FromDatetime(session.expires_at)
    return message


def _user(user: User) -> contract.User:
    return contract.User(
        user_id=user.user_id,
        tenant_id=user.tenant_id,
        email=user.email.address,
        display_name=user.display_name,
        agent_id=user.agent_id,
        grants=[
            contract.RoleGrant(role=access_pb2.Role.Value(f"ROLE_{grant.role}"), scope_id=grant.scope_id)
            for grant in user.grants
        ],
    )


def _tenant(tenant: Tenant) -> contract.Tenant:
    return contract.Tenant(
        tenant_id=tenant.tenant_id, display_name=tenant.display_name, time_zone=tenant.time_zone
    )


def _clock(clock: TestClock) -> contract.TestClock:
    message = contract.TestClock()
    message.now.FromDatetime(clock.now)
    message.offset.FromTimedelta(clock.offset)
    return message
