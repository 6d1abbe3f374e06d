"""Whose tokens are believed, and for how long."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import time_machine
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from rpc_world import OPERATOR, SECRET, Keys

from kit.errors import Unauthenticated
from kit.rpc import key_set
from kit.rpc.context import Caller, Grant
from kit.rpc.key_set import LOOK_SECONDS
from kit.rpc.tokens import Authenticator, ServiceTokens
from kit.settings import SettingsError


class Clock:
    """Seconds as `time.monotonic` gives them; they pass when a test says so."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(key_set, "time", made)
    return made


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"iss": "giro-service"},
        {"aud": "other"},
        {"sub": None},
        {"tid": ""},
        {"grants": "OPERATOR"},
        {"grants": [["OPERATOR"]]},
        {"kid": "unknown", "key": "fresh"},
        {"kid": "k1", "key": "fresh"},
        {"alg": "HS256", "key": "other secret"},
        {"alg": "HS256", "key": "public key"},
    ],
)
def test_a_token_that_will_not_do(keys: Keys, claims: dict[str, Any]) -> None:
    signers = {
        "fresh": OKPKey.generate_key("Ed25519"),
        "other secret": OctKey.import_key("x" * 32),
        "public key": OctKey.import_key(Path(keys.jwks).read_text()),
    }
    claims = {**claims, "key": signers.get(claims.get("key", ""))}
    with pytest.raises(Unauthenticated):
        Authenticator(keys.jwks, SECRET).verify(keys.token(**claims))


@pytest.mark.parametrize("token", ["", "a.b.c", "a.b", "ä.b.c", "e30.e30.", "x" * 9000])
def test_what_is_no_token(keys: Keys, token: str) -> None:
    with pytest.raises(Unauthenticated):
        Authenticator(keys.jwks, SECRET).verify(token)


@pytest.mark.parametrize("alg", ["none", "Ed25519"])
def test_no_other_algorithm_is_taken(keys: Keys, alg: str) -> None:
    header, body, signature = keys.token().split(".")
    forged = jwt.encode({"alg": "HS256"}, {}, OctKey.import_key("x" * 32)).split(".")[0]
    assert forged != header
    other = json.dumps({"alg": alg, "kid": "k1"}).encode()
    swapped = __import__("base64").urlsafe_b64encode(other).rstrip(b"=").decode()
    with pytest.raises(Unauthenticated):
        Authenticator(keys.jwks, SECRET).verify(f"{swapped}.{body}.{signature}")


def test_a_known_token_expires_all_the_same(keys: Keys) -> None:
    auth, token = Authenticator(keys.jwks, SECRET), keys.token()
    assert auth.verify(token) is auth.verify(token)
    with time_machine.travel(time.time() + 601, tick=False), pytest.raises(Unauthenticated, match="expired"):
        auth.verify(token)


def test_a_new_key_is_found_without_a_restart(keys: Keys, clock: Clock) -> None:
    auth = Authenticator(keys.jwks, SECRET)
    keys.add("k2")
    clock.now += LOOK_SECONDS
    assert auth.verify(keys.token("k2")).subject == "usr_1"


def test_a_key_that_is_taken_out_is_refused_within_the_seconds_of_a_look(keys: Keys, clock: Clock) -> None:
    keys.add("k2")
    auth, seen, unseen = Authenticator(keys.jwks, SECRET), keys.token(), keys.token(sub="usr_2")
    other, services = keys.token("k2"), ServiceTokens("booking", SECRET).mint("ten_1")
    for token in (seen, other, services):
        auth.verify(token)
    keys.take_out("k1")
    clock.now += LOOK_SECONDS - 0.25
    assert auth.verify(seen).subject == "usr_1", "the file is not read for each call"
    clock.now += 0.25
    for token in (seen, unseen):
        with pytest.raises(Unauthenticated, match="nobody known"):
            auth.verify(token)
    assert auth.verify(other).subject == "usr_1"
    assert auth.verify(services).service == "booking"


def test_another_key_under_the_same_id_takes_the_place_of_the_first(keys: Keys, clock: Clock) -> None:
    auth, before = Authenticator(keys.jwks, SECRET), keys.token()
    auth.verify(before)
    keys.add("k1")
    clock.now += LOOK_SECONDS
    with pytest.raises(Unauthenticated):
        auth.verify(before)
    assert auth.verify(keys.token()).subject == "usr_1"


@pytest.mark.parametrize(
    "written",
    ["", "{}", '{"keys": []}', '{"keys": [{"crv": "Ed25519", "kid": "k1"}]}', "[" * 100_000, None],
)
def test_a_set_that_is_none_leaves_the_keys_before_it(keys: Keys, clock: Clock, written: str | None) -> None:
    auth, token = Authenticator(keys.jwks, SECRET), keys.token()
    if written is None:
        Path(keys.jwks).unlink()
    else:
        Path(keys.jwks).write_text(written)
    clock.now += LOOK_SECONDS
    assert auth.verify(token).subject == "usr_1"
    keys.add("k2")
    clock.now += LOOK_SECONDS
    assert auth.verify(keys.token("k2")).subject == "usr_1", "the next good one is taken"


def test_a_key_file_that_is_missing_is_told_at_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="GIRO_JWKS_FILE"):
        Authenticator(str(tmp_path / "none.json"), SECRET)


def test_service_tokens_are_made_once_per_caller() -> None:
    tokens = ServiceTokens("booking", SECRET)
    assert tokens.mint("ten_1") == tokens.mint("ten_1")
    assert tokens.mint("ten_1") != tokens.mint("ten_2")
    with pytest.raises(Unauthenticated):
        Authenticator("", "t" * 32).verify(tokens.mint("ten_1"))


def test_grants_of_one_campaign_or_agent_are_not_the_whole_tenant() -> None:
    of_agent = Grant("AGENT", "agent", "agt_1")
    for limited in (
        (),
        (OPERATOR,),
        (of_agent,),
        (OPERATOR, of_agent),
        (Grant("OPERATOR", "zone", "zon_1"),),
    ):
        assert not Caller("usr_1", "ten_1", limited).is_whole
    for whole in (Grant("OPERATOR", "tenant", "ten_1"), Grant("BRANCH_MANAGER", "branch", "brn_1")):
        assert Caller("usr_1", "ten_1", (OPERATOR, whole)).is_whole
