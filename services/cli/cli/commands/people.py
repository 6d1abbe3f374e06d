"""Signing in, and who is signed in."""

import getpass
import sys
from typing import Annotated

import typer

from cli import settings
from cli.commands.calling import Output, calling
from cli.errors import BadArgument
from cli.gateway import Gateway, Json
from cli.show import output, words
from cli.show.output import Format


def sign_in(
    email: Annotated[str, typer.Argument(help="your e-mail address; asked for at a terminal")] = "",
    as_: Annotated[str, typer.Option("--as", help="a user of the demo: operator, administrator, ...")] = "",
    form: Output = Format.TABLE,
) -> None:
    """Sign in and keep the token for the next commands.

    The password is asked for at a terminal, or read from a pipe.

    \b
    giro sign-in --as operator
    giro sign-in ada@example.org
    echo "$PASSWORD" | giro sign-in ada@example.org
    """
    with calling(form) as gateway:
        who, password = _demo_user(gateway, as_) if as_ else _typed(email)
        answer = gateway.sign_in(who, password)
        if form is Format.JSON:
            output.as_json({key: answer[key] for key in ("user", "expiresAt")})
            return
        output.say(f"signed in at {gateway.settings.gateway_url} as {answer['user']['displayName']}", "green")
        _show_user(answer["user"])


def whoami(form: Output = Format.TABLE) -> None:
    """Who is signed in, with which roles, in which tenant."""
    with calling(form) as gateway:
        me = gateway.get("/v1/me")
        if form is Format.JSON:
            output.as_json(me)
            return
        _show_user(me)


def _demo_user(gateway: Gateway, key: str) -> tuple[str, str]:
    users = settings.demo_users(gateway.settings.demo)
    user = users.get(key.replace("-", "_"))
    if user is None:
        known = ", ".join(sorted(users)) or "none: there is no .run/demo.json here or above"
        raise BadArgument(f"--as {key!r} is no user of the demo", f"the demo's users: {known}")
    return user["email"], user["password"]


def _typed(email: str) -> tuple[str, str]:
    """Never asks when nobody could answer."""
    at_terminal = sys.stdin.isatty()
    if not email and at_terminal:
        email = input("e-mail: ")
    if not email:
        raise BadArgument("an e-mail address is missing", "giro sign-in ada@example.org, or --as operator")
    password = getpass.getpass("password: ") if at_terminal else sys.stdin.readline().rstrip("\n")
    if not password:
        raise BadArgument("the password is empty", 'pipe it in: echo "$PASSWORD" | giro sign-in EMAIL')
    return email, password


def _show_user(user: Json) -> None:
    roles = [
        words.plain(grant["role"], "ROLE_") + (f" ({grant['scopeId']})" if grant.get("scopeId") else "")
        for grant in user["grants"]
    ]
    rows = [
        ("name", user["displayName"]),
        ("e-mail", user["email"]),
        ("roles", ", ".join(roles)),
        ("tenant", user["tenantId"]),
        ("user", user["userId"]),
        *([("agent", user["agentId"])] if user.get("agentId") else []),
    ]
    output.card(rows)
