"""The composition root of identity: the only room that knows all others."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Final

from giro.identity.v1.identity_pb2_grpc import add_IdentityServiceServicer_to_server
from giro.identity.v1.tenant_parameters_pb2_grpc import add_TenantParametersServiceServicer_to_server
from identity.clients.passwords import Argon2Passwords
from identity.clients.signing import SigningKey, check_published
from identity.domain.email import Email
from identity.domain.tenants import check_time_zone
from identity.domain.throttle import Throttle
from identity.domain.users import User
from identity.settings import IdentitySettings
from identity.storage import logins
from identity.storage.constraints import CONSTRAINTS
from identity.transport.parameters_rpc import TenantParametersServicer
from identity.transport.rpc import IdentityServicer, UseCases
from identity.usecases.advance_test_clock import AdvanceTestClock
from identity.usecases.bootstrap_platform import BootstrapPlatform
from identity.usecases.create_session import CreateSession
from identity.usecases.create_tenant import CreateTenant
from identity.usecases.create_user import CreateUser
from identity.usecases.get_tenant import GetTenant
from identity.usecases.get_test_clock import GetTestClock
from identity.usecases.get_user import GetUser
from identity.usecases.list_users import ListUsers
from identity.usecases.ports import Passwords, Signer
from identity.usecases.set_user_grants import SetUserGrants
from identity.usecases.tenant_parameters import TenantParameters
from kit.bus.relay import Relay
from kit.db.engine import Database
from kit.process import CONNECTS, RelayApp, background_of, connect, database_of
from kit.rpc.key_set import KeySet
from kit.rpc.server import Server
from kit.rpc.tokens import Authenticator
from kit.values.clock import Clock, SystemClock

FORGET_EVERY_SECONDS: Final = 600
"""How often failed sign-ins that no longer count are deleted."""


class IdentityApp:
    """Serves gRPC, sends events, forgets failed sign-ins that no longer count."""

    def __init__(self, settings: IdentitySettings, clock: Clock | None = None) -> None:
        """Raises SettingsError, naming the variables, for what it cannot start with."""
        settings.require(*CONNECTS, "signing_key_file", "jwks_file", "service_key")
        self.settings = settings
        self._open = AsyncExitStack()
        self._db = make_database(settings)
        signing = SigningKey.load(settings.signing_key_file)
        published = KeySet(settings.jwks_file)
        check_published(signing, published.keys)
        self._clock = clock or SystemClock()
        self._passwords = make_passwords(settings, signing)
        use = make_use_cases(settings, self._db, self._passwords, signing, self._clock)
        servicer = IdentityServicer(use, published)
        auth = Authenticator(settings.jwks_file, settings.service_key)
        parameters = TenantParametersServicer(TenantParameters(self._db))
        servicers: list[tuple[Callable[[Any, Any], None], Any]] = [
            (add_IdentityServiceServicer_to_server, servicer),
            (add_TenantParametersServiceServicer_to_server, parameters),
        ]
        self.server = Server(settings, servicers, auth)

    async def start(self) -> None:
        """Connects, begins the background tasks, and serves last."""
        self._open.callback(self._passwords.close)
        bus = await connect(self.settings, self._db, self._open)
        await asyncio.to_thread(check_time_zone, "UTC")  # reads the list of zones from disk, once
        background = background_of(self._open)
        background.spawn("relay", Relay(self._db, bus, self.settings.service).run)
        background.spawn("forget failed sign-ins", self._forget_failures)
        await self.server.start()
        self._open.push_async_callback(self.server.stop)

    async def stop(self) -> None:
        """Takes no more calls, lets those under way end, stops the background, closes everything."""
        await self._open.aclose()

    async def _forget_failures(self) -> None:
        throttle = make_throttle(self.settings)
        while True:
            async with self._db.worker() as tx:
                await logins.forget_old_failures(tx, throttle.window_start(self._clock.now()))
            await asyncio.sleep(FORGET_EVERY_SECONDS)


def build(settings: IdentitySettings) -> IdentityApp:
    """The service. Raises SettingsError, naming the variables, for what it cannot start with."""
    return IdentityApp(settings)


def build_relay(settings: IdentitySettings) -> RelayApp:
    """The sender of events alone. Raises SettingsError like `build`."""
    settings.require(*CONNECTS)
    return RelayApp(settings, make_database(settings))


async def bootstrap_platform(settings: IdentitySettings, email: Email, password: str) -> User:
    """The platform's first user, made unless it is there; needs the database and the signing key alone."""
    settings.require("signing_key_file")
    passwords = make_passwords(settings, SigningKey.load(settings.signing_key_file))
    db = make_database(settings)
    try:
        await db.start()
        return await BootstrapPlatform(db, passwords).run(email, password)
    finally:
        await db.stop()
        passwords.close()


def make_database(settings: IdentitySettings) -> Database:
    """The service's pools, not yet checked."""
    return database_of(settings, CONSTRAINTS)


def make_passwords(settings: IdentitySettings, signing: SigningKey) -> Argon2Passwords:
    """The hashing threads, with a secret that follows from the signing key."""
    return Argon2Passwords(signing.derive("giro-identity password fingerprints"), settings.password_workers)


def make_throttle(settings: IdentitySettings) -> Throttle:
    """How many failed sign-ins an address may see."""
    return Throttle(settings.sign_in_failures, timedelta(seconds=settings.sign_in_window_seconds))


def make_use_cases(
    settings: IdentitySettings, db: Database, passwords: Passwords, signer: Signer, clock: Clock
) -> UseCases:
    """All that the contract asks for."""
    throttle = make_throttle(settings)
    return UseCases(
        create_session=CreateSession(db, passwords, signer, clock, throttle, settings.token_lifetime),
        create_tenant=CreateTenant(db, passwords),
        get_tenant=GetTenant(db),
        create_user=CreateUser(db, passwords),
        get_user=GetUser(db),
        list_users=ListUsers(db),
        set_user_grants=SetUserGrants(db),
        advance_test_clock=AdvanceTestClock(db, settings.sandbox),
        get_test_clock=GetTestClock(db, settings.sandbox),
    )
