"""Ids, windows, places, errors, parameters, settings, failpoints, traces: no server needed."""

import json
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from giro.common.v1 import errors_pb2
from kit import failpoints, telemetry
from kit.errors import BY_CODE, GiroError, InvalidInput, Reason
from kit.parameters import Bounds, Effective, Parameter, Scope, resolve
from kit.settings import ServiceSettings, SettingsError
from kit.testing.schedule import two_sessions
from kit.values.clock import SystemClock
from kit.values.ids import ID_PATTERN, is_id, new_id
from kit.values.latlng import LatLng, haversine_m, haversine_m_many
from kit.values.window import Window

# --- ids and clock ----------------------------------------------------------------------------------------


def test_an_id_has_its_prefix_and_a_uuid7() -> None:
    made = new_id("apt")
    assert ID_PATTERN.match(made)
    assert made[4 + 12] == "7"
    assert made[4 + 16] in "89ab"
    assert is_id(made, "apt")
    assert not is_id(made, "hld")
    assert not is_id(made.upper(), "apt")


def test_ids_made_later_sort_later() -> None:
    with time_machine.travel(1_800_000_000, tick=False) as traveller:
        first = new_id("apt")
        traveller.shift(0.001)
        assert first < new_id("apt")


def test_ids_differ() -> None:
    assert len({new_id("apt") for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("prefix", ["", "ap", "APT", "appt", "a_b"])
def test_a_prefix_has_three_small_letters(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix)


def test_the_clock_is_aware() -> None:
    assert SystemClock().now().tzinfo is UTC


# --- windows ----------------------------------------------------------------------------------------------


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 23, hour, minute, tzinfo=UTC)


def test_windows_that_touch_do_not_overlap() -> None:
    assert not Window(at(9), at(10)).overlaps(Window(at(10), at(11)))
    assert Window(at(9), at(10)).overlaps(Window(at(9, 59), at(11)))


def test_a_window_contains_its_start_and_not_its_end() -> None:
    window = Window(at(9), at(10))
    assert window.contains(at(9))
    assert not window.contains(at(10))
    assert window.contains(window)
    assert not window.contains(Window(at(9), at(10, 1)))
    assert window.duration == timedelta(hours=1)


def test_instants_of_another_zone_become_utc() -> None:
    rome = timezone(timedelta(hours=1))
    window = Window(at(9).astimezone(rome), at(10).astimezone(rome))
    assert window == Window(at(9), at(10))
    assert window.start.tzinfo is UTC


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        (at(10), at(10), "not after"),
        (at(10), at(9), "not after"),
        (at(9).replace(tzinfo=None), at(10), "start has no time zone"),
        (at(9), at(10).replace(microsecond=1), "end is finer than a second"),
    ],
)
def test_a_window_that_cannot_be(start: datetime, end: datetime, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Window(start, end)


# --- places -----------------------------------------------------------------------------------------------

degrees_lat = st.floats(-90, 90)
degrees_lng = st.floats(-180, 180)
places = st.builds(LatLng, degrees_lat, degrees_lng)


@given(places)
def test_a_key_gives_its_place_back(place: LatLng) -> None:
    assert LatLng.from_key(place.key) == place
    assert 0 <= place.key < 2**63


@given(places, places)
def test_equal_keys_mean_equal_places(a: LatLng, b: LatLng) -> None:
    assert (a.key == b.key) == (a == b)


@given(places, places)
def test_both_haversines_agree_and_are_symmetric(a: LatLng, b: LatLng) -> None:
    one = haversine_m(a, b)
    many = haversine_m_many(a.lat, a.lng, np.array([b.lat]), np.array([b.lng]))
    assert many[0] == pytest.approx(one, abs=1e-3)
    assert haversine_m(b, a) == pytest.approx(one, abs=1e-3)


def test_a_known_distance() -> None:
    rome, milan = LatLng(41.9028, 12.4964), LatLng(45.4642, 9.19)
    assert haversine_m(rome, milan) == pytest.approx(477_000, rel=0.005)
    assert haversine_m(rome, rome) == 0


@pytest.mark.parametrize(
    ("lat", "lng", "field"),
    [
        (90.1, 0, "lat"),
        (-90.1, 0, "lat"),
        (float("nan"), 0, "lat"),
        (0, 180.1, "lng"),
        (0, float("inf"), "lng"),
        (0, float("nan"), "lng"),
    ],
)
def test_a_place_that_cannot_be(lat: float, lng: float, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        LatLng(lat, lng)


def test_a_key_that_is_none() -> None:
    with pytest.raises(ValueError, match="degrees"):
        LatLng.from_key(2**62)


def test_degrees_are_rounded_and_zero_has_no_sign() -> None:
    assert LatLng(1.2345678, -0.0000001) == LatLng(1.234568, 0.0)
    assert str(LatLng(-0.0, 0.0).lat) == "0.0"


# --- errors -----------------------------------------------------------------------------------------------


def test_reasons_are_those_of_the_contract() -> None:
    contract = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert {reason.value for reason in Reason} == contract - {"UNSPECIFIED"}


def test_every_error_has_a_status_of_its_own() -> None:
    assert len(BY_CODE) == len(GiroError.__subclasses__()) == 9


# --- parameters -------------------------------------------------------------------------------------------


class Mode(StrEnum):
    """A choice."""

    STRICT = "strict"
    EASY = "easy"


LEAD = Parameter("lead", timedelta, timedelta(hours=36), "Lead time.", "R-009", Bounds(timedelta(0)))


def test_the_nearest_scope_wins() -> None:
    values = {Scope.TENANT: "3600", Scope.SYSTEM: "60", Scope.CAMPAIGN: "7200"}
    assert resolve(LEAD, values) == Effective(timedelta(hours=2), Scope.CAMPAIGN)
    assert resolve(LEAD, {}) == Effective(timedelta(hours=36), None)


@pytest.mark.parametrize(
    ("kind", "default", "raw", "value"),
    [
        (bool, False, "true", True),
        (int, 1, "-4", -4),
        (float, 1.0, "2", 2.0),
        (str, "", '"x"', "x"),
        (timedelta, timedelta(0), "90", timedelta(seconds=90)),
        (time, time(9), '"17:30"', time(17, 30)),
        (Mode, Mode.STRICT, '"easy"', Mode.EASY),
    ],
)
def test_values_are_read_and_written(kind: type[Any], default: Any, raw: str, value: Any) -> None:
    parameter = Parameter("p", kind, default, "")
    assert parameter.parse(raw) == value
    assert parameter.parse(parameter.text(value)) == value


@pytest.mark.parametrize(
    ("kind", "default", "raw"),
    [
        (bool, False, "1"),
        (int, 1, "true"),
        (int, 1, "1.5"),
        (float, 1.0, "NaN"),
        (float, 1.0, "Infinity"),
        (str, "", "7"),
        (timedelta, timedelta(0), '"1h"'),
        (time, time(9), '"9"'),
        (time, time(9), '"25:00"'),
        (Mode, Mode.STRICT, '"lax"'),
        (int, 1, "{"),
        (int, 1, "null"),
    ],
)
def test_a_value_that_does_not_fit_names_its_parameter(kind: type[Any], default: Any, raw: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Parameter("p", kind, default, "").parse(raw)
    assert refused.value.violations[0].field == "p"


def test_bounds_hold_for_values_and_for_the_default() -> None:
    percent = Parameter("p", int, 50, "", bounds=Bounds(0, 100))
    assert percent.parse("100") == 100
    with pytest.raises(InvalidInput, match="from 0 to 100"):
        percent.parse("101")
    with pytest.raises(ValueError, match="default"):
        Parameter("p", int, -1, "", bounds=Bounds(0, 100))


def test_a_scope_too_near_is_refused() -> None:
    parameter = Parameter("p", int, 1, "", narrowest=Scope.TENANT)
    with pytest.raises(InvalidInput, match="per user"):
        resolve(parameter, {Scope.USER: "2"})


# --- settings ---------------------------------------------------------------------------------------------


class ProbeSettings(ServiceSettings):
    """Settings of a service."""

    service: ClassVar[str] = "probe"
    slot_key: str
    limit: int = 3


def test_a_services_own_variable_goes_before_the_shared_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIRO_SLOT_KEY", "shared")
    monkeypatch.setenv("GIRO_LIMIT", "4")
    monkeypatch.setenv("GIRO_PROBE_LIMIT", "5")
    monkeypatch.setenv("GIRO_PROBE_DATABASE_URL", "postgresql://x")
    settings = ProbeSettings()
    assert (settings.slot_key, settings.limit, settings.database_url) == ("shared", 5, "postgresql://x")
    assert "postgresql" not in repr(settings)


def test_what_is_missing_or_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIRO_PROBE_LIMIT", "many")
    monkeypatch.setenv("GIRO_LOG_LEVEL", "LOUD")
    with pytest.raises(SettingsError) as refused:
        ProbeSettings()
    message = str(refused.value)
    assert "GIRO_SLOT_KEY is not set" in message
    assert "GIRO_PROBE_LIMIT: " in message
    assert "GIRO_LOG_LEVEL: " in message


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"sandbox": True, "production": True}, "GIRO_SANDBOX is refused"),
        ({"service_key": "short"}, "GIRO_SERVICE_KEY is shorter"),
    ],
)
def test_settings_that_contradict(values: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        ServiceSettings(**values)


def test_what_only_some_need_is_asked_for_by_them() -> None:
    with pytest.raises(SettingsError, match="GIRO_PROBE_DATABASE_URL is not set"):
        ProbeSettings(slot_key="x").require("database_url")


# --- failpoints -------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_armed_failpoint_runs_its_hook() -> None:
    hits: list[str] = []

    async def hook() -> None:
        hits.append("hit")

    await failpoints.failpoint("a")
    failpoints.arm("a", hook)
    await failpoints.failpoint("a")
    await failpoints.failpoint("b")
    failpoints.reset()
    await failpoints.failpoint("a")
    assert hits == ["hit"]


@pytest.mark.parametrize("asked", ["a=explode", "a", "a=pause:long", "a=kill:9"])
def test_a_failpoint_that_cannot_be_read_stops_the_start(asked: str) -> None:
    with pytest.raises(RuntimeError, match="GIRO_FAILPOINTS"):
        failpoints.arm_from_environment({"GIRO_FAILPOINTS": asked})


@pytest.mark.parametrize("asked", [{"GIRO_FAILPOINTS": "a=kill"}, {"GIRO_FAILPOINTS_FILE": "armed"}])
def test_failpoints_are_refused_in_production(asked: dict[str, str]) -> None:
    with pytest.raises(RuntimeError, match="GIRO_PRODUCTION"):
        failpoints.arm_from_environment({**asked, "GIRO_PRODUCTION": "true"})


def test_a_running_process_is_killed_at_the_failpoint_that_is_written_later(tmp_path: Path) -> None:
    file = tmp_path / "armed"
    code = (
        "import asyncio, pathlib; from kit.failpoints import failpoint; asyncio.run(failpoint('a'));"
        f"pathlib.Path({str(file)!r}).write_text('b=kill, a=pause:0'); asyncio.run(failpoint('a'));"
        f"print('alive', flush=True); asyncio.run(failpoint('b')); print('still')"
    )
    environment = {"GIRO_FAILPOINTS_FILE": str(file)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-9, b"alive\n")


@pytest.mark.asyncio
async def test_a_written_failpoint_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "armed").write_text("a=explode")
    failpoints.watch(tmp_path / "armed")
    with pytest.raises(RuntimeError, match="GIRO_FAILPOINTS"):
        await failpoints.failpoint("a")


