"""Roles, schemas and migrations of all services, by the code that `python -m <service> migrate` runs too.

Done in this process: starting an interpreter for each service would be most of a warm start's time.
"""

from collections.abc import Mapping

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from allinone.errors import StartFailed
from allinone.urls import StackUrls
from kit.db import migrate

STEP = "roles, schemas and migrations"


def prepare(urls: StackUrls, passwords: Mapping[str, str]) -> None:
    """Brings every schema to its newest version; nothing to do when it is there. Raises StartFailed."""
    try:
        migrate.bootstrap(urls.admin_database, urls.databases, passwords)
        for service, logins in urls.databases.items():
            migrate.upgrade(logins["migrate"], service)
    except (psycopg.Error, SQLAlchemyError) as refused:
        advice = "An existing server needs a superuser's login and PostGIS; make clean drops a private one."
        raise StartFailed(STEP, f"{refused}".strip(), advice) from refused
