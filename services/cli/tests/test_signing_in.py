"""Who is signed in, and how failures end."""

import json
import stat
from pathlib import Path

import pytest
from cli_samples import error_info
from running_giro import Giro
from stub_gateway import StubGateway

USER = {
    "userId": "usr_1",
    "email": "operator@giro.example",
    "displayName": "Olga Ferri",
    "grants": [{"role": "ROLE_OPERATOR", "scopeId": "cmp_1"}],
    "tenantId": "ten_1",
    "agentId": "",
}
SESSION = {"accessToken": "fresh", "expiresAt": "2099-01-01T00:00:00Z", "user": USER}


@pytest.fixture
def nobody(gateway: StubGateway, monkeypatch: pytest.MonkeyPatch) -> StubGateway:
    """A gateway, and nobody signed in."""
    monkeypatch.delenv("GIRO_TOKEN")
    gateway.on("POST", "/v1/sessions", SESSION)
    gateway.on("GET", "/v1/me", USER)
    return gateway


def demo(home: Path, url: str) -> None:
    """What `make run` leaves."""
    user = {"email": "operator@giro.example", "password": "giro-demo-operator"}
    admin = {"email": "administrator@giro.example", "password": "giro-demo-administrator"}
    (home / ".run").mkdir()
    found = {"gateway_url": url, "users": {"operator": user, "administrator": admin}}
    (home / ".run" / "demo.json").write_text(json.dumps(found))


def test_a_password_is_read_from_a_pipe_and_the_token_is_kept(
    nobody: StubGateway, giro: Giro, home: Path
) -> None:
    ran = giro("sign-in", "operator@giro.example", typed="secret\n")
    giro("whoami")

    assert ran.exit_code == 0
    assert "operator (cmp_1)" in ran.stdout
    assert nobody.body_of("/v1/sessions")["password"] == "secret"
    assert nobody.tokens[-1] == "Bearer fresh"
    assert stat.S_IMODE((home / "config" / "giro" / "session.json").stat().st_mode) == 0o600


def test_a_token_is_never_sent_to_another_gateway(
    nobody: StubGateway, giro: Giro, monkeypatch: pytest.MonkeyPatch
) -> None:
    giro("sign-in", "operator@giro.example", typed="secret\n")
    other = StubGateway()
    try:
        monkeypatch.setenv("GIRO_GATEWAY_URL", other.url)
        ran = giro("whoami")
    finally:
        other.close()

    assert ran.exit_code == 1
    assert "nobody is signed in" in ran.stderr
    assert other.asked == []


def test_a_demo_user_signs_in_by_role(nobody: StubGateway, giro: Giro, home: Path) -> None:
    demo(home, nobody.url)

    assert giro("sign-in", "--as", "operator").exit_code == 0
    assert nobody.body_of("/v1/sessions")["password"] == "giro-demo-operator"


def test_an_unknown_demo_user_is_told_the_known_ones(nobody: StubGateway, giro: Giro, home: Path) -> None:
    demo(home, nobody.url)
    ran = giro("sign-in", "--as", "king")

    assert ran.exit_code == 2
    assert "administrator, operator" in ran.stderr


def test_a_first_command_beside_a_demo_signs_in_by_itself_and_says_so(
    nobody: StubGateway, giro: Giro, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo(home, nobody.url)
    monkeypatch.delenv("GIRO_GATEWAY_URL")
    ran = giro("whoami")

    assert ran.exit_code == 0
    assert "signed in as administrator@giro.example" in ran.stderr


def test_a_token_that_ran_out_is_renewed_for_a_demo_user(nobody: StubGateway, giro: Giro, home: Path) -> None:
    demo(home, nobody.url)
    giro("sign-in", "--as", "operator")
    nobody.refuse("GET", "/v1/me", 401, error_info("UNAUTHENTICATED"))
    signed_in = sum(asked[1] == "/v1/sessions" for asked in nobody.asked)
    ran = giro("whoami")

    assert ran.exit_code == 1
    assert sum(asked[1] == "/v1/sessions" for asked in nobody.asked) == signed_in + 1
    assert nobody.body_of("/v1/sessions")["email"] == "operator@giro.example"


def test_a_given_token_that_is_refused_is_not_replaced(gateway: StubGateway, giro: Giro, home: Path) -> None:
    demo(home, gateway.url)
    gateway.refuse("GET", "/v1/me", 401, error_info("UNAUTHENTICATED"))
    ran = giro("whoami")

    assert ran.exit_code == 1
    assert [asked[1] for asked in gateway.asked] == ["/v1/me"]


def test_a_wrong_password_says_what_to_do(nobody: StubGateway, giro: Giro) -> None:
    nobody.refuse("POST", "/v1/sessions", 401, error_info("BAD_CREDENTIALS"), message="wrong")
    ran = giro("sign-in", "a@giro.example", typed="x\n")

    assert ran.exit_code == 1
    assert "BAD_CREDENTIALS" in ran.stderr
    assert "check e-mail and password" in ran.stderr


def test_no_gateway_says_how_to_start_one(giro: Giro, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIRO_GATEWAY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GIRO_TOKEN", "a-token")
    ran = giro("whoami")

    assert ran.exit_code == 1
    assert "no answer from http://127.0.0.1:9" in ran.stderr
    assert "make run" in ran.stderr


def test_something_else_than_a_gateway_is_told(gateway: StubGateway, giro: Giro) -> None:
    gateway.answers["GET", "/v1/me"] = (200, ["no", "object"])  # type: ignore[assignment]
    ran = giro("whoami")

    assert ran.exit_code == 1
    assert "not as a gateway of Giro" in ran.stderr


@pytest.mark.parametrize(
    "words", [["nonsense"], ["slots", "suggest"], ["slots", "suggest", "solar", "-n", "0"]]
)
def test_a_command_that_is_not_understood_ends_with_2(giro: Giro, home: Path, words: list[str]) -> None:
    assert giro(*words).exit_code == 2


def test_every_command_explains_itself(giro: Giro) -> None:
    for words in (
        ("slots", "suggest"),
        ("slots", "hold"),
        ("appointments", "book"),
        ("agent", "day"),
        ("geo", "verify"),
        ("doctor",),
    ):
        ran = giro(*words, "--help")
        assert ran.exit_code == 0
        assert f"giro {' '.join(words)}" in ran.stdout


def test_no_colour_when_it_is_not_wanted(
    nobody: StubGateway, giro: Giro, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    ran = giro("sign-in", "operator@giro.example", typed="secret\n")

    assert "\x1b[3" not in ran.stdout
