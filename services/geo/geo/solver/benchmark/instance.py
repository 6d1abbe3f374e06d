"""A routing instance in whole units, and the check of an answer, which believes no solver.

Place 0 is the depot. Distances are the objective, and driving times as well; waiting costs nothing. The
number of vehicles is a bound, never an aim: that is the convention of the DIMACS challenge, not the older
"fewest vehicles first".
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from geo.solver.frames import Document

Matrix = tuple[tuple[int, ...], ...]
Routes = Sequence[Sequence[int]]
"""Customers of each vehicle in order, without the depot."""


@dataclass(frozen=True, slots=True)
class Instance:
    """`scale` units make one of the file's; columns are along the places. Visits start in `[ready, due]`.

    `first` is the depot's number in the file, and what people are told goes by: 0, or 1.
    """

    name: str
    vehicles: int
    capacity: int
    travel: Matrix
    demand: tuple[int, ...]
    ready: tuple[int, ...]
    due: tuple[int, ...]
    service: tuple[int, ...]
    scale: int = 1
    first: int = 0

    @property
    def customers(self) -> int:
        """How many places there are besides the depot."""
        return len(self.travel) - 1

    @property
    def document(self) -> dict[str, Any]:
        """For a worker."""
        return asdict(self)

    @classmethod
    def of(cls, document: Document) -> "Instance":
        """From a worker's job."""
        told: dict[str, Any] = {
            k: tuple(one) if isinstance(one, list) else one for k, one in document.items()
        }
        told["travel"] = tuple(map(tuple, document["travel"]))
        return cls(**told)

    def route_distance(self, route: Sequence[int]) -> int:
        """Distance from the depot over the customers and back."""
        return sum(self.travel[a][b] for a, b in pairwise((0, *route, 0)))

    def distance(self, routes: Routes) -> int:
        """Distance of all routes."""
        return sum(self.route_distance(route) for route in routes)


def faults(instance: Instance, routes: Routes) -> list[str]:
    """All that makes an answer illegal, one sentence each; empty when it is legal."""
    found = [*_of_visits(instance, routes)]
    if found:
        return found
    if len(routes) > instance.vehicles:
        found.append(f"{len(routes)} vehicles, and there are {instance.vehicles}")
    for number, route in enumerate(routes, 1):
        found += [f"route {number}: {fault}" for fault in _of_route(instance, route)]
    return found


def _of_visits(instance: Instance, routes: Routes) -> Iterator[str]:
    visited = sorted(customer for route in routes for customer in route)
    if visited != list(range(1, instance.customers + 1)):
        yield "not every customer is visited exactly once"
    if not all(routes):
        yield "a route without customers"


def _of_route(instance: Instance, route: Sequence[int]) -> Iterator[str]:
    load = sum(instance.demand[customer] for customer in route)
    if load > instance.capacity:
        yield f"a load of {load}, and {instance.capacity} fit"
    now, at = instance.ready[0], 0
    for place in (*route, 0):
        now += instance.service[at] + instance.travel[at][place]
        if now > instance.due[place]:
            yield f"customer {place} is reached {now - instance.due[place]} too late"
        now, at = max(now, instance.ready[place]), place
