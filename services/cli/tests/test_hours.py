"""Speeds of the hours of the week on the command line."""

import pytest
from running_giro import Giro
from stub_gateway import StubGateway

MORNING = {"isoWeekdays": [1, 2, 3, 4, 5], "fromHour": 7, "untilHour": 9, "speedPercent": 60}
PROFILE = {
    "profile": {"timeZone": "Europe/Rome", "hours": [MORNING]},
    "version": "osrm-1d3c16b691ef-car-67+m2p",
    "nowInfeasible": 3,
}
NOTHING = {"version": "osrm-1d3c16b691ef-car-67", "nowInfeasible": 0}


def test_the_hours_are_shown(gateway: StubGateway, giro: Giro) -> None:
    gateway.on("GET", "/v1/travelProfile", PROFILE)
    shown = giro("roads", "hours").stdout
    for part in ("Europe/Rome", "Mon Tue Wed Thu Fri", "07:00-09:00", "60 %", "3 pairs", "+m2p"):
        assert part in shown


def test_without_a_profile_every_hour_is_alike(gateway: StubGateway, giro: Giro) -> None:
    gateway.on("GET", "/v1/travelProfile", NOTHING)
    assert "every hour as the engine tells it" in giro("roads", "hours").stdout


def test_they_are_set_and_taken_away(gateway: StubGateway, giro: Giro) -> None:
    gateway.on("POST", "/v1/travelProfile", PROFILE)
    giro("roads", "hours", "--zone", "Europe/Rome", "--speed", "1-5 7-9 60", "--speed", "6,7 10-24 90%")
    sent = gateway.body_of("/v1/travelProfile")
    weekend = {"isoWeekdays": [6, 7], "fromHour": 10, "untilHour": 24, "speedPercent": 90}
    assert sent["profile"] == {"timeZone": "Europe/Rome", "hours": [MORNING, weekend]}
    gateway.on("POST", "/v1/travelProfile", NOTHING)
    giro("roads", "hours", "--clear")
    assert "profile" not in gateway.body_of("/v1/travelProfile")


@pytest.mark.parametrize("words", [("--speed", "every morning"), ("--clear", "--speed", "1-5 7-9 60")])
def test_what_is_no_speed_is_refused_before_anything_is_sent(
    gateway: StubGateway, giro: Giro, words: tuple[str, ...]
) -> None:
    ran = giro("roads", "hours", *words)
    assert ran.exit_code == 2
    assert gateway.asked == []
