"""giro <noun> <verb>: the command line of Giro."""

from importlib.metadata import version

import typer

from cli.commands import (
    agents,
    appointments,
    calendars,
    campaigns,
    checks,
    claims,
    days,
    documents,
    holds,
    packages,
    people,
    portal,
    refixing,
    reminders,
    roads,
    series,
    slots,
    solving,
    tenant,
    unavailability,
    waitlist,
    zones,
)
from cli.commands.calling import noun
from cli.commands.doctor import doctor
from cli.show import output

HELP = """Visits that the visitor can really reach.

    \b
    giro sign-in --as operator                       as a demo user
    giro slots suggest solar --contact "Giulia"      what fits, best first
    giro slots hold 1                                keep the first one
    giro appointments book                           book what is held
    giro agent day Giada tomorrow                    the round of a day

The gateway is at GIRO_GATEWAY_URL (default: that of the demo here, else http://127.0.0.1:8480); GIRO_TOKEN
is used instead of signing in. Exit codes: 0 yes, 1 the answer is no, 2 not understood. NO_COLOR is honoured.
"""


def build() -> typer.Typer:
    """The whole program."""
    app = noun(HELP)
    app.command("sign-in")(people.sign_in)
    app.command()(people.whoami)
    app.command()(doctor)
    app.command("version")(show_version)
    checks.geo.command()(solving.solve)
    checks.geo.command()(roads.geocode)
    for name, group in (
        ("campaigns", campaigns.app),
        ("contacts", campaigns.contacts),
        ("slots", slots.app),
        ("holds", holds.app),
        ("appointments", appointments.app),
        ("series", series.app),
        ("waitlist", waitlist.app),
        ("documents", documents.app),
        ("calendar", calendars.app),
        ("portal", portal.app),
        ("package", packages.app),
        ("claims", claims.app),
        ("unavailability", unavailability.app),
        ("outcomes", refixing.outcomes),
        ("recalls", refixing.recalls),
        ("modes", refixing.modes),
        ("reminders", reminders.app),
        ("agents", agents.app),
        ("agent", agents.one),
        ("day", days.app),
        ("geo", checks.geo),
        ("roads", roads.app),
        ("zones", zones.app),
        ("changes", checks.changes),
        ("parameters", checks.parameters),
        ("tenant", tenant.app),
        ("clock", checks.clock),
    ):
        app.add_typer(group, name=name)
    return app


def show_version() -> None:
    """The version of this program."""
    output.say(f"giro {version('giro-cli')}")


def main() -> None:
    """The console script."""
    build()(prog_name="giro")


if __name__ == "__main__":
    main()
