"""When the tests of booking take place: every tenant's clock begins on the same morning.

So no visit crosses midnight, a weekend or a change of the clocks at some hours of the day alone at which the
tests happen to run.
"""

from datetime import UTC, datetime, timedelta

import psycopg

NINE = datetime(2035, 1, 16, 8, 0, tzinfo=UTC)
"""A Tuesday at nine in Rome, far from every change of the clocks."""


class Clocks:
    """Sets test clocks as the superuser, who needs no tenant."""

    def __init__(self) -> None:
        self._admin: psycopg.Connection | None = None

    def open(self, admin_url: str) -> None:
        """The database whose tenants are meant."""
        self._admin = psycopg.connect(admin_url, autocommit=True)

    def close(self) -> None:
        """Lets go of the database."""
        if self._admin is not None:
            self._admin.close()

    def begin(self, tenant: str) -> None:
        """It is `NINE` for this tenant, or up to a second later; a clock that runs already stays as it is."""
        assert self._admin is not None, "the fixture `db` opens it"
        self._admin.execute(
            "INSERT INTO sandbox.test_clocks"
            " VALUES (%s, ceil(extract(epoch FROM %s - clock_timestamp()))) ON CONFLICT DO NOTHING",
            (tenant, NINE),
        )


CLOCKS = Clocks()


def soon(hours: float = 48) -> datetime:
    """So many hours from when a tenant's clock began."""
    return NINE + timedelta(hours=hours)


def noon(ahead: int) -> datetime:
    """Midday in UTC so many days from the first, which is the same day in the agents' zone."""
    return NINE.replace(hour=12) + timedelta(days=ahead)