def test_a_failpoint_kills_its_process() -> None:
    code = "import asyncio; from kit.failpoints import failpoint; asyncio.run(failpoint('a')); print('alive')"
    environment = {"GIRO_FAILPOINTS": "b=pause:0, a=kill"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert done.returncode == -9
    assert done.stdout == b""


@pytest.mark.asyncio
async def test_two_sessions_run_in_the_order_asked_for() -> None:
    order: list[str] = []

    async def session(name: str) -> str:
        order.append(f"{name} reads")
        await failpoints.failpoint("between")
        order.append(f"{name} writes")
        return name

    outcome = await two_sessions(lambda: session("a"), lambda: session("b"), at="between")
    assert order == ["a reads", "b reads", "b writes", "a writes"]
    assert (outcome.first, outcome.second, outcome.held, outcome.overtook) == ("a", "b", True, True)


@pytest.mark.asyncio
async def test_a_session_that_never_comes_to_the_failpoint_is_told() -> None:
    async def session() -> None:
        raise KeyError("a")

    outcome = await two_sessions(session, session, at="nowhere")
    assert not outcome.held
    assert isinstance(outcome.first, KeyError)


# --- traces and logs --------------------------------------------------------------------------------------


def test_a_trace_goes_on_in_its_children() -> None:
    root = telemetry.Trace.new()
    parsed = telemetry.Trace.parse(root.header)
    assert parsed == root
    assert root.child().trace_id == root.trace_id
    assert root.child().span_id != root.span_id


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-1-2-01",
        f"00-{'g' * 32}-{'1' * 16}-01",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
    ],
)
def test_what_is_no_trace(header: str | None) -> None:
    assert telemetry.Trace.parse(header) is None


def test_log_lines_are_json_with_request_and_trace() -> None:
    code = (
        "from kit import telemetry\n"
        "import logging\n"
        "telemetry.configure_logging('probe')\n"
        "telemetry.enter(None, 'req-1', 'ten_1')\n"
        "telemetry.logger('here').info('hello', n=1)\n"
        "telemetry.logger('here').debug('unheard')\n"
        "logging.getLogger('other').warning('from elsewhere')\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: telemetry.logger('here').exception('oops')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["hello", "from elsewhere", "oops"]
    assert all(line["service"] == "probe" and line["request_id"] == "req-1" for line in lines)
    assert lines[0]["n"] == 1
    assert len(lines[0]["trace_id"]) == 32
    assert "ZeroDivisionError" in lines[2]["exception"]
