"""When the load of a tenant began, kept beside what it writes.

A load that was cut off goes on where it was, also when it is taken up after midnight or once a visit's time
has passed: the days that it books are those from its beginning on.
"""

import json
from datetime import datetime
from pathlib import Path


class Beginnings:
    """Instants by tenant id, in one file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def of(self, tenant_id: str, now: datetime) -> datetime:
        """When the tenant's load began, by its clock; `now` when it begins now."""
        known = self._read()
        if tenant_id in known:
            return datetime.fromisoformat(known[tenant_id])
        known[tenant_id] = now.isoformat()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(known))
        return now

    def _read(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return found
