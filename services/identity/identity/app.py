"""The composition root of identity: the only room that knows all others."""

from datetime import timedelta

from giro.identity.v1 import identity_pb2 as contract
from identity.clients.passwords import Argon2Passwords
from identity.clients.signing import SigningKey, load_public_keys
from identity.domain.throttle import Throttle
from identity.settings import IdentitySettings
from identity.storage.constraints import CONSTRAINTS
from identity.transport.rpc import UseCases
from identity.usecases.advance_test_clock import AdvanceTestClock
from identity.usecases.create_session import CreateSession
from identity.usecases.create_tenant import CreateTenant
from identity.usecases.create_user import CreateUser
from identity.usecases.get_tenant import GetTenant
from identity.usecases.get_test_clock import GetTestClock
from identity.usecases.get_user import GetUser
from identity.usecases.list_users import ListUsers
from identity.usecases.ports import Passwords, Signer
from identity.usecases.set_user_grants import SetUserGrants
from kit.db.engine import Database
from kit.rpc.tokens import TOKEN_ALG
from kit.values.clock import Clock


def make_database(settings: IdentitySettings) -> Database:
    """The service's pools, not yet checked."""
    settings.require("database_url")
    return Database(
        settings.database_url,
        service=settings.service,
        schema=settings.service,
        sandbox=settings.sandbox,
        worker_url=settings.worker_database_url or None,
        constraints=CONSTRAINTS,
    )


def make_passwords(settings: IdentitySettings, signing: SigningKey) -> Argon2Passwords:
    """The hashing threads, with a secret that follows from the signing key."""
    return Argon2Passwords(signing.derive("giro-identity password fingerprints"), settings.password_workers)


def make_throttle(settings: IdentitySettings) -> Throttle:
    """How many failed sign-ins an address may see."""
    return Throttle(settings.sign_in_failures, timedelta(seconds=settings.sign_in_window_seconds))


def make_key_set(settings: IdentitySettings) -> contract.KeySet:
    """The published keys, as the contract has them. Raises SettingsError for a file that is no key set."""
    keys = load_public_keys(settings.jwks_file)
    return contract.KeySet(
        keys=[
            contract.Key(kty="OKP", crv="Ed25519", kid=key.kid, x=key.x, use="sig", alg=TOKEN_ALG)
            for key in keys
        ]
    )


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
