"""What is up, what is not, and what to do about it."""

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import httpx2
import typer
from rich.text import Text

from cli import reading
from cli.commands.calling import Output, calling
from cli.errors import NO, CommandFailed, Refused
from cli.gateway import Gateway
from cli.show import output, words
from cli.show.output import Format

OK, BAD, SKIPPED = "ok", "failed", "skipped"
STYLES = {OK: "green", BAD: "bold red", SKIPPED: "dim"}
MOST_CLOCK_SECONDS = 5.0
MOST_OUTBOX_SECONDS = 30.0
SERVICES = (
    ("identity", "/v1/me"),
    ("booking", "/v1/campaigns?pageSize=1"),
    ("geo", "/v1/agents?pageSize=1"),
    ("reminders", "/v1/callerNumbers"),
)
METRICS = (
    ("giro_outbox_age_seconds", "events wait for NATS", MOST_OUTBOX_SECONDS),
    ("giro_outbox_refused", "NATS refuses events, and others wait behind them", 0.0),
    ("giro_dead_letters", "events were set aside as poison", 0.0),
    ("giro_geo_invariant_violations", "the promise is broken", 0.0),
)
LOGS = "the log is in .run/logs; make run starts everything"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    state: str
    seen: str
    advice: str = ""


def doctor(form: Output = Format.TABLE) -> None:
    """Check gateway, services, databases, events, clock and versions. Exit 1 when something is wrong.

    \b
    giro doctor
    """
    findings: list[Finding] = []
    with calling(form) as gateway:
        findings = list(_examine(gateway))
        if form is Format.JSON:
            output.as_json([asdict(finding) for finding in findings])
        else:
            _show(findings)
    if any(finding.state == BAD for finding in findings):
        raise typer.Exit(NO)


def _examine(gateway: Gateway) -> Iterator[Finding]:
    yield _versions()
    edge = _timed("gateway", "start it: make run; elsewhere: GIRO_GATEWAY_URL", lambda: _gateway(gateway))
    yield edge
    if edge.state == BAD:
        return
    for name, path in SERVICES:
        yield _timed(
            f"{name} and its database", f"{name} or its PostgreSQL is down: {LOGS}", _asked(gateway, path)
        )
    yield _timed("clock", "set this machine's clock (NTP)", lambda: _clock(gateway))
    yield from _events(gateway)
    yield _timed("the promise", "giro geo verify shows which; tell your operators", lambda: _promise(gateway))


def _show(findings: list[Finding]) -> None:
    rows = [(Text(each.state, style=STYLES[each.state]), each.what, each.seen) for each in findings]
    output.table("", ("", "what", "seen"), rows)
    for each in findings:
        if each.state == BAD:
            output.say(f"{each.what}: {each.advice}", "bold")


def _timed(what: str, advice: str, look: Callable[[], str]) -> Finding:
    started = time.monotonic()
    try:
        seen = look()
    except Refused as refused:
        if refused.status == 403:
            return Finding(what, SKIPPED, "your role may not look at this")
        return Finding(what, BAD, f"{refused.message} ({refused.reason})", refused.advice or advice)
    except CommandFailed as failed:
        return Finding(what, BAD, str(failed), advice)
    return Finding(what, OK, f"{seen} ({(time.monotonic() - started) * 1000:.0f} ms)")


def _versions() -> Finding:
    return Finding("versions", OK, f"giro {version('giro-cli')}, Python {platform.python_version()}")


def _gateway(gateway: Gateway) -> str:
    answer = gateway.raw("/healthz")
    if not answer.is_success:
        raise CommandFailed(f"HTTP {answer.status_code} from {gateway.settings.gateway_url}/healthz")
    page = gateway.raw("/openapi.json")
    try:
        contract = page.json()["info"]["version"] if page.is_success else "unknown"
    except (ValueError, KeyError):
        contract = "unknown"
    return f"{gateway.settings.gateway_url}, contract {contract}"


def _asked(gateway: Gateway, path: str) -> Callable[[], str]:
    def ask() -> str:
        gateway.get(path)
        return "answers"

    return ask


def _clock(gateway: Gateway) -> str:
    answer = gateway.get("/v1/testClock")
    offset = reading.seconds(answer.get("offset"))
    here = datetime.now(UTC)
    apart = abs((reading.instant(answer["now"]) - here).total_seconds() - offset)
    if apart > MOST_CLOCK_SECONDS:
        raise CommandFailed(f"this machine and the database are {words.length(int(apart))} apart")
    return (
        f"agrees with the database; test clock {words.length(offset)} ahead"
        if offset
        else "agrees with the database"
    )


def _promise(gateway: Gateway) -> str:
    answer = gateway.get("/v1/invariants:verify")
    if answer["violations"]:
        raise CommandFailed(f"{len(answer['violations'])} violations in {answer['pairs']} pairs")
    return f"kept by all {answer['pairs']} consecutive pairs of {answer['agents']} agents"


def _events(gateway: Gateway) -> Iterator[Finding]:
    """Metrics pages are not behind the gateway: the demo names its own, GIRO_METRICS_URLS others."""
    pages = dict(gateway.settings.demo.get("metrics", {}))
    for number, url in enumerate(filter(None, os.environ.get("GIRO_METRICS_URLS", "").split(",")), 1):
        pages[f"metrics {number}"] = url
    if not pages:
        yield Finding(
            "events", SKIPPED, "no metrics pages known; set GIRO_METRICS_URLS=http://host:port/metrics,..."
        )
    for name, url in pages.items():
        yield _timed(f"{name} events", f"is NATS up? {LOGS}", _page(url))


def _page(url: str) -> Callable[[], str]:
    def look() -> str:
        try:
            page = httpx2.get(url, timeout=5.0, trust_env=False)
        except httpx2.HTTPError as failed:
            raise CommandFailed(f"no metrics at {url} ({type(failed).__name__})") from failed
        worst = {name: _largest(page.text, name) for name, _, _ in METRICS}
        for name, meaning, most in METRICS:
            value = worst[name]
            if value is not None and value > most:
                raise CommandFailed(f"{meaning}: {name} is {value:g}")
        age = worst["giro_outbox_age_seconds"]
        return "metrics are served" if age is None else f"nothing waits longer than {age:.1f} s"

    return look


def _largest(page: str, name: str) -> float | None:
    """The largest sample of a metric on a page of the Prometheus text format."""
    found = [
        float(line.rsplit(" ", 1)[1])
        for line in page.splitlines()
        if line.startswith((f"{name} ", f"{name}{{", f"{name}_total "))
    ]
    return max(found, default=None)
