"""The signing key and what is published of it."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from identity.clients.signing import SigningKey, check_published, make_keys
from identity.domain.email import Email
from identity.domain.roles import Role, RoleGrant
from identity.domain.users import User
from kit.errors import Unauthenticated
from kit.rpc.key_set import read_key_set
from kit.rpc.tokens import Authenticator
from kit.settings import SettingsError

USER = User("usr_1", "ten_1", Email("a@b"), "A", (RoleGrant(Role.OPERATOR, "cmp_" + "c" * 32),))
MINUTE = timedelta(minutes=1)


def test_keys_are_made_once_and_the_private_one_is_its_owners(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "new" / "folder")
    before = private.read_bytes(), public.read_bytes()
    assert make_keys(tmp_path / "new" / "folder") == (private, public)
    assert (private.read_bytes(), public.read_bytes()) == before
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "d" in json.loads(private.read_text())
    assert all("d" not in key for key in json.loads(public.read_text())["keys"])
    assert sorted(path.name for path in private.parent.iterdir()) == ["jwks.json", "signing.jwk.json"]


def test_a_token_is_believed_by_those_who_have_the_key_set_alone(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "ours")
    _, theirs = make_keys(tmp_path / "theirs")
    now = datetime.now(UTC)
    token = SigningKey.load(str(private)).token(USER, now, now + MINUTE)
    caller = Authenticator(str(public), "").verify(token)
    assert (caller.subject, caller.tenant) == ("usr_1", "ten_1")
    assert [(grant.role, grant.scope_kind) for grant in caller.grants] == [("OPERATOR", "campaign")]
    with pytest.raises(Unauthenticated):
        Authenticator(str(theirs), "").verify(token)
    with pytest.raises(Unauthenticated):
        Authenticator(str(public), "").verify(
            SigningKey.load(str(private)).token(USER, now - 2 * MINUTE, now - MINUTE)
        )


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"kty": "oct", "k": "aaaa"}', "public"])
def test_what_is_no_private_key_is_told_by_the_variables_name(tmp_path: Path, content: str) -> None:
    _, public = make_keys(tmp_path)
    file = tmp_path / "key"
    published = json.loads(public.read_text())["keys"][0]
    file.write_text(json.dumps(published) if content == "public" else content)
    with pytest.raises(SettingsError, match="GIRO_SIGNING_KEY_FILE"):
        SigningKey.load(str(file))
    with pytest.raises(SettingsError, match="GIRO_SIGNING_KEY_FILE"):
        SigningKey.load(str(tmp_path / "missing"))


def test_a_key_set_without_the_signing_key_stops_the_start(tmp_path: Path) -> None:
    private, _ = make_keys(tmp_path / "ours")
    _, theirs = make_keys(tmp_path / "theirs")
    with pytest.raises(SettingsError, match="GIRO_JWKS_FILE"):
        check_published(SigningKey.load(str(private)), read_key_set(theirs)[1])
    with pytest.raises(SettingsError, match="GIRO_JWKS_FILE"):
        read_key_set(tmp_path / "missing")


def test_a_derived_secret_is_another_for_another_purpose(tmp_path: Path) -> None:
    private, _ = make_keys(tmp_path)
    key = SigningKey.load(str(private))
    assert key.derive("one") == SigningKey.load(str(private)).derive("one")
    assert key.derive("one") != key.derive("another")
