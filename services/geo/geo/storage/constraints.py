"""What the database's constraints stand for.

The chain's constraints never fire while every writer holds the agent's lock. When one does, a path forgot it:
nothing is written, the caller is told LEDGER_REFUSED, and `giro_db_constraint_fired_total` alerts.
"""

from collections.abc import Callable, Mapping
from typing import Final

from kit.errors import AlreadyExists, Conflict, GiroError, Reason

CHAIN: Final = (
    "stops_pkey",
    "stops_agent",
    "stops_linkable",
    "stops_one_successor",
    "stops_previous",
    "stops_leg",
    "stops_owner",
    "stops_last",
    "stops_link_whole",
    "stops_reachable",
    "stops_buffer",
    "stops_visit_place",
    "stops_owned",
    "stops_expiry",
    "stops_arrival",
)
"""The constraints that keep the guarantee by themselves."""


def _refused() -> GiroError:
    return Conflict(Reason.LEDGER_REFUSED, "the ledger refused this change; nothing was written")


def _other_import() -> GiroError:
    return Conflict(Reason.CONTENTION, "another matrix is being imported; try again")


def _name_taken() -> GiroError:
    message = "another zone has this name"
    return AlreadyExists(Reason.ALREADY_EXISTS, message, metadata={"resource": "zone"}, field="name")


OTHERS: Final = (
    "legs_amounts",
    "agents_buffer",
    "owners_state",
    "owners_kind",
    "owners_agent",
    "moves_outcome",
    "zones_one_kind",
    "zones_valid",
)

CONSTRAINTS: Final[Mapping[str, Callable[[], GiroError]]] = {
    "matrix_versions_pkey": _other_import,
    "zones_name": _name_taken,
} | dict.fromkeys((*CHAIN, *OTHERS), _refused)
"""For `Database(constraints=...)`."""
