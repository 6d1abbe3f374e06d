"""Ports: by the environment, and a clash says which variable moves it."""

import socket
from itertools import pairwise

import pytest

from allinone import ports
from allinone.errors import StartFailed
from allinone.ports import Ports
from kit.testing.ports import FIRST, LAST, free_ports, part_of_range


def test_the_environment_moves_a_port_and_leaves_the_others() -> None:
    chosen = ports.from_environment({"GIRO_GATEWAY_PORT": "9000", "GIRO_BOOKING_METRICS_PORT": "9001"})
    assert (chosen.gateway, chosen.booking_metrics) == (9000, 9001)
    assert chosen.pg == Ports().pg


def test_an_empty_variable_is_no_choice() -> None:
    assert ports.from_environment({"GIRO_PG_PORT": ""}) == Ports()


@pytest.mark.parametrize("text", ["http", "0", "65536", "-1", "80.5", " 80"])
def test_what_is_no_port_is_refused_by_the_variables_name(text: str) -> None:
    with pytest.raises(StartFailed, match="GIRO_NATS_PORT"):
        ports.from_environment({"GIRO_NATS_PORT": text})


def test_defaults_differ_and_stay_clear_of_the_systems_own_servers() -> None:
    values = [getattr(Ports(), name) for name in ports.NAMES]
    assert len(set(values)) == len(values)
    assert not {5432, 4222, 8222, 80, 443} & set(values)


def test_a_taken_port_is_named_with_the_variable_that_moves_it() -> None:
    chosen = ports.free()
    with socket.socket() as taken:
        taken.bind((ports.HOST, chosen.geo))
        taken.listen()
        with pytest.raises(StartFailed) as failed:
            ports.require_free(chosen, ("identity", "geo"))
    assert f"{chosen.geo} (geo)" in failed.value.why
    assert "GIRO_GEO_PORT=" in failed.value.advice
    assert "GIRO_IDENTITY_PORT" not in failed.value.advice


def test_free_ports_are_free_and_differ() -> None:
    chosen = ports.free()
    ports.require_free(chosen, ports.NAMES)
    assert len({getattr(chosen, name) for name in ports.NAMES}) == len(ports.NAMES)


def test_workers_of_one_run_take_ports_of_parts_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = []
    for worker in range(8):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{worker}")
        parts.append(part_of_range())
        assert all(parts[-1][0] <= port <= parts[-1][1] for port in free_ports(50))
    assert all(earlier[1] < later[0] for earlier, later in pairwise(parts))
    assert (parts[0][0], parts[-1][1]) == (FIRST, LAST)
    monkeypatch.delenv("PYTEST_XDIST_WORKER")
    assert part_of_range() == (FIRST, LAST)
