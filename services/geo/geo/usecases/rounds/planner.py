"""What the planning use cases work with, and how long they may search."""

from dataclasses import dataclass
from typing import Final

from geo.usecases.ledger import Ledger
from geo.usecases.solver_ports import Solver


@dataclass(frozen=True, slots=True)
class Planner:
    """What the planning use cases work with."""

    ledger: Ledger
    solver: Solver


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds to search, the seed, and whether only searches are wanted that repeat themselves."""

    seconds: float = 5.0
    seed: int = 0
    reproducible: bool = False


USUAL: Final = Budget()
