"""What is printed once everything serves: where it listens, and who can sign in."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from allinone.demo.ids import DemoIds
from allinone.urls import StackUrls

WIDEST = 160


def where(urls: StackUrls, state: Path, demo: Path) -> str:
    """A table of every address. URLs with passwords stay in files that only their owner reads."""
    rows = [
        ("gateway", urls.gateway, "JSON (try /openapi.json), gRPC and gRPC-Web on one port"),
        ("Envoy's own pages", urls.gateway_admin, "statistics, readiness"),
        *(
            (name, target, f"gRPC; metrics at {urls.metrics.get(name, '-')}")
            for name, target in _services(urls)
        ),
        ("JSON edge", urls.targets["edge"], f"asked by Envoy; metrics at {urls.metrics['gateway']}"),
        ("PostgreSQL", _place(urls.admin_database), "database giro; logins in secrets/"),
        ("NATS", _place(urls.nats), "JetStream; login in secrets/"),
        ("files", str(state), "logs/, secrets/"),
        ("for scripts", str(demo), "addresses, users, ids"),
    ]
    return _table("Where everything listens", ("what", "where", "for"), rows)


def who(demo: DemoIds) -> str:
    """A table of the demo users, with passwords: they open nothing but this demo."""
    users = sorted(demo.users.values(), key=lambda user: (user.tenant, user.role, user.email))
    names = {tenant.tenant_id: tenant.name for tenant in demo.tenants.values()}
    rows = [
        (user.role.lower().replace("_", " "), user.email, user.password, names.get(user.tenant, "-"))
        for user in users
    ]
    return _table("Who can sign in (POST /v1/sessions)", ("role", "e-mail", "password", "tenant"), rows)


def _services(urls: StackUrls) -> Iterable[tuple[str, str]]:
    return ((name, urls.targets[name]) for name in urls.databases)


def _place(url: str) -> str:
    """host:port of a URL, without its login."""
    return url.partition("://")[2].rpartition("@")[2].partition("/")[0]


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for head in heads:
        table.add_column(head, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    page = io.StringIO()
    Console(file=page, width=WIDEST, no_color=True).print(table)
    return "\n" + "\n".join(line.rstrip() for line in page.getvalue().rstrip().splitlines())
