"""A way kept over a place that left the agenda, and what a new matrix makes of it (R-089)."""

from datetime import UTC, datetime, timedelta

import pytest

from geo.domain.chain import Segment, splice
from geo.domain.legs import LegBook
from geo.domain.matrix import travel_version
from geo.domain.promise import Promise, doubtful
from geo.domain.stop import Leg, LinkedStop, Stop, StopKind, TravelSource

NINE = datetime(2027, 3, 1, 9, tzinfo=UTC)


def visit(number: int, version: str) -> LinkedStop:
    start = NINE + timedelta(hours=number)
    stop = Stop(f"stp_{number}", StopKind.APPOINTMENT, start, start + timedelta(minutes=30), number)
    leg = Leg(number - 1, number, 600, 9000, TravelSource.ROAD, version) if number else None
    return LinkedStop(stop, f"stp_{number - 1}" if number else None, leg)


@pytest.mark.parametrize("engine", ["osrm-0123456789ab-car", "estimate-1"])
@pytest.mark.parametrize("matrices", [(0, 0), (3, 3), (3, 4), (0, 10)])
def test_a_way_over_by_roads_stays_out_of_doubt(engine: str, matrices: tuple[int, int]) -> None:
    """Another matrix that says nothing of the pair leaves the way as it can be driven, direct road or not."""
    first, *rest = (visit(n, travel_version(engine, matrices[n - 1])) for n in range(3))
    kept = splice(Segment(first, tuple(rest)), LegBook(), remove={"stp_1"}).chain[-1]
    assert kept.leg is not None
    assert (kept.leg.via, kept.leg.seconds) == (True, 1200)
    promise = Promise("agt_1", "stp_0", "stp_2", "", "", NINE, NINE, 0, kept.leg)
    slower = Leg(0, 2, 3000, 9000, TravelSource.ROAD, travel_version(engine, 5))
    assert not doubtful(promise, engine, slower)
    assert doubtful(promise, "osrm-ffffffffffff-car", slower)
