"""The three logins of a service: who owns its tables, who uses them, who looks across tenants."""

from dataclasses import dataclass

TENANT_IS_MINE = "tenant_id = nullif(current_setting('giro.tenant', true), '')"
"""The one policy of all tables: no tenant set means no rows."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of a service's roles. None of them is superuser or BYPASSRLS."""

    owner: str
    """Owns the schema and its tables; only migrations log in as it."""
    app: str
    """Serves: reads and writes rows of the tenant that its transaction names."""
    worker: str
    """Finds due work of all tenants, on the columns and tables it is shown."""


def roles_of(service: str) -> Roles:
    """The roles of a service (its schema has the same name)."""
    return Roles(f"giro_{service}_owner", f"giro_{service}", f"giro_{service}_worker")
